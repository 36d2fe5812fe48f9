"""The cache: computed once, within its budget, cheapest to recompute dropped first."""

from __future__ import annotations

import threading
import time

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from qdebug.engine import ValueCache, Work
from qdebug.engine.cache import Claim
from qdebug.errors import Cancelled


def floats(kilobytes: int) -> torch.Tensor:
    return torch.zeros(kilobytes * 256)


def put(cache: ValueCache, name: str, kilobytes: int, seconds: float) -> None:
    cache.claim((name.encode(), b"")).publish(floats(kilobytes), seconds)


def roomy(budget: int) -> ValueCache:
    """A cache that has learnt that its whole budget is worth holding."""
    cache = ValueCache(budget)
    cache.make_room(budget)
    return cache


@given(st.lists(st.tuples(st.integers(0, 12), st.integers(1, 40), st.floats(0, 1)), max_size=60), st.integers(0, 200))
def test_never_over_budget(puts, budget):
    cache = ValueCache(budget * 1024)
    for name, size, seconds in puts:
        if cache.get((str(name).encode(), b"")) is None:
            put(cache, str(name), size, seconds)
        assert cache.stats().bytes <= budget * 1024


def test_cheap_bytes_go_first():
    cache = roomy(100 * 1024)
    put(cache, "dear", 20, seconds=1.0)
    for number in range(20):
        put(cache, f"cheap{number}", 20, seconds=0.001)
    assert cache.get((b"dear", b"")) is not None
    assert cache.get((b"cheap0", b"")) is None
    assert cache.stats().evictions > 0


def test_what_nobody_asks_for_goes_in_the_end():
    cache = roomy(100 * 1024)
    put(cache, "dear once", 20, seconds=0.01)
    for number in range(400):
        put(cache, f"steady{number}", 20, seconds=0.001)
    assert cache.get((b"dear once", b"")) is None


def test_it_holds_no_more_than_serves():
    cache = ValueCache(1024 * 1024)
    for number in range(60):
        put(cache, f"edit{number}", 20, seconds=0.01)
    assert cache.stats().bytes <= cache.limit == 128 * 1024
    cache.make_room(100 * 1024)  # a whole sheet: some of them are worth holding
    for number in range(60, 120):
        put(cache, f"edit{number}", 20, seconds=0.01)
    assert 280 * 1024 <= cache.stats().bytes <= cache.limit == 300 * 1024


def test_two_threads_compute_once():
    cache, computed, start = ValueCache(1 << 20), [], threading.Barrier(8)

    def compute():
        computed.append(1)
        time.sleep(0.1)
        return floats(1)

    def ask(results, place):
        start.wait()
        results[place] = cache.get_or_compute((b"k", b""), compute)

    results = [None] * 8
    threads = [threading.Thread(target=ask, args=(results, place)) for place in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(computed) == 1
    assert all(result is results[0] for result in results)


def test_an_abandoned_claim_passes_on():
    cache = ValueCache(1 << 20)
    first = cache.claim((b"k", b""))
    got = []
    waiter = threading.Thread(target=lambda: got.append(cache.claim((b"k", b""))))
    waiter.start()
    time.sleep(0.05)
    first.abandon()
    waiter.join(5)
    assert isinstance(got[0], Claim)


def test_waiting_can_be_cancelled():
    cache, work = ValueCache(1 << 20), Work()
    cache.claim((b"k", b""))
    work.cancel()
    with pytest.raises(Cancelled):
        cache.claim((b"k", b""), work.check)


def test_a_failure_is_not_remembered():
    cache = ValueCache(1 << 20)
    with pytest.raises(ZeroDivisionError):
        cache.get_or_compute((b"k", b""), lambda: 1 / 0)
    assert cache.get_or_compute((b"k", b""), lambda: floats(1)) is not None


def test_a_value_that_does_not_fit_is_still_handed_out():
    cache = ValueCache(1024)
    assert cache.get_or_compute((b"k", b""), lambda: floats(100)).numel() == 25_600
    assert cache.stats().entries == 0
