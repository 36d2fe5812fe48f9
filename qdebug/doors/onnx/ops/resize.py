"""Resize and Upsample: each axis by itself, by neighbours and their weights."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from qdebug.doors.onnx.builder import Builder
from qdebug.doors.onnx.ir import Node, plain
from qdebug.doors.onnx.registry import lowering, operator
from qdebug.errors import ModelError

_NEAREST: dict[str, Callable[[Tensor], Tensor]] = {
    "round_prefer_floor": lambda x: torch.ceil(x - 0.5), "round_prefer_ceil": lambda x: torch.floor(x + 0.5),
    "floor": torch.floor, "ceil": torch.ceil,
}  # fmt: skip


@dataclass(frozen=True)
class Way:
    """How to resize; the names are those of the operator's attributes (ONNX, Resize)."""

    mode: str = "nearest"
    coordinate_transformation_mode: str = "half_pixel"
    nearest_mode: str = "round_prefer_floor"
    cubic_coeff_a: float = -0.75
    exclude_outside: int = 0
    antialias: int = 0
    extrapolation_value: float = 0.0


@dataclass(frozen=True)
class _Axis:
    """An axis: its sizes, the scale between them, and the region that tf_crop_and_resize takes."""

    old: int
    new: int
    scale: float
    start: float = 0.0
    end: float = 1.0


@lowering("Resize", 11)
def lower_resize(builder: Builder, node: Node) -> tuple[int, ...] | None:
    """A resize whose sizes are stored, so that no batch has to look them up; else the kernel computes it."""
    given = [builder.at(node, place) for place in (1, 2, 3)]
    known = [builder.constant(node, place) for place in (1, 2, 3)]
    if any(one is not None and value is None for one, value in zip(given, known, strict=True)):
        return None
    attributes: dict[str, Any] = {name: plain(value) for name, value in node.attributes.items()}
    roi, scales, sizes = (None if value is None or not value.numel() else value.tolist() for value in known)
    return (builder.emit(
        resized, builder.at(node, 0), roi, scales, sizes, op="onnx.resize", name=node.outputs[0], **attributes
    ).index,)  # fmt: skip


@lowering("Resize", 10)
@lowering("Upsample", 9)
def lower_scaled(builder: Builder, node: Node) -> tuple[int, ...] | None:
    """The older ones, where their scales are stored."""
    scales = builder.constant(node, 1)
    if scales is None:
        return None
    how = _older(node.op, scales.tolist(), str(node.attributes.get("mode", "nearest")))
    return (builder.emit(resized, builder.at(node, 0), op="onnx.resize", name=node.outputs[0], **how).index,)


def _older(op: str, scales: Sequence[float], mode: str) -> dict[str, Any]:
    """Resize 10 and Upsample: coordinates are divided by the scale; nearest rounds down, or up where Resize shrinks."""
    return {
        "roi": None, "scales": list(scales), "sizes": None, "mode": mode,
        "nearest_mode": "simple" if op == "Resize" else "floor",
        "coordinate_transformation_mode": "asymmetric",
    }  # fmt: skip


@operator("Resize", 11)
def resize(
    x: Tensor, roi: Tensor | None = None, scales: Tensor | None = None, sizes: Tensor | None = None, *,
    antialias: int = 0, axes: Sequence[int] | None = None, coordinate_transformation_mode: str = "half_pixel",
    cubic_coeff_a: float = -0.75, exclude_outside: int = 0, extrapolation_value: float = 0.0,
    keep_aspect_ratio_policy: str = "stretch", mode: str = "nearest", nearest_mode: str = "round_prefer_floor",
) -> Tensor:  # fmt: skip
    """A resize whose sizes are computed."""
    listed = [None if one is None or not one.numel() else one.tolist() for one in (roi, scales, sizes)]
    return resized(
        x, *listed, axes=axes, keep_aspect_ratio_policy=keep_aspect_ratio_policy, mode=mode,
        coordinate_transformation_mode=coordinate_transformation_mode, nearest_mode=nearest_mode,
        cubic_coeff_a=cubic_coeff_a, exclude_outside=exclude_outside, antialias=antialias,
        extrapolation_value=extrapolation_value,
    )  # fmt: skip


@operator("Resize", 10)
def resize_10(x: Tensor, scales: Tensor, *, mode: str = "nearest") -> Tensor:
    """The first version."""
    return resized(x, **_older("Resize", scales.tolist(), mode))


