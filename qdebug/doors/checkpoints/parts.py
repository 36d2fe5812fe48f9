"""The tensors that belong to one module, each checked before it is believed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NoReturn

import torch
from torch import Tensor

from qdebug.errors import FileError
from qdebug.recipes.plan import ScaleFormat

FLOATS = (torch.float32, torch.float16, torch.bfloat16)
SCALE_FORMATS: dict[torch.dtype, ScaleFormat] = {torch.float16: "fp16", torch.bfloat16: "bf16", torch.float32: "fp32"}

Size = int | None


@dataclass(frozen=True)
class Parts:
    """A module's tensors in a checkpoint.

    Attributes:
        module: its path.
        tensors: those of the whole checkpoint.
    """

    module: str
    tensors: Mapping[str, Tensor]

    def has(self, part: str) -> bool:
        """Whether the module has such a tensor."""
        return self.name(part) in self.tensors

    def name(self, part: str) -> str:
        """The tensor's full name."""
        return f"{self.module}.{part}" if self.module else part

    def get(self, part: str, kinds: tuple[torch.dtype, ...], *shapes: tuple[Size, ...]) -> Tensor:
        """A tensor.

        Args:
            part: its name in the module.
            kinds: element types that it may have.
            shapes: shapes that it may have, None standing for any size; none: any shape.

        Raises:
            FileError: it is missing, or of another type or shape.
        """
        if not self.has(part):
            self.refuse(part, "is missing", "Download the folder anew; without it the codes mean nothing")
        found = self.tensors[self.name(part)]
        if found.dtype not in kinds:
            wanted = " or ".join(str(kind).removeprefix("torch.") for kind in kinds)
            self.refuse(part, f"holds {str(found.dtype).removeprefix('torch.')} where {wanted} is due")
        if shapes and not any(_fits(tuple(found.shape), shape) for shape in shapes):
            wanted = " or ".join(_spelled(shape) for shape in shapes)
            self.refuse(part, f"has the shape {list(found.shape)} where {wanted} is due")
        return found

    def scale(self, part: str, *shapes: tuple[Size, ...], kinds: tuple[torch.dtype, ...] = FLOATS) -> Tensor:
        """A tensor of scales: finite and not negative; float32. Zero, whose values are all zero, is made 1.

        Raises:
            FileError: see :meth:`get`; or a scale is none.
        """
        found = self.get(part, kinds, *shapes).float()
        if not bool(torch.isfinite(found).all()) or bool((found < 0).any()):
            self.refuse(part, "holds a scale that is negative or no number")
        return found

    def refuse(self, part: str, what: str, do: str = "Download the folder anew, or look at who wrote it") -> NoReturn:
        """The error that names the tensor and its file.

        Raises:
            FileError: always.
        """
        files = getattr(self.tensors, "files", {})
        raise FileError(f"The tensor '{self.name(part)}' {what}", file=files.get(self.name(part)), do=f"{do}.")


def _fits(found: tuple[int, ...], wanted: tuple[Size, ...]) -> bool:
    return len(found) == len(wanted) and all(b is None or a == b for a, b in zip(found, wanted, strict=True))


def _spelled(shape: tuple[Size, ...]) -> str:
    return f"[{', '.join('·' if size is None else str(size) for size in shape)}]"
