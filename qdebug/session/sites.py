"""The tensors whose range comes from calibration data."""

from __future__ import annotations

from dataclasses import dataclass

from qdebug.engine import LayerQuant, Sheet
from qdebug.quantize import QParams, is_static
from qdebug.session.subject import Subject

_HALF_STEP = 0.5 + 2.0**-10
"""How far beyond the last code a value still is its neighbour, in steps."""


@dataclass(frozen=True)
class Site:
    """A step's value with a calibrated range.

    Attributes:
        index: the step.
        name: the layer that reads it, or the value's name.
        between: whether it is a value between layers.
        low, high: the range's ends.
        least, most: values beyond these are clipped.
    """

    index: int
    name: str
    between: bool
    low: float
    high: float
    least: float
    most: float


def sites(subject: Subject, sheet: Sheet) -> tuple[Site, ...]:
    """Every value with a calibrated range under a sheet, in the order of the graph.

    A value that several layers read in the same way is there once, by the first of them.
    """
    found: dict[tuple[int, float, float], Site] = {}
    for layer in subject.layers:
        site = _site(sheet.quants.get(layer.step), layer.x, layer.name, between=False)
        if site is not None:
            found.setdefault((site.index, site.low, site.high), site)
    seen = {site.index for site in found.values()}
    for index, quant in sheet.points.items():
        site = _site(quant, index, subject.program.steps[index].name, between=True)
        if site is not None and index not in seen:
            found[site.index, site.low, site.high] = site
    return tuple(sorted(found.values(), key=lambda site: site.index))


def _site(quant: LayerQuant | None, index: int, name: str, *, between: bool) -> Site | None:
    plan = quant.plan.activation if quant else None
    if quant is None or plan is None or not is_static(plan) or plan.range == "stored" or plan.clip is not None:
        return None
    grid = quant.activation
    if grid is None or grid.scale.numel() != 1:
        return None
    low, high = float(grid.clip_min), float(grid.clip_max)
    if isinstance(grid, QParams):
        slack = _HALF_STEP * float(grid.scale)
        return Site(index, name, between, low, high, low - slack, high + slack)
    least, most = grid.reach
    return Site(index, name, between, low, high, float(least), float(most))
