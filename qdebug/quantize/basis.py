"""Tensors quantized in another form than the one they come in: rotated, scaled, or without their outlier channels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from qdebug.quantize.activations import Activate
from qdebug.quantize.hadamard import rotate, unrotate


class Basis(Protocol):
    """What is done to an activation before it is quantized, and undone behind."""

    @property
    def key(self) -> bytes:
        """Equal for what does the same."""
        ...

    def into(self, x: Tensor) -> Tensor:
        """The activation ``[N, …]`` as it is to be quantized: a new tensor of its shape."""
        ...

    def back(self, y: Tensor) -> Tensor:
        """What was quantized, as the layer's weight wants it."""
        ...

    def dual(self, y: Tensor) -> Tensor:
        """What multiplies ``x`` as it is to multiply ``into(x)``: vectors ``[…, C]`` with the same products."""
        ...


@dataclass(frozen=True)
class Rotated:
    """Turned by the randomized Hadamard rotation along its last axis (see :func:`qdebug.quantize.hadamard.rotate`).

    A runtime rotates the input once and has its weight stored rotated; ``back`` undoes both, so that a layer whose
    weight is *not* stored rotated computes what that runtime does.
    """

    seed: int = 0

    @property
    def key(self) -> bytes:
        """Equal for the same signs."""
        return f"rotated {self.seed}".encode()

    def into(self, x: Tensor) -> Tensor:
        """The rotated activation."""
        return rotate(x.reshape(-1, x.shape[-1]), self.seed)[0].view(x.shape)

    def back(self, y: Tensor) -> Tensor:
        """The activation turned back."""
        return unrotate(y.reshape(-1, y.shape[-1]), self.seed).view(y.shape)

    def dual(self, y: Tensor) -> Tensor:
        """Turned as well: a rotation keeps products."""
        return self.into(y)


@dataclass(frozen=True)
class Scaled:
    """With each channel multiplied by a factor of its own.

    Attributes:
        factors: of each channel, positive.
        axis: the axis of channels.
    """

    factors: tuple[float, ...]
    axis: int = -1

    @property
    def key(self) -> bytes:
        """Equal for the same factors."""
        return f"scaled {self.axis} {self.factors}".encode()

    def into(self, x: Tensor) -> Tensor:
        """The scaled tensor."""
        return x * self._along(x)

    def back(self, y: Tensor) -> Tensor:
        """The tensor as it was."""
        return y / self._along(y)

    def dual(self, y: Tensor) -> Tensor:
        """Divided by the factors."""
        return self.back(y)

    def _along(self, x: Tensor) -> Tensor:
        shape = [1] * x.dim()
        shape[self.axis] = -1
        return torch.tensor(self.factors, dtype=x.dtype, device=x.device).view(shape)


@dataclass(frozen=True)
class Without:
    """With some channels zero, which the layer reads unquantized elsewhere (LLM.int8(), Dettmers et al. 2022).

    Attributes:
        channels: which, ascending.
        axis: the axis of channels.
    """

    channels: tuple[int, ...]
    axis: int = -1

    @property
    def key(self) -> bytes:
        """Equal for the same channels."""
        return f"without {self.axis} {self.channels}".encode()

    def into(self, x: Tensor) -> Tensor:
        """The activation with those channels zero."""
        return x.index_fill(self.axis, torch.tensor(self.channels, dtype=torch.int64, device=x.device), 0.0)

    def back(self, y: Tensor) -> Tensor:
        """The tensor with those channels zero, also where what quantized it knows no zero."""
        return self.into(y)

    def dual(self, y: Tensor) -> Tensor:
        """With those channels zero: they are multiplied elsewhere."""
        return self.into(y)


def in_basis(activate: Activate, basis: Basis | None) -> Activate:
    """What quantizes an activation in a basis; ``activate`` itself for None."""
    if basis is None:
        return activate

    def activate_there(x: Tensor, out: Tensor | None = None) -> Tensor:
        turned = basis.into(x)
        found = basis.back(activate(turned, turned))
        return found if out is None else out.copy_(found)

    return activate_there
