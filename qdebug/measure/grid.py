"""The grid that codes stand for, as a drawing needs it."""

from __future__ import annotations

import numpy as np

from qdebug.quantize import QParams
from qdebug.results import Grid


def grid(qparams: QParams) -> Grid:
    """The reals of all codes (for several scales those of the widest) and the outermost clip limits."""
    scales = qparams.scale.reshape(-1)
    widest = int(scales.argmax())
    zero_point = float(qparams.zero_point.reshape(-1)[widest])
    codes = np.arange(qparams.qmin, qparams.qmax + 1)
    return Grid(
        points=tuple(((codes - zero_point) * float(scales[widest])).tolist()),
        clip_min=float(qparams.clip_min.min()), clip_max=float(qparams.clip_max.max()), scales=scales.numel(),
    )  # fmt: skip
