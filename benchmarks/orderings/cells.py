"""Cells of the table: a sample, its format, and the fixes it is measured with."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

CNNS = ("digits-mobilenet", "digits-resnet")
PAIRS = "cle:residual=false"
"""Equalization of pairs of layers alone, as in the paper; ours ties what a residual path joins, too."""
ADAROUND = {("digits-mobilenet", "w4a16"): PAIRS, ("digits-resnet", "w4a16"): "", ("digits-resnet", "w2a16"): ""}
"""What comes before rounding, by sample and format."""
GPT, VIT = "pydoc-gpt", "digits-vit"
LEARNED = ("adaround", "adaquant", "brecq")
ALPHAS = tuple(round(0.1 * step, 1) for step in range(11))
ROUNDINGS = ("", "gpfq", "gptq", "gptq:act_order=true", "awq-clip", "awq-clip gptq", "awq", "awq awq-clip")


@dataclass(frozen=True, order=True)
class Cell:
    """One row of the table.

    Attributes:
        sample: its name.
        format: of all layers, as people type it.
        fixes: as people type them, with a space between; empty for rounding to nearest.
        range: how the ranges of weights are chosen.
    """

    sample: str
    format: str
    fixes: str = ""
    range: Literal["minmax", "mse"] = "minmax"


def _dfq() -> list[Cell]:
    ways = ("", "bias-correction", PAIRS, f"{PAIRS} bias-correction", "cle", "cle bias-correction")
    return [Cell(sample, "w8a8", way) for sample in CNNS for way in ways]


def _adaround() -> list[Cell]:
    """At ranges of least squared error, as in the paper; mobilenet's pairs equalized first, or most weights are zero.

    Four bits do not ruin resnet, nor mobilenet where all that a residual path ties is equalized; two do.
    """
    found = []
    for (sample, format_), before in ADAROUND.items():
        ways = [before, *(f"{before} {way}".strip() for way in LEARNED)]
        found += [Cell(sample, format_, way, "mse") for way in ways]
    return found


def _gptq() -> list[Cell]:
    rounded = [Cell(GPT, bits, way) for bits in ("w4a16-pc", "w3a16-pc", "w4g32a16", "w3g32a16") for way in ROUNDINGS]
    return [*rounded, *(Cell(GPT, name) for name in ("nf4g64", "fp4g64", "int4g64"))]


def _smoothquant() -> list[Cell]:
    return [Cell(VIT, "w8a8"), *(Cell(VIT, "w8a8", f"smoothquant:alpha={alpha}") for alpha in ALPHAS)]


def _quip() -> list[Cell]:
    ways = ("", "gptq", "ldlq", "hadamard", "hadamard gptq", "hadamard ldlq")
    return [Cell(GPT, bits, way) for bits in ("w2a16-pc", "w2g32a16") for way in ways]


GROUPS = {
    "dfq": _dfq(), "adaround": _adaround(), "gptq": _gptq(), "smoothquant": _smoothquant(), "quip": _quip(),
}  # fmt: skip
