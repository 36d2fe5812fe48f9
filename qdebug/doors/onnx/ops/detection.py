"""NonMaxSuppression and Col2Im."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from qdebug.doors.onnx.ops.windows import ones, padded
from qdebug.doors.onnx.registry import operator


@operator("NonMaxSuppression", 10)
def non_max_suppression(
    boxes: Tensor, scores: Tensor, most: Tensor | None = None, overlap: Tensor | None = None,
    least: Tensor | None = None, *, center_point_box: int = 0,
) -> Tensor:  # fmt: skip
    """The best boxes of each class, less those that overlap a better one.

    Args:
        boxes: ``[B, N, 4]``.
        scores: ``[B, C, N]``.
        most: boxes per class; none are chosen where it is left out.
        overlap: intersection over union beyond which the worse of two boxes is dropped.
        least: only better scores are looked at.
        center_point_box: boxes are centre, width and height, not two corners.

    Returns:
        ``[chosen, 3]``: batch, class, box.
    """
    bound = 0 if most is None else int(most)
    limit = 0.0 if overlap is None else float(overlap)
    corners = _corners(boxes, bool(center_point_box))
    found: list[tuple[int, int, int]] = []
    for batch in range(scores.shape[0] if bound > 0 else 0):
        for kind in range(scores.shape[1]):
            values = scores[batch, kind]
            order = values.argsort(descending=True, stable=True)
            if least is not None:
                order = order[values[order] > least.reshape(())]
            chosen = 0
            while order.numel() and chosen < bound:
                best, order = order[0], order[1:]
                found.append((batch, kind, int(best)))
                chosen += 1
                order = order[_overlap(corners[batch, best], corners[batch, order]) <= limit]
    return torch.tensor(found, dtype=torch.int64, device=scores.device).reshape(-1, 3)


def _corners(boxes: Tensor, centred: bool) -> Tensor:
    """Boxes as lower and upper corner."""
    first, second = boxes[..., :2], boxes[..., 2:]
    if centred:
        return torch.cat((first - second / 2, first + second / 2), -1)
    return torch.cat((torch.minimum(first, second), torch.maximum(first, second)), -1)


def _overlap(box: Tensor, others: Tensor) -> Tensor:
    """Intersection over union of a box with others."""
    low, high = torch.maximum(box[:2], others[:, :2]), torch.minimum(box[2:], others[:, 2:])
    common = (high - low).clamp(min=0).prod(1)
    union = (box[2:] - box[:2]).prod() + (others[:, 2:] - others[:, :2]).prod(1) - common
    return torch.where(union > 0, common / union, torch.zeros_like(union))


@operator("Col2Im", 18)
def col2im(
    x: Tensor, image_shape: Tensor, block_shape: Tensor, *, dilations: Sequence[int] | None = None,
    pads: Sequence[int] | None = None, strides: Sequence[int] | None = None,
) -> Tensor:  # fmt: skip
    """Blocks added into images where they came from: ``[N, C · block, L]`` to ``[N, C, *image]``."""
    image, block = image_shape.tolist(), block_shape.tolist()
    count = len(image)
    steps, spread, sides = ones(strides, count), ones(dilations, count), list(pads or [0] * (2 * count))
    sizes = [size + sides[axis] + sides[count + axis] for axis, size in enumerate(image)]
    places = [
        (size - (width - 1) * wide - 1) // step + 1
        for size, width, wide, step in zip(sizes, block, spread, steps, strict=True)
    ]
    index = torch.zeros((), dtype=torch.int64, device=x.device)
    for axis in range(count):
        tap = torch.arange(block[axis], device=x.device).reshape(-1, *[1] * (2 * count - 1 - axis)) * spread[axis]
        start = torch.arange(places[axis], device=x.device).reshape(-1, *[1] * (count - 1 - axis)) * steps[axis]
        index = index * sizes[axis] + tap + start
    flat = x.reshape(x.shape[0], -1, index.numel())
    whole = flat.new_zeros(*flat.shape[:2], math.prod(sizes))
    whole = whole.scatter_add(2, index.reshape(1, 1, -1).expand_as(flat), flat)
    return padded(whole.reshape(*flat.shape[:2], *sizes), [-side for side in sides])
