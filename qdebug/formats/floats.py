"""Floating-point formats: what their codes mean, and what does not fit in them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from qdebug.formats.qformat import CARDED, QFormat

Specials = Literal["ieee", "fn", "fnuz", "none"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Float(QFormat):
    """Sign, exponent, mantissa; subnormal numbers included.

    Attributes:
        exponent_bits, mantissa_bits: without the sign.
        bias: what is taken from the exponent field.
        encoding: which codes are no numbers. ``ieee``: the highest exponent is ±Inf and NaN. ``fn``: finite, and only
            all ones is NaN. ``fnuz``: finite, no negative zero, whose code is the one NaN. ``none``: all are numbers.
        stored_bits: bits that a value takes in memory, where that is more than the code has (tf32).
    """

    family: ClassVar[str] = "float"

    exponent_bits: int
    mantissa_bits: int
    bias: int
    encoding: Specials = "ieee"
    stored_bits: int = 0

    @property
    def is_cast(self) -> bool:
        """Formats of 16 bits and more reach far enough without a scale."""
        return self.bits >= 16

    @property
    def needs_scale(self) -> bool:
        """Small floats do not."""
        return not self.is_cast

    @property
    def bits_per_weight(self) -> float:
        """Bits in memory; the scale of a whole tensor or channel counts for nothing here."""
        return self.stored_bits or self.bits

    @property
    def smallest_exponent(self) -> int:
        """The exponent of the smallest normal number, which subnormal numbers share."""
        return 1 - self.bias

    @property
    def largest_exponent(self) -> int:
        """The exponent of the largest finite number."""
        return (1 << self.exponent_bits) - (2 if self.encoding == "ieee" else 1) - self.bias

    @property
    def largest(self) -> float:
        """The largest finite number."""
        taken = 2 if self.encoding == "fn" else 1  # all ones in the highest binade is NaN
        return float(2.0**self.largest_exponent * (2.0 - taken * 2.0**-self.mantissa_bits))

    @property
    def smallest_normal(self) -> float:
        """The smallest normal number."""
        return 2.0**self.smallest_exponent

    @property
    def smallest(self) -> float:
        """The smallest subnormal number."""
        return 2.0 ** (self.smallest_exponent - self.mantissa_bits)

    @property
    def overflow(self) -> float:
        """What a conversion that does not saturate makes of what is too large: Inf, NaN, or the largest number."""
        return {"ieee": np.inf, "fn": np.nan, "fnuz": np.nan, "none": self.largest}[self.encoding]

    @property
    def infinity_code(self) -> int:
        """The code of +Inf in ``ieee`` formats: the highest exponent, mantissa zero."""
        return ((1 << self.exponent_bits) - 1) << self.mantissa_bits

    @property
    def nan_code(self) -> int:
        """The quiet NaN without sign and payload; of formats without NaN the largest number."""
        return {
            "ieee": self.infinity_code + (1 << self.mantissa_bits - 1),
            "fn": self.infinity_code + (1 << self.mantissa_bits) - 1,
            "fnuz": 1 << self.exponent_bits + self.mantissa_bits,
            "none": self.infinity_code + (1 << self.mantissa_bits) - 1,
        }[self.encoding]

    @property
    def specials(self) -> tuple[str, ...]:
        """Codes that are no finite number, and whether zero has a sign."""
        return {
            "ieee": ("+Inf", "−Inf", "NaN", "−0"), "fn": ("NaN", "−0"), "fnuz": ("NaN (code 0x80)",), "none": ("−0",),
        }[self.encoding]  # fmt: skip

    @property
    def levels(self) -> tuple[float, ...]:
        """All finite numbers, ascending, zero once; empty for formats of more than 8 bits."""
        if self.bits > CARDED:
            return ()
        values = self.decode(np.arange(1 << int(self.bits)))
        return tuple(sorted({float(value) + 0.0 for value in values[np.isfinite(values)]}))

    def decode(self, codes: NDArray[np.integer]) -> NDArray[np.float64]:
        """The reals of codes: sign in the highest bit, then exponent, then mantissa. Exact in float64."""
        code = np.asarray(codes, np.int64)
        mantissa = code & ((1 << self.mantissa_bits) - 1)
        exponent = (code >> self.mantissa_bits) & ((1 << self.exponent_bits) - 1)
        sign = np.where(code >> (self.exponent_bits + self.mantissa_bits) & 1, -1.0, 1.0)
        fraction = mantissa * 2.0**-self.mantissa_bits + (exponent > 0)
        value = sign * np.ldexp(fraction, np.maximum(exponent, 1) - self.bias)
        top, full = (1 << self.exponent_bits) - 1, (1 << self.mantissa_bits) - 1
        if self.encoding == "ieee":
            value = np.where(exponent == top, np.where(mantissa == 0, sign * np.inf, np.nan), value)
        elif self.encoding == "fn":
            value = np.where((exponent == top) & (mantissa == full), np.nan, value)
        elif self.encoding == "fnuz":
            value = np.where(code == 1 << (self.exponent_bits + self.mantissa_bits), np.nan, value)
        return value


_OCP8 = "OCP 8-bit Floating Point Specification (OFP8) 1.0, 2023; Micikevicius et al. 2022 (arXiv 2209.05433)"
_OCPMX = "OCP Microscaling Formats (MX) Specification 1.0, 2023, section 5.3"
_FNUZ = "Noune et al. 2022, 8-bit Numerical Formats for Deep Neural Networks (arXiv 2206.02915)"
_CODES = "formats/test_floats.py::test_every_code_is_that_of_ml_dtypes"

FP32 = Float(name="fp32", title="binary32", bits=32, exponent_bits=8, mantissa_bits=23, bias=127,
             source="IEEE 754-2019", runs_on=("CPUs and GPUs",),
             proof="quantize/test_cast.py::test_fp32_is_the_tensor_itself")  # fmt: skip
TF32 = Float(name="tf32", title="TensorFloat-32", bits=19, exponent_bits=8, mantissa_bits=10, bias=127, stored_bits=32,
             source="NVIDIA A100 Tensor Core GPU Architecture, 2020", runs_on=("NVIDIA tensor cores from Ampere",),
             proof="quantize/test_cast.py::test_tf32_against_exact_arithmetic")  # fmt: skip
FP16 = Float(name="fp16", title="binary16", bits=16, exponent_bits=5, mantissa_bits=10, bias=15,
             source="IEEE 754-2019", runs_on=("GPUs", "Arm", "AVX512-FP16", "Apple Neural Engine"),
             proof=_CODES)  # fmt: skip
BF16 = Float(name="bf16", title="bfloat16", bits=16, exponent_bits=8, mantissa_bits=7, bias=127,
             source="Intel 2018, BFLOAT16 Hardware Numerics Definition (338302-001US)",
             runs_on=("TPU", "NVIDIA from Ampere", "AMD from MI100", "AVX512-BF16", "Arm"), proof=_CODES)  # fmt: skip
FP8_E4M3FN = Float(name="fp8_e4m3fn", title="FP8 E4M3", bits=8, exponent_bits=4, mantissa_bits=3, bias=7, encoding="fn",
                   source=_OCP8, runs_on=("NVIDIA from Ada", "AMD MI350", "vLLM", "TensorRT", "ONNX Runtime"),
                   proof=_CODES)  # fmt: skip
FP8_E5M2 = Float(name="fp8_e5m2", title="FP8 E5M2", bits=8, exponent_bits=5, mantissa_bits=2, bias=15,
                 source=_OCP8, runs_on=("NVIDIA from Ada", "AMD MI350", "ONNX Runtime"), proof=_CODES)  # fmt: skip
FP8_E4M3FNUZ = Float(name="fp8_e4m3fnuz", title="FP8 E4M3 FNUZ", bits=8, exponent_bits=4, mantissa_bits=3, bias=8,
                     encoding="fnuz", source=_FNUZ, runs_on=("AMD MI300", "Graphcore"), proof=_CODES)  # fmt: skip
FP8_E5M2FNUZ = Float(name="fp8_e5m2fnuz", title="FP8 E5M2 FNUZ", bits=8, exponent_bits=5, mantissa_bits=2, bias=16,
                     encoding="fnuz", source=_FNUZ, runs_on=("AMD MI300", "Graphcore"), proof=_CODES)  # fmt: skip
FP6_E2M3 = Float(name="fp6_e2m3", title="FP6 E2M3", bits=6, exponent_bits=2, mantissa_bits=3, bias=1, encoding="none",
                 source=_OCPMX, runs_on=("NVIDIA Blackwell", "AMD MI350"), proof=_CODES)  # fmt: skip
FP6_E3M2 = Float(name="fp6_e3m2", title="FP6 E3M2", bits=6, exponent_bits=3, mantissa_bits=2, bias=3, encoding="none",
                 source=_OCPMX, runs_on=("NVIDIA Blackwell", "AMD MI350"), proof=_CODES)  # fmt: skip
FP4 = Float(name="fp4", title="FP4 E2M1", bits=4, exponent_bits=2, mantissa_bits=1, bias=1, encoding="none",
            source=_OCPMX, runs_on=("NVIDIA Blackwell", "AMD MI350"), proof=_CODES)  # fmt: skip

FLOATS = (FP32, TF32, FP16, BF16, FP8_E4M3FN, FP8_E5M2, FP8_E4M3FNUZ, FP8_E5M2FNUZ, FP6_E2M3, FP6_E3M2, FP4)
