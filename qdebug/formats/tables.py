"""Formats whose levels are a fixed table: NormalFloat, powers of two, ternary and binary weights."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import ClassVar, Literal

from qdebug.formats.qformat import QFormat

Rule = Literal["absmax", "twn", "absmean", "mean", "sparse"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Table(QFormat):
    """Levels times a scale.

    Attributes:
        points: the levels, ascending.
        rule: how scale and codes are found. ``absmax``: the largest magnitude gets the largest level, every value the
            nearest one, a value half-way between two the lower. The others are those of the format's paper (see
            :mod:`qdebug.quantize.ternary`).
        usual_group: values that usually share a scale; 0: the plan's choice.
    """

    family: ClassVar[str] = "table"
    for_activations: ClassVar[bool] = False

    points: tuple[float, ...]
    rule: Rule = "absmax"
    usual_group: int = 0

    @property
    def levels(self) -> tuple[float, ...]:
        """The table."""
        return self.points

    @property
    def group(self) -> int:
        """Values that usually share a scale."""
        return self.usual_group

    @property
    def bits_per_weight(self) -> float:
        """With a float32 scale per group, as QLoRA counts before double quantization."""
        return self.bits + (32 / self.usual_group if self.usual_group else 0)


# The 16 numbers of QLoRA's appendix E, to the digits that are exact in float32.
_NF4 = (
    -1.0, -0.6961928009986877, -0.5250730514526367, -0.39491748809814453, -0.28444138169288635, -0.18477343022823334,
    -0.09105003625154495, 0.0, 0.07958029955625534, 0.16093020141124725, 0.24611230194568634, 0.33791524171829224,
    0.44070982933044434, 0.5626170039176941, 0.7229568362236023, 1.0,
)  # fmt: skip


def apot(bits: int) -> tuple[float, ...]:
    """The levels of additive powers of two for signed weights of 3, 4 or 5 bits, the largest being 1.

    Of the ``bits − 1`` bits below the sign, 2 or 4 are split into terms of k = 2 bits, term i of n taking the values
    {0, 2^−i, 2^−(i+n), 2^−(i+2n)} (Li, Dong and Wang 2020, arXiv 1909.13144, equation 5 and figure 1). For 3 bits below
    the sign the terms have 2 and 1 bits: {0, 1/2, 1/4, 1/16} + {0, 1/8}, as in the authors' code.
    """
    terms = {
        3: [(0.0, 1 / 2, 1 / 4, 1 / 8)],
        4: [(0.0, 1 / 2, 1 / 4, 1 / 16), (0.0, 1 / 8)],
        5: [(0.0, 1 / 2, 1 / 8, 1 / 32), (0.0, 1 / 4, 1 / 16, 1 / 64)],
    }[bits]
    sums = sorted({sum(parts) for parts in itertools.product(*terms)})
    positive = [value / sums[-1] for value in sums]
    return tuple([-value for value in reversed(positive[1:])] + positive)


def log2(bits: int) -> tuple[float, ...]:
    """Zero and ±2^0 … ±2^−(2^(bits−1) − 2): what so many bits hold (Miyashita et al. 2016, arXiv 1603.01025)."""
    positive = [2.0**-power for power in range((1 << (bits - 1)) - 1)]
    return tuple([-value for value in positive] + [0.0] + positive[::-1])


_TABLE = "quantize/test_tables.py::test_published_levels"
_RULES = "quantize/test_ternary.py::test_against_the_paper_in_float64"
_APOT = "Li, Dong and Wang 2020, Additive Powers-of-Two Quantization (arXiv 1909.13144)"
_LOG2 = "Miyashita, Lee and Murmann 2016 (arXiv 1603.01025); Zhou et al. 2017, INQ (arXiv 1702.03044)"

NF4 = Table(name="nf4", title="NormalFloat 4", bits=4, points=_NF4, usual_group=64,
            source="Dettmers et al. 2023, QLoRA (arXiv 2305.14314), appendix E", runs_on=("bitsandbytes", "torchao"),
            proof=_TABLE)  # fmt: skip
TERNARY_TWN = Table(name="ternary_twn", title="ternary (TWN)", bits=1.6, points=(-1.0, 0.0, 1.0), rule="twn",
                    source="Li et al. 2016, Ternary Weight Networks (arXiv 1605.04711)", runs_on=("llama.cpp TQ1_0",),
                    proof=_RULES)  # fmt: skip
TERNARY = Table(name="ternary", title="ternary (BitNet b1.58)", bits=1.6, points=(-1.0, 0.0, 1.0), rule="absmean",
                source="Ma et al. 2024, BitNet b1.58 (arXiv 2402.17764), equations 1–3",
                runs_on=("bitnet.cpp", "llama.cpp TQ1_0"), proof=_RULES)  # fmt: skip
BINARY = Table(name="binary", title="binary (XNOR-Net)", bits=1, points=(-1.0, 1.0), rule="mean",
               source="Rastegari et al. 2016, XNOR-Net (arXiv 1603.05279), section 3.1", runs_on=("Larq",),
               proof=_RULES)  # fmt: skip
SPARSE_TERNARY = Table(name="ternary_3_4", title="3:4 sparse ternary (Sherry)", bits=1.25, points=(-1.0, 0.0, 1.0),
                       rule="sparse", source="Huang et al. 2026, Sherry: Hardware-Efficient 1.25-Bit Ternary "
                       "Quantization via Fine-grained Sparsification (arXiv 2601.07892)", runs_on=("AngelSlim",),
                       proof=_RULES)  # fmt: skip
APOT = tuple(
    Table(name=f"apot{bits}", title=f"additive powers of two, {bits} bits", bits=bits, points=apot(bits), source=_APOT,
          runs_on=("shift-and-add FPGAs",), proof=_TABLE)
    for bits in (3, 4, 5)
)  # fmt: skip
LOG2 = tuple(
    Table(name=f"log2_{bits}", title=f"powers of two, {bits} bits", bits=bits, points=log2(bits), source=_LOG2,
          runs_on=("shift-only FPGAs",), proof=_TABLE)
    for bits in (3, 4, 5)
)  # fmt: skip
TABLES = (NF4, *APOT, *LOG2, TERNARY_TWN, TERNARY, SPARSE_TERNARY, BINARY)
