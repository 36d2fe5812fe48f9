"""Tensors in the place of weights that are not read yet: of their shapes, and without memory."""

from __future__ import annotations

import math
import re
import tempfile
from collections.abc import Mapping

import torch
from torch import Tensor, nn

from qdebug.doors.checkpoints import Checkpoint as Packed
from qdebug.doors.stored import Checkpoint as Stored
from qdebug.doors.stored.filing import DTYPES, filed
from qdebug.graph.filed import FiledTensor

_MOST_PACKED = 16
"""How many times larger float32 is than codes of two bits."""
_EXPERT = re.compile(r"(.+\.experts)\.(\d+)\.(?:(gate_proj|w1)|(up_proj|w3)|(down_proj|w2))\.weight")
"""A matrix of an expert: of its block, its number, and whether it is gate, up or down."""


class StandIns:
    """For each tensor of a checkpoint one of float32 zeros, in a file without blocks that nothing ever touches.

    The library puts them where the weights belong, ties them and takes them apart as it does with weights; where each
    came to lie is told by its address. Of experts, which the library joins in one tensor for a block, that tensor is
    given, and they lie side by side in it.

    Args:
        stored: what they stand for, by the checkpoint's names.
    """

    def __init__(self, stored: Mapping[str, FiledTensor]) -> None:
        self.stored = stored
        joined = _joined(self.stored)
        order = [name for names, _ in joined.values() for name in names]
        order += sorted(set(self.stored).difference(order))
        starts, total = {}, 0
        for name in order:
            starts[name], total = total, total + self.stored[name].numel()
        with tempfile.NamedTemporaryFile(prefix="qdebug-") as file:
            file.truncate(4 * total)
            room = torch.UntypedStorage.from_file(file.name, True, 4 * total)
        values = torch.empty(0).set_(room)  # type: ignore[call-overload]
        self._names = {values.data_ptr() + 4 * start: name for name, start in starts.items()}
        inside = {name for names, _ in joined.values() for name in names}
        given = {name: ((name,), one.shape) for name, one in self.stored.items() if name not in inside} | joined
        self.tensors: dict[str, Tensor] = {
            name: values[starts[first[0]] : starts[first[0]] + math.prod(shape)].view(shape)
            for name, (first, shape) in given.items()
        }
        """By the names that the library takes weights by."""

    def stored_at(self, tensor: Tensor) -> FiledTensor | None:
        """What a tensor stands for; None for one that stands for nothing, or for more or less than one."""
        name = self._names.get(tensor.data_ptr())
        found = None if name is None else self.stored[name]
        return found if found is not None and found.shape == tensor.shape else None

    def are_all_of(self, model: nn.Module) -> bool:
        """Whether every weight of a model is one of them: none was copied, joined or taken apart on its way."""
        return all(self.stored_at(tensor) is not None for tensor in model.state_dict().values())

    def replaced(self, state: Mapping[int, Tensor]) -> dict[int, Tensor]:
        """States of a program with what they stand for, in the place of those that do."""
        found = {index: self.stored_at(tensor) for index, tensor in state.items()}
        return {index: tensor if (one := found[index]) is None else one for index, tensor in state.items()}


def left_in_files(checkpoint: Stored, packed: Packed | None, resident: int) -> dict[str, FiledTensor] | None:
    """The weights of a folder, if they take more than so many bytes in float32; None where they take less.

    None too where one is of a type that float32 does not hold, or is no real number.

    Args:
        checkpoint: the folder's files.
        packed: what they say of weights that are quantized.
        resident: the bytes.

    Raises:
        FileError: a layer that is quantized cannot be read.
        ModelError: it is not said how to.
    """
    if packed is None:
        if not all(one.title in DTYPES for one in checkpoint.tensors):
            return None
        found = {one.name: filed(one) for one in checkpoint.tensors}
    elif sum(one.nbytes for one in checkpoint.tensors) * _MOST_PACKED <= resident:
        return None  # without looking: that would be decoding all of them once more
    else:
        kinds = {one.name: one for one in checkpoint.tensors}
        plain = [kinds[name] for name in packed.plain()]
        if not all(one.title in DTYPES for one in plain):
            return None
        found = {one.name: filed(one) for one in plain}
        found |= {f"{module}.weight": _decoded(packed, module) for module in packed.modules}
    return found if 4 * sum(one.numel() for one in found.values()) > resident else None


def _decoded(packed: Packed, module: str) -> FiledTensor:
    """A quantized layer's weight, decoded whenever it is read."""

    def read() -> Tensor:
        return packed.linear(module).weight.float()

    return FiledTensor(packed.linear(module).shape, read)


def _joined(stored: Mapping[str, FiledTensor]) -> dict[str, tuple[tuple[str, ...], tuple[int, ...]]]:
    """The tensors into which the library joins experts: those of the checkpoint in each, in order, and its shape.

    Gate and up are one, ``[experts, 2 · inner, hidden]``, down is another, ``[experts, hidden, inner]``. A block whose
    experts are not all there, or of several shapes, is left to the library.
    """
    blocks: dict[str, dict[tuple[int, int], str]] = {}
    for name in stored:
        found = _EXPERT.fullmatch(name)
        if found:
            kind = next(place for place in range(3) if found[3 + place])
            blocks.setdefault(found[1], {})[int(found[2]), kind] = name
    joined: dict[str, tuple[tuple[str, ...], tuple[int, ...]]] = {}
    for block, names in blocks.items():
        count = len(names) // 3
        shapes = {
            kind: {tuple(stored[name].shape) for (_, of), name in names.items() if of == kind} for kind in range(3)
        }
        if set(names) != {(one, kind) for one in range(count) for kind in range(3)} or shapes[0] != shapes[1]:
            continue
        if any(len(found) != 1 or len(next(iter(found))) != 2 for found in shapes.values()):
            continue
        (inner, hidden), (out, width) = next(iter(shapes[0])), next(iter(shapes[2]))
        both = tuple(names[one, kind] for one in range(count) for kind in (0, 1))
        joined[f"{block}.gate_up_proj"] = both, (count, 2 * inner, hidden)
        joined[f"{block}.down_proj"] = tuple(names[one, 2] for one in range(count)), (count, out, width)
    return joined
