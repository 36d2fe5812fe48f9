"""What each operator computes: lowered to torch's own operators, or a kernel. Importing this registers them all."""

from qdebug.doors.onnx.ops import (
    activations,
    arithmetic,
    casts,
    elementwise,
    layers,
    logic,
    making,
    nonlinear,
    pads,
    picking,
    placing,
    ranking,
    reductions,
    shapes,
    views,
)

__all__ = [
    "activations",
    "arithmetic",
    "casts",
    "elementwise",
    "layers",
    "logic",
    "making",
    "nonlinear",
    "pads",
    "picking",
    "placing",
    "ranking",
    "reductions",
    "shapes",
    "views",
]
