"""Calls that hear of no cancel: into torch's exporter, or into a decomposition of a large matrix."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future, wait
from typing import TypeVar

import torch

from qdebug.engine.work import Work

Value = TypeVar("Value")
_LOOK = 0.05
"""Seconds between two looks whether the work was cancelled."""


def apart(work: Work, call: Callable[[], Value]) -> Value:
    """What a call returns that never looks whether it was cancelled.

    It runs in a thread of its own. After a cancel nobody waits for it any more: it goes on to its end and what it says
    is dropped, so it must change nothing that others see. The main thread, which the user's own interrupt reaches
    wherever it is, calls it itself.

    Raises:
        Cancelled: somebody asked for a stop.
    """
    if threading.current_thread() is threading.main_thread():
        work.check()
        return call()
    gradients = torch.is_grad_enabled()
    found: Future[Value] = Future()

    def answer() -> None:
        try:
            with torch.set_grad_enabled(gradients):
                found.set_result(call())
        except BaseException as error:  # noqa: BLE001 - whoever waits is told
            found.set_exception(error)

    threading.Thread(target=answer, name="qdebug-apart", daemon=True).start()
    while not wait([found], _LOOK).done:
        work.check()
    return found.result()
