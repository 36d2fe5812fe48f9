"""What a reader of checkpoints gives: plain descriptions of where tensors lie."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from qdebug.doors.stored.kinds import Kind


@dataclass(frozen=True, slots=True)
class StoredTensor:
    """A tensor in a file.

    Attributes:
        name: as the file has it.
        shape: the slowest axis first (GGUF writes the fastest first).
        kind: how its elements are stored; None where the file's type is unknown.
        title: what the file calls the type.
        file: where it lies.
        start: the first of its bytes in that file.
        nbytes: how many; 0 for an unknown type, whose size nobody knows.
    """

    name: str
    shape: tuple[int, ...]
    kind: Kind | None
    title: str
    file: Path
    start: int
    nbytes: int

    @property
    def count(self) -> int:
        """Values."""
        return math.prod(self.shape)

    @property
    def matrix(self) -> tuple[int, int]:
        """Rows and columns: the first axis, and all others. A vector and a single value are one row."""
        if len(self.shape) < 2:
            return 1, self.count
        return self.shape[0], math.prod(self.shape[1:])


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """Files of weights that belong together.

    Attributes:
        path: what was asked for.
        source: the files' format.
        files: all of them.
        tensors: in the order of the files.
        facts: what the files say about themselves, by key; strings and numbers only, lists as their length.
        notes: what is odd and yet no mistake, in sentences.
    """

    path: Path
    source: Literal["safetensors", "gguf"]
    files: tuple[Path, ...]
    tensors: tuple[StoredTensor, ...]
    facts: dict[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
