"""The exported program seen as steps, layers and patterns."""

from qdebug.graph.flows import Flow, flows, unplaced
from qdebug.graph.layers import Layer
from qdebug.graph.layout import channels_last
from qdebug.graph.lower import lower
from qdebug.graph.patterns import NormSite, norm_sites
from qdebug.graph.program import Program, Ref, Step
from qdebug.graph.scaling import ScaleGroup, scale_groups

__all__ = [
    "Flow", "Layer", "NormSite", "Program", "Ref", "ScaleGroup", "Step", "channels_last",
    "flows", "lower", "norm_sites", "scale_groups", "unplaced",
]  # fmt: skip
