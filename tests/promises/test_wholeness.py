"""An export, a recipe, a workspace is whole or absent; and what is torn is seen."""

import pytest

from benchmarks.promises.promise import Allowance
from benchmarks.promises.system_calls import is_possible
from benchmarks.promises.wholeness import PROMISE, tried

pytestmark = pytest.mark.skipif(not is_possible(), reason="nobody can listen to system calls here")


def test_what_is_written_is_whole_or_absent():
    outcome = PROMISE.keep(Allowance(PROMISE.short))
    assert outcome.broken == ()
    assert outcome.tried >= 40 and outcome.figures["phases"] >= 8
    assert outcome.figures["failing calls"] == 40


def test_careless_writers_are_seen():
    outcome = tried(Allowance(40), "tests.promises.careless_writers:phases")
    kills = " ".join(one for one in outcome.broken if "killed" in one)
    assert "written in place" in kills and "cut" in kills
    assert "net.data new, net.onnx old" in kills
    assert any("ENOSPC" in one and "No space left" in one for one in outcome.broken)
    assert any("was left" in one for one in outcome.broken)
