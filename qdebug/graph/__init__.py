"""The exported program seen as steps, layers and patterns."""

from qdebug.graph.layers import Layer
from qdebug.graph.layout import channels_last
from qdebug.graph.lower import lower
from qdebug.graph.patterns import Chain, NormSite, chains, norm_sites
from qdebug.graph.program import Program, Ref, Step

__all__ = [
    "Chain", "Layer", "NormSite", "Program", "Ref", "Step", "chains", "channels_last", "lower", "norm_sites",
]  # fmt: skip
