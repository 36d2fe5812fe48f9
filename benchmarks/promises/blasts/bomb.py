"""What a bomb is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

LARGEST = 24 * 2**20
"""Bytes of a bomb: a small file."""


@dataclass(frozen=True)
class Bomb:
    """A small file, or a folder, that asks for much.

    Attributes:
        name: what it does.
        kind: as what it is opened: a model, data for a small model, a checkpoint, a recipe, or texts.
        make: writes it into an empty folder, from a number that changes its details, and gives its path.
        sent: whether it is sent as an upload, which is read behind walls; else opened by its path.
    """

    name: str
    kind: Literal["model", "data", "checkpoint", "recipe", "texts"]
    make: Callable[[Path, int], Path]
    sent: bool = False
