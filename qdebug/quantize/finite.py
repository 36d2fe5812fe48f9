"""Whether a tensor holds NaN or Inf."""

from __future__ import annotations

import torch
from torch import Tensor


def all_finite(tensor: Tensor) -> bool:
    """Whether every value is a finite number. Of integers, always.

    A sum in which NaN or Inf takes part is not finite, and summing reads memory once where a mask would be written and
    read too. A sum of finite values that overflows is looked at value by value.
    """
    if not (tensor.is_floating_point() or tensor.is_complex()):
        return True
    wide = torch.float32 if tensor.dtype.itemsize < 4 else None
    return bool(torch.isfinite(tensor.sum(dtype=wide))) or bool(torch.isfinite(tensor).all())
