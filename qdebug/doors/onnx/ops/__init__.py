"""What each operator computes: lowered to torch's own operators, or a kernel. Importing this registers them all."""

from qdebug.doors.onnx.ops import (
    activations,
    affine,
    attention,
    control,
    detection,
    integers,
    layers,
    linear_attention,
    losses,
    normalizations,
    pools,
    recurrent,
    resize,
    sampling,
    sequences,
    signals,
)

__all__ = [
    "activations",
    "affine",
    "integers",
    "layers",
    "pools",
    "sampling",
    "resize",
    "detection",
    "signals",
    "normalizations",
    "losses",
    "linear_attention",
    "attention",
    "sequences",
    "recurrent",
    "control",
]
