"""Pathological tensors are findings that name them. In long: ``python -m benchmarks.promises --only pathology``."""

from dataclasses import replace

import pytest

from benchmarks.promises.pathology import HALF, PATHOLOGIES, PROMISE, W8A8, times, told
from benchmarks.promises.promise import Allowance


def test_each_is_named_at_its_place():
    outcome = PROMISE.keep(Allowance(PROMISE.short))
    assert outcome.broken == ()
    assert outcome.tried == 30 == len({one.name for one in PATHOLOGIES})


@pytest.mark.parametrize("wrong", [
    replace(PATHOLOGIES[0], kind="inf"), replace(PATHOLOGIES[6], kind="constant"),
    replace(PATHOLOGIES[23], kind="all-zero"),
    replace(PATHOLOGIES[6], spoil=times(1.0)), replace(PATHOLOGIES[17], recipe=W8A8),
    replace(PATHOLOGIES[28], spoil=times(1.0), recipe=HALF),
])  # fmt: skip
def test_what_is_not_said_is_noticed(wrong):
    assert told(wrong, 0).startswith(wrong.name)
