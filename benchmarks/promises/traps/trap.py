"""What a trap is, and payloads that leave a mark."""

from __future__ import annotations

import pickle  # noqa: TID251 - to write what must not be read
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

Kind = Literal["model", "data", "recipe", "checkpoint", "conversation", "metric", "pictures"]


@dataclass(frozen=True)
class Trap:
    """A file, or a folder, that somebody crafted.

    Attributes:
        name: what it tries.
        kind: as what it is opened.
        make: writes it into an empty folder, so that the mark appears where its code is run, and gives its path.
        careless: opens it as somebody would who does not care, which shows that it is armed; None where no library
            that is installed here can be made to run it, which ``why`` says.
        why: see there.
    """

    name: str
    kind: Kind
    make: Callable[[Path, Path], Path]
    careless: Callable[[Path], object] | None
    why: str = ""


def expression(mark: Path) -> str:
    """A Python expression that leaves the mark, and starts no process: walls against that must not hide it."""
    return f"__import__('os').mkdir({str(mark)!r})"


class _Reduced:
    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[object, ...]:
        import os

        return os.mkdir, (str(self.mark),)


def pickled(mark: Path, protocol: int = 2) -> bytes:
    """A pickle that leaves the mark when it is loaded."""
    return pickle.dumps(_Reduced(mark), protocol)


def unpickled(content: bytes) -> object:
    """What must never be done."""
    return pickle.loads(content)