@operator("Upsample", 9)
def upsample_9(x: Tensor, scales: Tensor, *, mode: str = "nearest") -> Tensor:
    """Scales as an input."""
    return resized(x, **_older("Upsample", scales.tolist(), mode))


@operator("Upsample", 7)
def upsample_7(x: Tensor, *, scales: Sequence[float], mode: str = "nearest") -> Tensor:
    """Scales as an attribute."""
    return resized(x, **_older("Upsample", scales, mode))


def resized(
    x: Tensor, roi: Sequence[float] | None, scales: Sequence[float] | None, sizes: Sequence[int] | None, *,
    axes: Sequence[int] | None = None, keep_aspect_ratio_policy: str = "stretch", **way: str | float,
) -> Tensor:  # fmt: skip
    """A tensor in other sizes.

    Args:
        x: the tensor.
        roi: beginnings, then ends of the region that tf_crop_and_resize takes, for each of ``axes``.
        scales: for each of ``axes``.
        sizes: likewise; one of both is given.
        axes: those that are resized; all for None.
        keep_aspect_ratio_policy: how to take ``sizes``.
        **way: fields of :class:`Way`.
    """
    how = Way(**way)  # type: ignore[arg-type]
    chosen = [axis % x.dim() for axis in axes] if axes else list(range(x.dim()))
    found = _axes([x.shape[axis] for axis in chosen], roi, scales, sizes, keep_aspect_ratio_policy)
    crops = how.coordinate_transformation_mode == "tf_crop_and_resize"
    work = {axis: one for axis, one in zip(chosen, found, strict=True) if crops or one.old != one.new or one.scale != 1}
    wide = x if x.is_floating_point() or how.mode == "nearest" else x.float()
    quick = _by_torch(wide, work, how)
    result = wide if quick is None else quick
    for axis, one in work.items() if quick is None else ():
        result = _along(result, axis, one, how)
    if result.dtype == x.dtype:
        return result
    limits = torch.iinfo(x.dtype)
    return result.round().clamp(limits.min, limits.max).to(x.dtype)


def _axes(
    old: Sequence[int], roi: Sequence[float] | None, scales: Sequence[float] | None, sizes: Sequence[int] | None,
    policy: str,
) -> list[_Axis]:  # fmt: skip
    ends = [(0.0, 1.0)] * len(old) if roi is None else list(zip(roi[: len(old)], roi[len(old) :], strict=True))
    if sizes is not None:
        ratios = [want / have for want, have in zip(sizes, old, strict=True)]
        if policy != "stretch":
            ratio = min(ratios) if policy == "not_larger" else max(ratios)
            sizes, ratios = [math.floor(ratio * have + 0.5) for have in old], [ratio] * len(old)
        triples = zip(old, sizes, ratios, strict=True)
    elif scales is not None:
        # single precision, in which scales are given: 0.7 · 10 is 7
        wanted = (torch.tensor(scales, dtype=torch.float32) * torch.tensor(old)).floor().int().tolist()
        triples = zip(old, wanted, scales, strict=True)
    else:
        raise ModelError("A Resize has neither scales nor sizes", do="The file is damaged: write it again.")
    return [_Axis(have, want, scale, *two) for (have, want, scale), two in zip(triples, ends, strict=True)]


def _by_torch(x: Tensor, work: dict[int, _Axis], how: Way) -> Tensor | None:
    """The way of torch, where it means the same; else None."""
    if x.dim() != 4 or not work or not set(work) <= {2, 3} or how.antialias or not x.is_floating_point():
        return None
    if any(one.new < 2 or abs(one.new - one.scale * one.old) > 1e-6 * one.new for one in work.values()):
        return None
    sizes = [work[axis].new if axis in work else x.shape[axis] for axis in (2, 3)]
    where = how.coordinate_transformation_mode
    if how.mode == "nearest":
        whole = all(one.new % one.old == 0 for one in work.values())
        if not (whole and where == "asymmetric" and how.nearest_mode in ("floor", "simple")):
            return None
        return F.interpolate(x, sizes, mode="nearest")
    if how.exclude_outside or (how.mode == "cubic" and how.cubic_coeff_a != -0.75):
        return None
    if where not in ("half_pixel", "pytorch_half_pixel", "half_pixel_symmetric", "align_corners"):
        return None
    named = "bilinear" if how.mode == "linear" else "bicubic"
    return F.interpolate(x, sizes, mode=named, align_corners=where == "align_corners")


