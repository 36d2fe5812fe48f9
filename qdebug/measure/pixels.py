"""What a model says of every place of a sample, such as the pixels of a segmentation."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

VOID = 255
"""The label of a pixel that belongs to no class, in PASCAL VOC, Cityscapes and what is stored in eight bits like them;
a class like any other in models that have so many."""


def class_axis(labels: Sequence[int], output: Sequence[int]) -> int | None:
    """Which axis of an output holds the scores of classes, if labels ``[N, …]`` are one class for each place.

    Args:
        labels: their shape.
        output: that of ``[N, C, …]`` or ``[N, …, C]``, two classes or more. Where both fit it is the first.

    Returns:
        1 or −1; None where they do not fit each other, or a sample has one place only.
    """
    places = tuple(labels[1:])
    if not places or len(output) != len(labels) + 1:
        return None
    if tuple(output[2:]) == places and output[1] > 1:
        return 1
    return -1 if tuple(output[1:-1]) == places and output[-1] > 1 else None


def compact(classes: Tensor, count: int) -> Tensor:
    """Class numbers, −1 among them, in as few bytes as ``count`` classes need: there is one for each pixel."""
    kinds = (torch.int8, torch.int16, torch.int32)
    kind = next((one for one in kinds if count <= torch.iinfo(one).max + 1), torch.int64)
    return classes.to(kind)
