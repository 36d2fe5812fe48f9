"""Values between pixels: GridSample, AffineGrid, RoiAlign, MaxRoiPool, DeformConv."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

from qdebug.doors.onnx.ops.windows import ones
from qdebug.doors.onnx.registry import operator

_MODES = {"linear": "bilinear", "cubic": "bicubic"}


@operator("GridSample", 16)
def grid_sample(
    x: Tensor, grid: Tensor, *, align_corners: int = 0, mode: str = "bilinear", padding_mode: str = "zeros"
) -> Tensor:
    """Values of images or volumes at places from −1 to 1."""
    return F.grid_sample(
        x, grid.to(x.dtype), mode=_MODES.get(mode, mode), padding_mode=padding_mode, align_corners=bool(align_corners)
    )


@operator("AffineGrid", 20)
def affine_grid(theta: Tensor, size: Tensor, *, align_corners: int = 0) -> Tensor:
    """Places from −1 to 1 for GridSample, by an affine map."""
    return F.affine_grid(theta, size.tolist(), align_corners=bool(align_corners))


@operator("RoiAlign", 16)
def roi_align(
    x: Tensor, rois: Tensor, batches: Tensor, *, coordinate_transformation_mode: str = "half_pixel",
    mode: str = "avg", output_height: int = 1, output_width: int = 1, sampling_ratio: int = 0,
    spatial_scale: float = 1.0,
) -> Tensor:  # fmt: skip
    """Mean or maximum of points in each part of each region (Mask R-CNN, arXiv 1703.06870).

    Points between pixels are bilinear; both axes are taken one after the other, as matrices.
    """
    shift = 0.5 if coordinate_transformation_mode == "half_pixel" else 0.0
    sizes = (output_height, output_width)
    found = []
    for region, batch in zip((rois.double() * spatial_scale - shift).tolist(), batches.tolist(), strict=True):
        low, high = (region[1], region[0]), (region[3], region[2])
        spans = [end - begin if shift else max(end - begin, 1.0) for begin, end in zip(low, high, strict=True)]
        counts = [sampling_ratio or max(math.ceil(s / size), 1) for s, size in zip(spans, sizes, strict=True)]
        rows, columns = (
            _weights(begin, span, size, count, extent, x)
            for begin, span, size, count, extent in zip(low, spans, sizes, counts, x.shape[2:], strict=True)
        )
        image = x[batch]
        if mode == "avg":
            down, across = (one.reshape(size, count, -1).mean(1) for one, size, count in zip(
                (rows, columns), sizes, counts, strict=True))  # fmt: skip
            found.append(down @ image @ across.t())
        else:
            found.append(_highest(image, rows, columns, sizes, counts))
    return torch.stack(found) if found else x.new_zeros(0, x.shape[1], *sizes)


@operator("RoiAlign", 10)
def roi_align_10(
    x: Tensor, rois: Tensor, batches: Tensor, *, mode: str = "avg", output_height: int = 1, output_width: int = 1,
    sampling_ratio: int = 0, spatial_scale: float = 1.0,
) -> Tensor:  # fmt: skip
    """The first version: places are not shifted by half a pixel."""
    return roi_align(
        x, rois, batches, coordinate_transformation_mode="output_half_pixel", mode=mode, output_height=output_height,
        output_width=output_width, sampling_ratio=sampling_ratio, spatial_scale=spatial_scale,
    )  # fmt: skip


def _weights(begin: float, span: float, size: int, count: int, extent: int, x: Tensor) -> Tensor:
    """How much each pixel of an axis counts at each sampled point, ``[size · count, extent]``; nothing far outside."""
    point = begin + (torch.arange(size * count, dtype=torch.float64) + 0.5) * (span / (size * count))
    inside = (point >= -1) & (point <= extent)
    kept = point.clamp(0, extent - 1).unsqueeze(1)
    weight = (1 - (torch.arange(extent) - kept).abs()).clamp(min=0)
    return (weight * inside.unsqueeze(1)).to(device=x.device, dtype=x.dtype)


def _highest(image: Tensor, rows: Tensor, columns: Tensor, sizes: Sequence[int], counts: Sequence[int]) -> Tensor:
    """The highest of the weighted pixels around the points of each part (ONNX: of the four products, not their sum)."""
    (top_weight, top), (left_weight, left) = (one.topk(min(2, one.shape[1]), 1) for one in (rows, columns))
    near = image[:, top.reshape(-1)][:, :, left.reshape(-1)].reshape(-1, *top.shape, *left.shape)
    products = near * top_weight.reshape(*top.shape, 1, 1) * left_weight
    best = products.amax((2, 4))  # [C, points down, points across]
    return best.reshape(-1, sizes[0], counts[0], sizes[1], counts[1]).amax((2, 4))


@operator("MaxRoiPool")
def max_roi_pool(x: Tensor, rois: Tensor, *, pooled_shape: Sequence[int], spatial_scale: float = 1.0) -> Tensor:
    """The highest pixel in each part of each region, whose corners are rounded (Fast R-CNN, arXiv 1504.08083)."""
    down, across = pooled_shape
    result = x.new_zeros(len(rois), x.shape[1], down, across)
    for place, region in enumerate(rois.double().tolist()):
        left, top, right, bottom = (math.floor(edge * spatial_scale + 0.5) for edge in region[1:])
        height, width = max(bottom - top + 1, 1) / down, max(right - left + 1, 1) / across
        for row in range(down):
            for column in range(across):
                window = x[int(region[0]), :, _cut(row, height, top, x.shape[2]), _cut(column, width, left, x.shape[3])]
                if window.numel():
                    result[place, :, row, column] = window.amax((1, 2))
    return result


def _cut(part: int, size: float, begin: int, extent: int) -> slice:
    low, high = math.floor(part * size) + begin, math.ceil((part + 1) * size) + begin
    return slice(min(max(low, 0), extent), min(max(high, 0), extent))


@operator("DeformConv", 19)
def deform_conv(
    x: Tensor, weight: Tensor, offset: Tensor, bias: Tensor | None = None, mask: Tensor | None = None, *,
    dilations: Sequence[int] | None = None, group: int = 1, kernel_shape: Sequence[int] | None = None,
    offset_group: int = 1, pads: Sequence[int] | None = None, strides: Sequence[int] | None = None,
) -> Tensor:  # fmt: skip
    """A convolution of images whose windows are moved point by point (arXiv 1703.06211, 1811.11168)."""
    batch, channels, height, width = x.shape
    rows, columns = weight.shape[2:]
    steps, spread, sides = ones(strides, 2), ones(dilations, 2), list(pads or [0] * 4)
    down, across = offset.shape[2:]
    moved = offset.reshape(batch, offset_group, rows * columns, 2, down, across)
    grid = []
    for axis, count in enumerate((down, across)):
        taps = torch.arange((rows, columns)[axis], device=x.device) * spread[axis]
        tap = taps.repeat_interleave(columns) if axis == 0 else taps.repeat(rows)
        start = torch.arange(count, device=x.device) * steps[axis] - sides[axis]
        start = start.reshape(-1, 1) if axis == 0 else start
        at = moved[:, :, :, axis] + tap.reshape(-1, 1, 1) + start
        grid.append(at.reshape(batch * offset_group, -1))
    images = x.reshape(batch * offset_group, channels // offset_group, height, width)
    sampled = _bilinear(images, *grid).reshape(batch, offset_group, -1, rows * columns, down, across)
    if mask is not None:
        sampled = sampled * mask.reshape(batch, offset_group, 1, rows * columns, down, across)
    laid = sampled.reshape(batch, group, -1, down * across)
    y = (weight.reshape(group, weight.shape[0] // group, -1) @ laid).reshape(batch, -1, down, across)
    return y if bias is None else y + bias.reshape(1, -1, 1, 1)


def _bilinear(images: Tensor, row: Tensor, column: Tensor) -> Tensor:
    """Values at places given in pixels, zero outside: ``[N, C, H, W]`` at ``[N, P]`` to ``[N, C, P]``."""
    flat = images.flatten(2)
    height, width = images.shape[2:]
    top, left = row.floor(), column.floor()
    total = flat.new_zeros(*flat.shape[:2], row.shape[1])
    for down in (0, 1):
        for across in (0, 1):
            y, x = top + down, left + across
            weight = (1 - (row - y).abs()) * (1 - (column - x).abs())
            weight = weight * ((y >= 0) & (y < height) & (x >= 0) & (x < width))
            index = (y.clamp(0, height - 1) * width + x.clamp(0, width - 1)).long()
            total = total + flat.gather(2, index.unsqueeze(1).expand(-1, flat.shape[1], -1)) * weight.unsqueeze(1)
    return total
