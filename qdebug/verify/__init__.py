"""What was decided, held against real kernels: codes, predictions, time."""

from qdebug.verify.check import RUNTIMES, check_runtime, verify
from qdebug.verify.latency import measure_latency

__all__ = ["RUNTIMES", "check_runtime", "measure_latency", "verify"]
