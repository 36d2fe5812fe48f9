"""Tensors in the place of weights that are not read yet: of their shapes, and without memory."""

from __future__ import annotations

import math
import tempfile
from collections.abc import Mapping

import torch
from torch import Tensor, nn

from qdebug.doors.stored import Checkpoint, StoredTensor
from qdebug.doors.stored.filing import DTYPES, filed

_APART = 16
"""Values to whose multiples each starts, so that no two have one address."""


class StandIns:
    """For each tensor of a checkpoint one of float32 zeros, in a file without blocks that nothing ever touches.

    The library puts them where the weights belong, ties them and takes them apart as it does with weights; where each
    came to lie is told by its address.

    Args:
        checkpoint: safetensors files.
    """

    def __init__(self, checkpoint: Checkpoint) -> None:
        self.stored = {one.name: one for one in checkpoint.tensors}
        starts, total = {}, _APART
        for name, one in self.stored.items():
            starts[name] = total
            total += (one.count // _APART + 1) * _APART
        with tempfile.NamedTemporaryFile(prefix="qdebug-") as file:
            file.truncate(4 * total)
            room = torch.UntypedStorage.from_file(file.name, True, 4 * total)
        values = torch.empty(0).set_(room)  # type: ignore[call-overload]
        self.tensors: dict[str, Tensor] = {
            name: values[start : start + self.stored[name].count].view(self.stored[name].shape)
            for name, start in starts.items()
        }
        self._names = {tensor.data_ptr(): name for name, tensor in self.tensors.items()}

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
