"""The grid that codes stand for, as a drawing needs it."""

from __future__ import annotations

import numpy as np
import torch

from qdebug import results
from qdebug.quantize import Grid, LevelGrid, QParams

MOST = 257
"""Points that a drawing can show; a grid of more is drawn as its limits alone."""


def grid(qparams: Grid) -> results.Grid:
    """The reals of all codes (for several scales those of the widest that is finite) and the outermost clip limits."""
    scales = qparams.scale.reshape(-1)
    if not bool(torch.isfinite(scales).any()):
        return results.Grid(points=(), clip_min=0.0, clip_max=0.0, scales=scales.numel())
    widest = int(torch.where(torch.isfinite(scales), scales.abs(), -1.0).argmax())
    low, high = (limit[torch.isfinite(limit)] for limit in (qparams.clip_min, qparams.clip_max))
    points = _uniform(qparams, widest) if isinstance(qparams, QParams) else _levels(qparams, widest)
    return results.Grid(
        points=tuple(points.tolist()) if len(points) <= MOST else (),
        clip_min=float(low.min()), clip_max=float(high.max()), scales=scales.numel(),
    )  # fmt: skip


def _uniform(qparams: QParams, widest: int) -> np.ndarray:
    zero_point = float(qparams.zero_point.reshape(-1)[widest])
    return (np.arange(qparams.qmin, qparams.qmax + 1) - zero_point) * float(qparams.scale.reshape(-1)[widest])


def _levels(levels: LevelGrid, widest: int) -> np.ndarray:
    scale = levels.scale.reshape(-1)[widest].double()
    offset = 0.0 if levels.offset is None else levels.offset.reshape(-1)[widest].double()
    groups = levels.scale.shape[1] if levels.scale.dim() else 1
    own = levels.levels if levels.levels.dim() == 1 else levels.levels[widest // groups]
    return np.sort((own.double() * scale + offset).numpy())
