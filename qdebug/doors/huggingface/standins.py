"""Tensors in the place of weights that are not read yet: of their shapes, and without memory."""

from __future__ import annotations

import math
import re
import tempfile
from collections.abc import Mapping

import torch
from torch import Tensor, nn

from qdebug.doors.stored import Checkpoint, StoredTensor
from qdebug.doors.stored.filing import DTYPES, filed

_EXPERT = re.compile(r"(.+\.experts)\.(\d+)\.(?:(gate_proj|w1)|(up_proj|w3)|(down_proj|w2))\.weight")
"""A matrix of an expert: of its block, its number, and whether it is gate, up or down."""


class StandIns:
    """For each tensor of a checkpoint one of float32 zeros, in a file without blocks that nothing ever touches.

    The library puts them where the weights belong, ties them and takes them apart as it does with weights; where each
    came to lie is told by its address. Of experts, which the library joins in one tensor for a block, that tensor is
    given, and they lie side by side in it.

    Args:
        checkpoint: safetensors files.
    """

    def __init__(self, checkpoint: Checkpoint) -> None:
        self.stored = {one.name: one for one in checkpoint.tensors}
        joined = _joined(self.stored)
        order = [name for names, _ in joined.values() for name in names]
        order += sorted(set(self.stored).difference(order))
        starts, total = {}, 0
        for name in order:
            starts[name], total = total, total + self.stored[name].count
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

    def stored_at(self, tensor: Tensor) -> StoredTensor | None:
        """What a tensor stands for; None for one that stands for nothing, or for more or less than one."""
        name = self._names.get(tensor.data_ptr())
        found = None if name is None else self.stored[name]
        return found if found is not None and found.shape == tuple(tensor.shape) else None

    def are_all_of(self, model: nn.Module) -> bool:
        """Whether every weight of a model is one of them: none was copied, joined or taken apart on its way."""
        return all(self.stored_at(tensor) is not None for tensor in model.state_dict().values())

    def replaced(self, state: Mapping[int, Tensor]) -> dict[int, Tensor]:
        """States of a program with what they stand for, in the place of those that do."""
        found = {index: self.stored_at(tensor) for index, tensor in state.items()}
        return {index: tensor if (one := found[index]) is None else filed(one) for index, tensor in state.items()}


def float_bytes(checkpoint: Checkpoint) -> int | None:
    """What the weights of a checkpoint take in float32; None where one is of a type that is more, or no real number."""
    if not all(one.title in DTYPES for one in checkpoint.tensors):
        return None
    return 4 * sum(math.prod(one.shape) for one in checkpoint.tensors)


def _joined(stored: Mapping[str, StoredTensor]) -> dict[str, tuple[tuple[str, ...], tuple[int, ...]]]:
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
        shapes = {kind: {stored[name].shape for (_, of), name in names.items() if of == kind} for kind in range(3)}
        if set(names) != {(one, kind) for one in range(count) for kind in range(3)} or shapes[0] != shapes[1]:
            continue
        if any(len(found) != 1 or len(next(iter(found))) != 2 for found in shapes.values()):
            continue
        (inner, hidden), (out, width) = next(iter(shapes[0])), next(iter(shapes[2]))
        both = tuple(names[one, kind] for one in range(count) for kind in (0, 1))
        joined[f"{block}.gate_up_proj"] = both, (count, 2 * inner, hidden)
        joined[f"{block}.down_proj"] = tuple(names[one, 2] for one in range(count)), (count, out, width)
    return joined
