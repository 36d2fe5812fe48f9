"""Tensors made from sizes and bounds, and random ones."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from qdebug.doors.onnx.ops.kinds import carrier, movable, restored
from qdebug.doors.onnx.ops.sizes import checked
from qdebug.doors.onnx.registry import operator


@operator("ConstantOfShape", 9)
def constant_of_shape(sizes: Tensor, *, value: Tensor | None = None) -> Tensor:
    """One value everywhere; float32 zero where none is given."""
    whole = checked(sizes.tolist())
    one = torch.zeros((), dtype=torch.float32, device=sizes.device) if value is None else value.reshape(())
    return restored(movable(one).repeat(whole), one.dtype)


@operator("Range", 11)
def arange(start: Tensor, limit: Tensor, delta: Tensor, *, stash_type: int = 1) -> Tensor:
    """``start + i · delta`` for all i with which it stays before ``limit``; 16-bit floats are computed in float32."""
    first, last, step = (one.reshape(()).item() for one in (start, limit, delta))
    if isinstance(first, int) and isinstance(step, int):
        count = len(range(first, int(last), step)) if step else -1
    else:
        count = max(math.ceil((last - first) / step), 0) if step and math.isfinite((last - first) / step) else -1
    (length,) = checked([count])
    kind = torch.float32 if stash_type == 1 and start.element_size() == 2 and start.is_floating_point() else start.dtype
    places = torch.arange(length, device=start.device, dtype=kind)
    return (start.reshape(()).to(kind) + places * delta.reshape(()).to(kind)).to(start.dtype)


@operator("EyeLike", 9)
def eye_like(x: Tensor, *, dtype: int = 0, k: int = 0) -> Tensor:
    """Ones on a diagonal, zeros elsewhere."""
    height, width = checked(x.shape)
    row, column = torch.arange(height, device=x.device), torch.arange(width, device=x.device)
    return (column == row[:, None] + k).to(carrier(dtype) if dtype else x.dtype)


@operator("OneHot", 9)
def one_hot(index: Tensor, depth: Tensor, values: Tensor, *, axis: int = -1) -> Tensor:
    """A new axis of length ``depth`` with the second of two values at the index, the first elsewhere.

    Negative indices count from the end; for one beyond either end all are the first value.
    """
    length = int(depth.reshape(-1)[0])
    checked((*index.shape, length))
    place = axis % (index.dim() + 1)
    whole = index.to(torch.int64)
    whole = torch.where(whole < 0, whole + length, whole).unsqueeze(place)
    axes = [1] * (index.dim() + 1)
    axes[place] = length
    here = whole == torch.arange(length, device=index.device).reshape(axes)
    return torch.where(here, values[1], values[0])


@operator("Trilu", 14)
def trilu(x: Tensor, k: Tensor | None = None, *, upper: int = 1) -> Tensor:
    """The upper or lower triangle of matrices, zero elsewhere."""
    diagonal = 0 if k is None else max(min(int(k), x.shape[-1] + 1), -x.shape[-2] - 1)
    return restored((torch.triu if upper else torch.tril)(movable(x), diagonal), x.dtype)


@operator("RandomNormal")
def random_normal(
    *, shape: Sequence[int], dtype: int = 1, mean: float = 0.0, scale: float = 1.0, seed: float | None = None
) -> Tensor:  # fmt: skip
    """Normally distributed values, the same at each run: a debugger compares runs."""
    return (torch.randn(checked(shape), generator=_drawn(seed)) * scale + mean).to(carrier(dtype))


@operator("RandomUniform")
def random_uniform(
    *, shape: Sequence[int], dtype: int = 1, high: float = 1.0, low: float = 0.0, seed: float | None = None
) -> Tensor:  # fmt: skip
    """Uniformly distributed values, the same at each run."""
    return (torch.rand(checked(shape), generator=_drawn(seed)) * (high - low) + low).to(carrier(dtype))


@operator("RandomNormalLike")
def random_normal_like(
    x: Tensor, *, dtype: int = 0, mean: float = 0.0, scale: float = 1.0, seed: float | None = None
) -> Tensor:  # fmt: skip
    """Normally distributed values in the shape of ``x``, the same at each run."""
    drawn = random_normal(shape=x.shape, mean=mean, scale=scale, seed=seed)
    return drawn.to(x.device, carrier(dtype) if dtype else x.dtype)


@operator("RandomUniformLike")
def random_uniform_like(
    x: Tensor, *, dtype: int = 0, high: float = 1.0, low: float = 0.0, seed: float | None = None
) -> Tensor:  # fmt: skip
    """Uniformly distributed values in the shape of ``x``, the same at each run."""
    drawn = random_uniform(shape=x.shape, high=high, low=low, seed=seed)
    return drawn.to(x.device, carrier(dtype) if dtype else x.dtype)


@operator("Bernoulli", 15)
def bernoulli(x: Tensor, *, dtype: int = 0, seed: float | None = None) -> Tensor:
    """One with the probability that ``x`` says, else zero; the same at each run."""
    drawn = torch.rand(x.shape, generator=_drawn(seed)).to(x.device)
    return (drawn < x).to(carrier(dtype) if dtype else x.dtype)


def _drawn(seed: float | None) -> torch.Generator:
    return torch.Generator().manual_seed(int(seed or 0))