def _along(x: Tensor, axis: int, one: _Axis, how: Way) -> Tensor:
    """One axis in another size."""
    index, weight, outside = _neighbours(one, how, x.device)
    if weight is None:
        result = x.index_select(axis, index[:, 0])
    elif index.shape[1] > 4:
        matrix = torch.zeros(one.new, one.old, dtype=torch.float64, device=x.device).scatter_add(1, index, weight)
        result = (x.movedim(axis, -1) @ matrix.t().to(x.dtype)).movedim(-1, axis)
    else:
        shape = [1] * x.dim()
        shape[axis] = -1
        scaled = weight.to(x.dtype)
        result = x.index_select(axis, index[:, 0]) * scaled[:, 0].reshape(shape)
        for tap in range(1, index.shape[1]):
            result = result + x.index_select(axis, index[:, tap]) * scaled[:, tap].reshape(shape)
    if outside is None:
        return result
    shape = [1] * x.dim()
    shape[axis] = -1
    return torch.where(outside.reshape(shape), torch.full_like(result, how.extrapolation_value), result)


@lru_cache(maxsize=64)
def _neighbours(one: _Axis, how: Way, device: torch.device) -> tuple[Tensor, Tensor | None, Tensor | None]:
    """Neighbours ``[new, n]`` of each place, their weights (None for the one nearest), and what lies outside."""
    place = _coordinates(one, how.coordinate_transformation_mode)
    outside = None
    if how.coordinate_transformation_mode == "tf_crop_and_resize":
        outside = ((place < 0) | (place > one.old - 1)).to(device)
    if how.mode == "nearest":
        index = _nearest(place, one.scale, how.nearest_mode).clamp(0, one.old - 1).long()
        return index.unsqueeze(1).to(device), None, outside
    stretch = max(1.0, 1 / one.scale) if how.antialias else 1.0
    reach = math.ceil((1 if how.mode == "linear" else 2) * stretch)
    place = place.double()
    index = place.floor().long().unsqueeze(1) + torch.arange(1 - reach, reach + 1)
    weight = _kernel((index - place.unsqueeze(1)).abs() / stretch, how)
    if how.exclude_outside:
        weight = torch.where((index >= 0) & (index < one.old), weight, 0.0)
    if how.exclude_outside or how.antialias:
        weight = weight / weight.sum(1, keepdim=True)
    return index.clamp(0, one.old - 1).to(device), weight.to(device), outside


def _nearest(place: Tensor, scale: float, mode: str) -> Tensor:
    """The nearest of the old places; ``simple`` is up where an axis shrinks, else down."""
    if mode == "simple":
        mode = "ceil" if scale < 1 else "floor"
    if mode not in _NEAREST:
        raise ModelError(f"Resize has no rounding called '{mode}'", do="Export the model with round_prefer_floor.")
    return _NEAREST[mode](place)


def _kernel(distance: Tensor, how: Way) -> Tensor:
    """The weight at a distance: a triangle, or Keys' cubic (doi 10.1109/TASSP.1981.1163711, equation 4)."""
    if how.mode == "linear":
        return (1 - distance).clamp(min=0)
    a, d = how.cubic_coeff_a, distance
    near = ((a + 2) * d - (a + 3)) * d * d + 1
    far = ((a * d - 5 * a) * d + 8 * a) * d - 4 * a
    return torch.where(d <= 1, near, torch.where(d < 2, far, torch.zeros_like(d)))


def _coordinates(one: _Axis, mode: str) -> Tensor:
    """Where each new place lies in the old axis; in float32, as ONNX Runtime has it, since a hair decides what is near.

    Align_corners takes the new size as it is, not the old one times the scale (ONNX, ``length_resized``).
    """
    place = torch.arange(one.new, dtype=torch.float32)
    if mode == "align_corners":
        return place * (one.old - 1) / (one.new - 1) if one.new > 1 else torch.zeros_like(place)
    if mode == "asymmetric":
        return place / one.scale
    if mode == "tf_crop_and_resize":
        if one.new == 1:
            return torch.full_like(place, 0.5 * (one.start + one.end) * (one.old - 1))
        return one.start * (one.old - 1) + place * (one.end - one.start) * (one.old - 1) / (one.new - 1)
    if mode == "pytorch_half_pixel" and one.new == 1:
        return torch.zeros_like(place)
    if mode == "half_pixel_symmetric":
        return one.old / 2 * (1 - one.new / (one.old * one.scale)) + (place + 0.5) / one.scale - 0.5
    if mode in ("half_pixel", "pytorch_half_pixel"):
        return (place + 0.5) / one.scale - 0.5
    raise ModelError(f"Resize has no coordinates called '{mode}'", do="Export the model with half_pixel or asymmetric.")
