"""The graph of a model as a picture: what is in sight, where it stands, what colours it."""

from qdebug.figures.graph.measures import MEASURES, GraphMeasure, Shade, finding, legend, over, shades
from qdebug.figures.graph.names import labels
from qdebug.figures.graph.placing import Box, Line, Picture, place
from qdebug.figures.graph.visible import Inside, children, first_open, path_to, visible

__all__ = [
    "MEASURES", "Box", "GraphMeasure", "Inside", "Line", "Picture", "Shade", "children", "finding", "first_open",
    "labels", "legend", "over", "path_to", "place", "shades", "visible",
]  # fmt: skip
