"""Tensors that stay where they lie, in a file, and are read each time that something is computed with them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor
from torch.utils._pytree import tree_map_only

Read = Callable[[], Tensor]
ReadRows = Callable[[Tensor], Tensor]


class FiledTensor(Tensor):
    """A contiguous tensor whose values are in a file, or are made of what is.

    It has a shape and a dtype like any other; an operator that gets it reads it first and lets go of it afterwards, so
    that a model's weights need no more memory than the one that is being multiplied with. Autograd keeps the file's
    tensor for its way back, not the values. Nothing can be written to it.

    Args:
        shape: its shape.
        read: gives the values in that shape and dtype, and fresh memory each time.
        read_rows: gives some of its rows, ``[n, …]`` for int64 indices ``[n]``: all that an embedding needs.
        dtype: of the values.
    """

    read: Read
    read_rows: ReadRows | None

    if TYPE_CHECKING:  # torch declares one of its own, for numbers

        def __init__(
            self, shape: Sequence[int], read: Read, read_rows: ReadRows | None = None, dtype: torch.dtype = ...
        ) -> None: ...

    @staticmethod
    def __new__(  # noqa: D102 - the class says it
        cls: type[FiledTensor],
        shape: Sequence[int],
        read: Read,
        read_rows: ReadRows | None = None,
        dtype: torch.dtype = torch.float32,
    ) -> FiledTensor:
        made: FiledTensor = torch.Tensor._make_wrapper_subclass(cls, torch.Size(shape), dtype=dtype)
        made.read, made.read_rows = read, read_rows
        return made

    __torch_function__: Any = torch._C._disabled_torch_function_impl

    @classmethod
    def __torch_dispatch__(cls, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None) -> Any:
        """Run an operator on what the files hold."""
        if func is torch.ops.aten.detach.default:
            return args[0]
        if func is torch.ops.aten.embedding.default and args[0].read_rows is not None:
            return _looked_up(args[0].read_rows, args[1])
        if func in _TURNED:
            return _turned(func, *args)
        if func._schema.is_mutable and any(isinstance(one, cls) for one in _written(func, args, kwargs or {})):
            raise RuntimeError(f"{func} would write to a weight that lies in a file")
        values = tree_map_only(cls, lambda one: one.read(), (args, kwargs or {}))
        return func(*values[0], **values[1])

    def numpy(self, *, force: bool = False) -> Any:
        """The values as an array; fresh memory."""
        return self.read().numpy(force=force)

    def __repr__(self, *, tensor_contents: Any = None) -> str:
        return f"FiledTensor({tuple(self.shape)})"


_TURNED = (torch.ops.aten.t.default, torch.ops.aten.transpose.int)
"""Views that a linear layer makes of its weight: autograd keeps what they give, so that they are not to read either."""


def _turned(func: Any, tensor: FiledTensor, *axes: int) -> FiledTensor:
    shape = func(torch.empty(tensor.shape, device="meta"), *axes).shape
    return FiledTensor(shape, lambda: func(tensor.read(), *axes), dtype=tensor.dtype)


def _written(func: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> list[Any]:
    """The arguments that an operator writes to."""
    names = {one.name: place for place, one in enumerate(func._schema.arguments) if _is_written(one)}
    return [kwargs[name] if name in kwargs else args[place] for name, place in names.items()]


def _is_written(argument: Any) -> bool:
    return argument.alias_info is not None and bool(argument.alias_info.is_write)


def plain(tensor: Tensor) -> Tensor:
    """The tensor, or what its file holds: for whoever computes with it more than once."""
    return tensor.read() if isinstance(tensor, FiledTensor) else tensor


def _looked_up(read_rows: ReadRows, indices: Tensor) -> Tensor:
    """Rows of a table, each read once."""
    wanted, places = torch.unique(indices, return_inverse=True)
    return read_rows(wanted)[places]
