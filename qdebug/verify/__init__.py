"""What was decided, held against real kernels: codes, predictions, time."""

from qdebug.verify.check import RUNTIMES, verify
from qdebug.verify.latency import measure_latency

__all__ = ["RUNTIMES", "measure_latency", "verify"]
