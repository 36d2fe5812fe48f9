"""Arithmetic as ONNX Runtime's CPU kernels do it: codes in, codes out, and what stays in floats between them.

Every formula was found in the runtime's public sources or by trying all pairs of codes against it (version 1.31.1 on
x86-64), and is held to it by tests. Where they say float32, each operation is rounded to float32 on its own.
"""

from qdebug.quantize.integer.elementwise import add, lookup, multiply, recoded, softmax
from qdebug.quantize.integer.functions import erf, gelu, gelu_by_tanh, tanh
from qdebug.quantize.integer.logistic import logistic
from qdebug.quantize.integer.pooling import average_windows, global_average
from qdebug.quantize.integer.requantize import Affine, requantize, scaled
from qdebug.quantize.integer.rows import float_softmax, layer_norm, rms_norm
from qdebug.quantize.integer.sums import Windows, convolution_sums, matrix_sums

__all__ = [
    "Affine", "Windows", "add", "average_windows", "convolution_sums", "erf", "float_softmax", "gelu", "gelu_by_tanh",
    "global_average", "layer_norm", "logistic", "lookup", "matrix_sums", "multiply", "recoded", "requantize",
    "rms_norm", "scaled", "softmax", "tanh",
]  # fmt: skip
