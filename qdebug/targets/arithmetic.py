"""What the products of a layer are computed in, as its plan or the platform's kernel says."""

from __future__ import annotations

from qdebug.formats import Block, Float, Integer, QFormat, find
from qdebug.recipes.plan import LayerPlan
from qdebug.targets.kernel import Kernel

SIGNIFICANDS = {"fp32": 24, "tf32": 11, "fp16": 11, "bf16": 8, "fp8": 4, "fp6": 4, "fp4": 2}
"""Floating-point arithmetics, with the bits of their significands (the leading one counted)."""
INTEGERS = {"int16": 16, "int8": 8, "int4": 4}
"""Integer arithmetics, with their bits."""


def arithmetic(plan: LayerPlan, kernel: Kernel | None = None) -> str:
    """The name of the arithmetic: a key of :data:`SIGNIFICANDS` or :data:`INTEGERS`.

    The kernel decides where it says so. Otherwise two integers are multiplied as integers of the next width that there
    is, two small floats as the wider of them; where only one of both is quantized, it is dequantized on the fly and
    multiplied in the other's floats (w4a16: fp16); what no unit multiplies (nf4 with int8) is taken as fp32.
    """
    if kernel is not None and kernel.arithmetic:
        return kernel.arithmetic
    weight, activation = _element(plan.weight.format), _element(plan.activation.format)
    if isinstance(weight, Integer) and isinstance(activation, Integer):
        return _integer(max(weight.bits, activation.bits))
    if _is_small(weight) and _is_small(activation):
        return f"fp{max(weight.bits, activation.bits):g}"
    casts = {form.name for form in (weight, activation) if form.is_cast}
    return casts.pop() if len(casts) == 1 else "fp32"


def widths(plan: LayerPlan, kernel: Kernel | None = None) -> tuple[float, float]:
    """Bits of the two factors of an integer multiplication: those of the codes, or of the arithmetic if that has fewer.

    Activations that the kernel quantizes itself (llama.cpp) have the arithmetic's width.
    """
    most = INTEGERS[arithmetic(plan, kernel)]
    return min(find(plan.weight.format).bits, most), min(find(plan.activation.format).bits, most)


def _element(name: str) -> QFormat:
    form = find(name)
    return form.element if isinstance(form, Block) else form


def _is_small(form: QFormat) -> bool:
    return isinstance(form, Float) and not form.is_cast


def _integer(bits: float) -> str:
    return next(name for name in ("int4", "int8", "int16") if bits <= INTEGERS[name])
