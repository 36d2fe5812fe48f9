"""A quantized ONNX file as an integer runtime computes it, code for code."""

from qdebug.verify.integer.compare import Comparison, compare
from qdebug.verify.integer.plan import integer_file, integer_program

__all__ = ["Comparison", "compare", "integer_file", "integer_program"]
