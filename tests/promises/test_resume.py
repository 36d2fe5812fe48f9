"""A killed sweep resumes to the same bytes; and other bytes are seen."""

import msgspec
import numpy as np
import pytest

from benchmarks.promises.promise import Allowance
from benchmarks.promises.resume import PROMISE
from benchmarks.promises.resume.trials import digest
from benchmarks.promises.system_calls import is_possible
from qdebug.results import Sensitivity
from qdebug.results.sensitivity import SensitivityRow


@pytest.mark.skipif(not is_possible(), reason="nobody can listen to system calls here")
def test_killed_sweeps_resume_to_the_same_bytes():
    outcome = PROMISE.keep(Allowance(PROMISE.short))
    assert outcome.broken == ()
    assert outcome.tried == 5
    assert outcome.figures["kept of a killed sweep"] > 0


def test_the_last_bit_of_a_number_is_seen_and_seconds_are_not():
    row = SensitivityRow(layer="a", format="w4a8", exact=1.0, seconds=1.0)
    found = Sensitivity(
        model="m", digest="d", recipe="r", measure="squared", mode="exact", formats=("w4a8",), rows=(row,), n=1, of=1,
        forward_seconds=1.0, seconds=2.0,
    )  # fmt: skip

    def changed(**values):
        return digest(msgspec.structs.replace(found, rows=(msgspec.structs.replace(row, **values),)))

    assert changed(exact=float(np.nextafter(1.0, 2.0))) != digest(found)
    assert changed(seconds=9.0) == digest(found)
