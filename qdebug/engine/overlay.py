"""What fixes put in the place of the model's own tensors."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from types import MappingProxyType

from torch import Tensor

from qdebug.graph.program import tensor_key
from qdebug.quantize import Basis, Grid, LevelGrid


@dataclass(frozen=True, eq=False)
class Rounded:
    """A layer's quantized weight as a method has chosen it, in the place of rounding each value to the nearest level.

    Attributes:
        values: the weight as the layer multiplies with it, in the shape of the layer's own.
        grid: what its rows (see :func:`qdebug.quantize.rows`) lie on, in ``basis``; None for a format without one.
        basis: what the weight was rounded in, where that is not the one it comes in.
        side: a further weight of that shape, whose products with the layer's *unquantized* input are added: what a
            method keeps in half precision.
        beside: bits that everything kept beside the codes takes.
    """

    values: Tensor
    grid: Grid | None
    basis: Basis | None = None
    side: Tensor | None = None
    beside: int = 0

    @property
    def is_on_grid(self) -> bool:
        """Whether the values are codes on the grid of a format, and there is nothing beside them."""
        moved = isinstance(self.grid, LevelGrid) and self.grid.offset is not None
        return self.grid is not None and not moved and self.basis is None and self.side is None

    @cached_property
    def key(self) -> bytes:
        """A hash of the values and of their order in memory."""
        parts = [self.values] if self.side is None else [self.values, self.side]
        return b"".join(tensor_key(part) + order(part) for part in parts)


@dataclass(frozen=True, eq=False)
class Overlay:
    """Tensors that a fix puts in the place of the model's own. Compared by identity: build one, keep it.

    Attributes:
        tensors: replacements by step index.
        biases: biases for layers that have none, by the layer's step.
        rounded: quantized weights, by the layer's step; a sheet that does not quantize the layer does not use them.
    """

    tensors: Mapping[int, Tensor]
    biases: Mapping[int, Tensor]
    rounded: Mapping[int, Rounded] = field(default_factory=lambda: MappingProxyType({}))

    def updated(
        self,
        tensors: Mapping[int, Tensor] | None = None,
        biases: Mapping[int, Tensor] | None = None,
        rounded: Mapping[int, Rounded] | None = None,
    ) -> Overlay:
        """A new overlay with these on top. What was hashed before is not hashed again."""
        tensors, biases = tensors or {}, biases or {}
        found = Overlay({**self.tensors, **tensors}, {**self.biases, **biases}, {**self.rounded, **(rounded or {})})
        if "keys" in self.__dict__:
            found.__dict__["keys"] = {**self.keys, **Overlay(tensors, {}).keys}
        if "bias_keys" in self.__dict__:
            found.__dict__["bias_keys"] = {**self.bias_keys, **Overlay({}, biases).bias_keys}
        return found

    @cached_property
    def keys(self) -> dict[int, bytes]:
        """Hashes of the replaced tensors: of their content and of their order in memory."""
        return {index: tensor_key(tensor) + order(tensor) for index, tensor in self.tensors.items()}

    @cached_property
    def bias_keys(self) -> dict[int, bytes]:
        """Content hashes of the added biases."""
        return {index: tensor_key(tensor) for index, tensor in self.biases.items()}


def order(tensor: Tensor) -> bytes:
    """How a tensor lies in memory: where that differs, an operator may use another kernel and return another order.

    The cache is shared by all open models, and one of them may hold the same weight in another order.
    """
    return repr(tensor.stride()).encode()


NOTHING = Overlay({}, {})
