"""Turns of loops are counted over loops within, and each asks whether somebody has cancelled."""

from __future__ import annotations

import threading

import pytest

from qdebug.errors import Cancelled
from qdebug.graph.turns import checked_by, counted


def test_turns_of_loops_within_count_for_the_loop_around():
    with counted() as outer:
        assert outer() == 1
        with counted() as inner:
            assert [inner(), inner()] == [2, 3]
        assert outer() == 4
    with counted() as other:
        assert other() == 1


def test_each_turn_can_be_the_last():
    left = [2]

    def check():
        left[0] -= 1
        if left[0] < 0:
            raise Cancelled

    with checked_by(check), counted() as turn:
        turn(), turn()
        with pytest.raises(Cancelled):
            turn()
    with counted() as turn:
        turn()


def test_threads_have_turns_of_their_own():
    found = []

    def run():
        with counted() as turn:
            found.append(turn())

    with counted() as turn:
        turn(), turn()
        thread = threading.Thread(target=run)
        thread.start()
        thread.join()
    assert found == [1]
