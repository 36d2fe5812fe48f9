"""Memory does not grow with visitors; and growth is seen."""

import sys

import pytest

from benchmarks.promises.promise import Allowance
from benchmarks.promises.visitors import MOST_MB, PROMISE, growth


@pytest.mark.skipif(sys.platform != "linux", reason="memory is read as Linux tells it")
def test_visitors_leave_nothing_behind():
    outcome = PROMISE.keep(Allowance(PROMISE.short))
    assert outcome.broken == ()
    assert outcome.tried == 40


def test_growth_is_seen_and_a_step_is_none():
    assert growth([100 + 0.2 * visitor for visitor in range(40)]) > MOST_MB
    assert growth([50 + 5.0 * min(visitor, 10) for visitor in range(40)]) == 0.0
    assert abs(growth([100.0] * 12 + [104.0] * 28)) <= MOST_MB
