"""The fixes. Each takes a model's tensors and what was measured of them, and returns new tensors."""

from qdebug.methods.bias_correction import correct_biases
from qdebug.methods.cle import equalize
from qdebug.methods.smoothquant import smooth

__all__ = ["correct_biases", "equalize", "smooth"]
