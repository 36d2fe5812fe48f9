"""Same input, same numbers; and numbers that are apart are seen."""

import math

import msgspec

from benchmarks.promises.promise import Allowance
from benchmarks.promises.same_numbers import PROMISE
from benchmarks.promises.same_numbers.compared import apart


def test_threads_order_and_processes_change_no_byte():
    outcome = PROMISE.keep(Allowance(PROMISE.short))
    assert outcome.broken == ()
    assert outcome.tried == 6
    assert outcome.figures["differing bytes"] == 0
    assert outcome.figures["answers"] >= 9
    assert outcome.figures["by at most"] == 0.0


def test_numbers_that_are_apart_are_seen():
    def packed(value):
        return msgspec.msgpack.encode(value)

    assert apart(packed({"a": [1.0, math.nan]}), packed({"a": [1.0, math.nan]})) == 0.0
    assert apart(packed({"a": [4.0, 1]}), packed({"a": [3.0, 1]})) == 0.25
    assert apart(packed({"a": [1.0]}), packed({"a": [1.0, 2.0]})) == math.inf
    assert apart(packed({"a": "x"}), packed({"a": "y"})) == math.inf
