"""What a number format is: how many bits, which codes, which reals."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Kind = Literal["int", "float"]


@dataclass(frozen=True, slots=True)
class QFormat:
    """A number format.

    Attributes:
        name: the field's name for it, lower case (``int4``, ``fp16``).
        kind: ``int`` for a uniform grid with a scale, ``float`` for a cast without one.
        bits: bits of one code.
        exponent_bits, mantissa_bits: for floats, without the sign; 0 for integers.
        largest: the largest finite magnitude of a float; 0 for integers, whose reach is the scale's affair.
        source: the document that defines it.
    """

    name: str
    kind: Kind
    bits: int
    exponent_bits: int = 0
    mantissa_bits: int = 0
    largest: float = 0.0
    source: str = ""

    @property
    def is_integer(self) -> bool:
        """Whether values are codes on a uniform grid."""
        return self.kind == "int"

    def codes(self, symmetric: bool) -> tuple[int, int]:
        """The code limits ``(qmin, qmax)``.

        Symmetric formats use the signed codes of two's complement, with a scale of absmax / qmax, so that the code
        qmin is reached only by clipped values. Affine formats use the unsigned codes from 0.
        """
        if not self.is_integer:
            raise ValueError(f"{self.name} has no integer codes")
        if symmetric:
            return -(1 << (self.bits - 1)), (1 << (self.bits - 1)) - 1
        return 0, (1 << self.bits) - 1


_TWO = "two's complement"
INT2 = QFormat("int2", "int", 2, source=_TWO)
INT3 = QFormat("int3", "int", 3, source=_TWO)
INT4 = QFormat("int4", "int", 4, source=_TWO)
INT5 = QFormat("int5", "int", 5, source=_TWO)
INT6 = QFormat("int6", "int", 6, source=_TWO)
INT7 = QFormat("int7", "int", 7, source=_TWO)
INT8 = QFormat("int8", "int", 8, source=_TWO)
FP16 = QFormat("fp16", "float", 16, 5, 10, 65504.0, "IEEE 754-2019 binary16")
BF16 = QFormat("bf16", "float", 16, 8, 7, 3.3895313892515355e38, "bfloat16 (Intel 338302-001US)")
FP32 = QFormat("fp32", "float", 32, 8, 23, 3.4028234663852886e38, "IEEE 754-2019 binary32")
