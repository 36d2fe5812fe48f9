"""How much of a weight is pruned: ``2:4``, or ``50%``."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

_PATTERN = re.compile(r"(?P<kept>[1-9]\d?):(?P<of>[1-9]\d?)", re.ASCII)
_SHARE = re.compile(r"(?P<share>\d{1,2}(?:\.\d{1,3})?)%", re.ASCII)
LARGEST = 32
"""The most channels of a group of which some are kept."""


@dataclass(frozen=True, slots=True)
class Sparsity:
    """What a weight keeps.

    Attributes:
        kept, of: ``kept`` of each ``of`` neighbouring input channels; 0 where there are no such groups.
        share: the part of all weights that is pruned, wherever the smallest are; 0 where groups say it.
    """

    kept: int = 0
    of: int = 0
    share: float = 0.0

    @property
    def index_bits(self) -> int:
        """Bits that say which values of a group are kept: ⌈log₂ (of choose kept)⌉."""
        return math.ceil(math.log2(math.comb(self.of, self.kept))) if self.of else 0


def parse_sparsity(text: str) -> Sparsity | None:
    """What a plan's ``sparsity`` says; None where it is no such text.

    >>> parse_sparsity("2:4"), parse_sparsity("37.5%").share
    (Sparsity(kept=2, of=4, share=0.0), 0.375)
    """
    match = _PATTERN.fullmatch(text)
    if match:
        kept, of = int(match["kept"]), int(match["of"])
        return Sparsity(kept, of) if kept < of <= LARGEST else None
    match = _SHARE.fullmatch(text)
    share = float(match["share"]) / 100 if match else 0.0
    return Sparsity(share=share) if 0 < share < 1 else None


def is_thin(rows: int, columns: int, rank: int) -> bool:
    """Whether a matrix ``[rows, columns]`` is stored as two factors of a rank: asked for, and fewer values."""
    return 0 < rank * (rows + columns) < rows * columns


def pruned_count(values: int, sparsity: Sparsity) -> int:
    """How many of so many weights a share prunes, rounded down to whole ones."""
    return math.floor(values * sparsity.share + 1e-9)
