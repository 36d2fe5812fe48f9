"""A device: peak rates and memory bandwidth as its maker publishes them, or as they follow from clock and lanes."""

from __future__ import annotations

from dataclasses import dataclass

WIDER = {
    "int4": ("int8", "int16", "fp16", "fp32"),
    "int8": ("int16", "fp16", "fp32"),
    "int16": ("fp32",),
    "fp4": ("fp8", "fp16", "bf16", "fp32"),
    "fp6": ("fp8", "fp16", "bf16", "fp32"),
    "fp8": ("fp16", "bf16", "fp32"),
    "fp16": ("fp32",),
    "bf16": ("fp32",),
    "tf32": ("fp32",),
}
"""Where a device has no unit for an arithmetic: those that hold its numbers, the nearest first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """A published number.

    Attributes:
        value: operations per second (a multiply-accumulate is two), or bytes per second.
        source: the document's address.
        derivation: how the value follows from what stands there; empty where it stands there itself.
    """

    value: float
    source: str
    derivation: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Device:
    """A processor with its memory. Rates are dense: those with structured sparsity are halved.

    Attributes:
        name: lower case, with hyphens.
        title: what people read.
        rates: operations per second by arithmetic.
        bandwidth: bytes per second of the main memory.
        sparse: the peak rate with weights pruned 2:4 over the dense one, in all arithmetics but fp32; None where no
            unit skips them.
        platforms: names of the platforms that run on it.
        note: what should be known beside the numbers.
    """

    name: str
    title: str
    rates: tuple[tuple[str, Figure], ...]
    bandwidth: Figure
    sparse: Figure | None = None
    platforms: tuple[str, ...] = ()
    note: str = ""

    def rate(self, arithmetic: str) -> tuple[str, Figure] | None:
        """The rate of an arithmetic, or else of the nearest wider one; None where none of these is published."""
        known = dict(self.rates)
        return next(((one, known[one]) for one in (arithmetic, *WIDER.get(arithmetic, ())) if one in known), None)
