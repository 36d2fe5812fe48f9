"""Calls that hear of no cancel: nobody waits for them after one, and what they say or raise arrives otherwise."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch

from qdebug.engine import Work
from qdebug.engine.apart import apart
from qdebug.errors import Cancelled


def in_a_thread(call):
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(call).result(30)


def test_nobody_waits_for_it_after_a_cancel():
    work, begun, over = Work(), threading.Event(), threading.Event()

    def deaf():
        begun.set()
        over.wait(30)

    def cancelled():
        with pytest.raises(Cancelled):
            apart(work, deaf)
        return over.is_set()

    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(cancelled)
        assert begun.wait(30)
        work.cancel()
        assert waiting.result(30) is False
    over.set()


def test_what_it_returns_and_raises_arrives():
    assert in_a_thread(lambda: apart(Work(), lambda: 7)) == 7
    with pytest.raises(ZeroDivisionError):
        in_a_thread(lambda: apart(Work(), lambda: 1 / 0))


def test_gradients_are_as_the_caller_has_them():
    def without():
        with torch.no_grad():
            return apart(Work(), torch.is_grad_enabled)

    assert in_a_thread(without) is False
    assert in_a_thread(lambda: apart(Work(), torch.is_grad_enabled)) is True


def test_the_main_thread_which_an_interrupt_reaches_calls_it_itself():
    assert apart(Work(), threading.current_thread) is threading.current_thread()
    work = Work()
    work.cancel()
    with pytest.raises(Cancelled):
        apart(work, lambda: 7)
