"""A sample's input as a picture, where it is one."""

from __future__ import annotations

import torch
from torch import Tensor

from qdebug.doors import Dataset
from qdebug.results import Picture

LARGEST = 64
"""Pixels of the longer side; larger images are thinned out."""
_LONGEST = 4096


def picture(data: Dataset, sample: int) -> Picture | None:
    """The first input of a sample that is an image: ``[H, W]``, or ``[C, H, W]`` or ``[H, W, C]`` of 1 to 4 channels.

    Values are stretched over all grey levels; of four channels the first three are shown, of two the first.
    """
    for name, tensor in data.inputs.items():
        if name in data.alike or (not tensor.is_floating_point() and tensor.dtype is not torch.uint8):
            continue
        pixels = _pixels(tensor[sample])
        if pixels is not None:
            return _stored(pixels)
    return None


def _pixels(value: Tensor) -> Tensor | None:
    """``[H, W, C]`` of an image; None where the value is none."""
    if value.dim() == 2:
        value = value.unsqueeze(-1)
    elif value.dim() == 3 and value.shape[0] <= 4 < min(value.shape[1:]):
        value = value.permute(1, 2, 0)
    if value.dim() != 3 or value.shape[-1] > 4 or not 4 < min(value.shape[:2]) <= max(value.shape[:2]) <= _LONGEST:
        return None
    return value[..., : 3 if value.shape[-1] >= 3 else 1]


def image_of(levels: Tensor) -> Picture:
    """A picture of grey or RGB levels as they are: uint8 ``[C, H, W]`` of 1 or 3 channels."""
    channels, height, width = levels.shape
    pixels = levels.permute(1, 2, 0).contiguous().numpy().tobytes()
    return Picture(height=height, width=width, channels=channels, pixels=pixels)


def _stored(pixels: Tensor) -> Picture:
    step = -(-max(pixels.shape[:2]) // LARGEST)
    thin = torch.nan_to_num(pixels[step // 2 :: step, step // 2 :: step].double())
    low, high = float(thin.min()), float(thin.max())
    levels = ((thin - low) / ((high - low) or 1.0) * 255).round().to(torch.uint8)
    height, width, channels = levels.shape
    return Picture(height=height, width=width, channels=channels, pixels=levels.contiguous().numpy().tobytes())
