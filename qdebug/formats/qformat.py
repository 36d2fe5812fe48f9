"""What a number format is, and the simplest of them: integers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

CARDED = 8
"""Bits up to which a format lists all its code points."""


@dataclass(frozen=True, slots=True, kw_only=True)
class QFormat:
    """A number format: one frozen value per name.

    Attributes:
        name: the field's name for it, lower case (``int4``, ``fp8_e4m3fn``, ``mxfp4``).
        title: how its inventors write it.
        bits: bits of one stored code, without scales.
        source: the document that defines it.
        runs_on: who computes with it or stores it.
        proof: the test that holds our arithmetic to the source, as ``file::name`` under ``tests/``.
    """

    family: ClassVar[str] = ""
    is_integer: ClassVar[bool] = False
    """Whether values are codes on a uniform grid with a free or fixed zero point."""
    for_activations: ClassVar[bool] = True
    """Whether a runtime could make activations of it."""
    own_blocks: ClassVar[bool] = False
    """Whether the format itself says which values share a scale; a plan then names no granularity."""

    name: str
    title: str
    bits: float
    source: str
    runs_on: tuple[str, ...] = ()
    proof: str = ""

    @property
    def levels(self) -> tuple[float, ...]:
        """The finite reals of all codes in units of the scale, ascending; empty where they are too many or learned."""
        return ()

    @property
    def needs_scale(self) -> bool:
        """Whether values are divided by a scale first."""
        return True

    @property
    def is_cast(self) -> bool:
        """Whether values are only rounded, without a scale: floats of 16 bits and more."""
        return False

    @property
    def group(self) -> int:
        """Values that share a scale where the format says so; 0 where the plan does."""
        return 0

    @property
    def bits_per_weight(self) -> float:
        """Bits of a weight with its part of the scales, as the format is usually stored."""
        return self.bits

    @property
    def specials(self) -> tuple[str, ...]:
        """Codes that are no finite number."""
        return ()

    @property
    def largest(self) -> float:
        """The largest finite magnitude, in units of the scale."""
        return max((abs(level) for level in self.levels), default=0.0)

    @property
    def smallest(self) -> float:
        """The smallest magnitude above zero, in units of the scale."""
        return min((abs(level) for level in self.levels if level), default=0.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Integer(QFormat):
    """A uniform grid with a scale and a zero point.

    Attributes:
        signed: takes signed codes for symmetric plans and unsigned ones for affine plans, as ONNX does. Otherwise
            unsigned codes for both, so that a symmetric plan has no negative values (activations after a ReLU).
            An affine plan on signed codes, as TensorFlow Lite writes it, has the same reals with the zero point moved.
        narrow: leave out the lowest code, so that a symmetric grid has as many codes on either side of zero.
    """

    family: ClassVar[str] = "integer"
    is_integer: ClassVar[bool] = True

    bits: int
    signed: bool = True
    narrow: bool = False

    def codes(self, symmetric: bool) -> tuple[int, int]:
        """The code limits ``(qmin, qmax)``.

        Symmetric grids use the signed codes of two's complement, with a scale of absmax / qmax, so that the code
        qmin is reached only by clipped values. Affine ones use the unsigned codes from 0.
        """
        width = self.bits
        if symmetric and self.signed:
            return -(1 << (width - 1)) + self.narrow, (1 << (width - 1)) - 1
        return int(self.narrow), (1 << width) - 1

    @property
    def levels(self) -> tuple[float, ...]:
        """The codes, where there are at most 256."""
        low, high = self.codes(symmetric=True)
        return tuple(float(code) for code in range(low, high + 1)) if self.bits <= CARDED else ()

    @property
    def largest(self) -> float:
        """The largest magnitude of a code."""
        low, high = self.codes(symmetric=True)
        return float(max(-low, high))

    @property
    def smallest(self) -> float:
        """One step."""
        return 1.0


_RUNS = {
    "int8": ("ONNX Runtime", "TensorRT", "OpenVINO", "LiteRT", "PyTorch", "vLLM"),
    "uint8": ("ONNX Runtime", "OpenVINO", "PyTorch"),
    "int4": ("ONNX Runtime", "TensorRT (weights)", "vLLM", "OpenVINO"),
    "uint4": ("ONNX Runtime", "vLLM", "OpenVINO"),
    "int16": ("ONNX Runtime", "LiteRT (activations)"),
    "uint16": ("ONNX Runtime",),
    "int8_narrow": ("LiteRT (weights)",),
}


def _integers(signed: bool, narrow: bool) -> tuple[Integer, ...]:
    prefix, suffix = "" if signed else "u", "_narrow" if narrow else ""
    words = "unsigned integer" if not signed else "integer without the lowest code" if narrow else "integer"
    sources = "two's complement" if signed else "binary"
    return tuple(
        Integer(
            name=f"{prefix}int{bits}{suffix}", title=f"{bits}-bit {words}", bits=bits, signed=signed, narrow=narrow,
            source=f"{sources}; Jacob et al. 2018 (arXiv 1712.05877) for scale and zero point",
            runs_on=_RUNS.get(f"{prefix}int{bits}{suffix}", ()),
            proof="quantize/test_exhaustive.py::test_every_half_against_rational_arithmetic",
        )
        for bits in range(2, 17)
    )  # fmt: skip


INTEGERS = (*_integers(True, False), *_integers(False, False), *_integers(True, True))
INT4, INT8 = INTEGERS[2], INTEGERS[6]
