"""What was decided, held against real kernels: codes, predictions, time."""

from qdebug.verify.check import RUNTIMES, check_runtime, verify
from qdebug.verify.latency import measure_latency
from qdebug.verify.simulate import integer_metric

__all__ = ["RUNTIMES", "check_runtime", "integer_metric", "measure_latency", "verify"]
