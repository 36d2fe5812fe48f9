"""A quantized ONNX file as an integer runtime computes it, code for code."""

from qdebug.verify.integer.compare import Agreement, Comparison, Row, compare
from qdebug.verify.integer.plan import integer_file, integer_program

__all__ = ["Agreement", "Comparison", "Row", "compare", "integer_file", "integer_program"]
