"""The fixes. Each takes a model's tensors and what was measured of them, and returns new tensors."""

from qdebug.methods.awq import scale_salient
from qdebug.methods.bias_correction import correct_biases
from qdebug.methods.cle import equalize
from qdebug.methods.places import scale_sites
from qdebug.methods.smoothquant import smooth

__all__ = ["correct_biases", "equalize", "scale_salient", "scale_sites", "smooth"]
