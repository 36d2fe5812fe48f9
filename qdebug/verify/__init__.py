"""What was decided, held against real kernels: codes, predictions, time.

Importing the room brings no torch, so that a process which only runs a runtime starts quickly.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from qdebug.verify.check import RUNTIMES, check_runtime, verify
    from qdebug.verify.kernel_times import layer_times
    from qdebug.verify.latency import measure_latency
    from qdebug.verify.simulate import integer_metric

_FROM = {
    "RUNTIMES": "check", "check_runtime": "check", "verify": "check", "layer_times": "kernel_times",
    "measure_latency": "latency", "integer_metric": "simulate",
}  # fmt: skip
__all__ = ["RUNTIMES", "check_runtime", "integer_metric", "layer_times", "measure_latency", "verify"]


def __getattr__(name: str) -> object:
    if name in _FROM:
        return getattr(importlib.import_module(f"qdebug.verify.{_FROM[name]}"), name)
    raise AttributeError(f"module 'qdebug.verify' has no attribute '{name}'")
