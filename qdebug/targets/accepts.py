"""What a kernel takes of one tensor, and the words for what it does not."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from qdebug.formats import Gguf, Integer, find
from qdebug.recipes.plan import GranularityName, TensorPlan

SHARING: dict[GranularityName, str] = {
    "tensor": "one scale per tensor",
    "channel": "a scale per channel",
    "group": "a scale per group",
    "block": "a scale per tile",
    "token": "a scale per token",
}
_NEAREST = ("half_even", "half_away")


@dataclass(frozen=True, slots=True, kw_only=True)
class Accepts:
    """What a kernel takes of one tensor.

    Attributes:
        formats: number formats by name.
        sharing: granularities. Formats without a scale, and those with blocks of their own, name none.
        zero: ``fixed`` (symmetric), ``free`` (affine) or ``either``.
        ranges: of activations: ``static``, ``dynamic`` (at run time) or ``either``.
        groups: group sizes that there are; empty: as ``power_of_two`` says.
        power_of_two: groups are powers of two from this size on; 0: any size.
        whole: whether input features must fill their groups or blocks.
        signed: codes that the kernel reads: True signed, False unsigned, None either.
    """

    formats: tuple[str, ...]
    sharing: tuple[GranularityName, ...] = ("tensor",)
    zero: Literal["fixed", "free", "either"] = "either"
    ranges: Literal["static", "dynamic", "either"] = "static"
    groups: tuple[int, ...] = ()
    power_of_two: int = 0
    whole: bool = False
    signed: bool | None = None

    def objections(self, plan: TensorPlan, columns: int, *, weight: bool) -> Iterator[str]:
        """What of a plan does not fit, beside the format: each an end of a sentence that begins with the runtime.

        Args:
            plan: of a format that is accepted.
            columns: values that make one output.
            weight: whether the tensor is a weight.
        """
        form = find(plan.format)
        noun = "weights" if weight else "activations"
        if not weight and plan.rounding not in _NEAREST:
            yield "rounds activations to the nearest code"
        if form.is_cast:
            return
        if plan.scale_format == "double":
            yield f"stores the scales of {noun} as they are, not quantized again"
        if form.own_blocks:
            yield from self._fill(form.group, columns, plan)
            return
        if plan.granularity not in self.sharing:
            there = " or ".join(SHARING[one] for one in self.sharing)
            yield f"has {there} for {plan.format} {noun} here, not {SHARING[plan.granularity]}"
        elif plan.granularity == "group":
            yield from self._group(plan, columns)
        yield from self._codes(plan, noun)
        if not weight:
            yield from self._range(plan)

    def _codes(self, plan: TensorPlan, noun: str) -> Iterator[str]:
        form = find(plan.format)
        if not isinstance(form, Integer):
            return
        if self.zero == "fixed" and not plan.symmetric:
            yield f"has no zero point for {noun} here: make them symmetric"
        elif self.zero == "free" and plan.symmetric:
            yield f"has a free zero point for {noun} here: make them affine"
        elif self.signed is not None and (form.codes(plan.symmetric)[0] < 0) != self.signed:
            codes, way = ("signed", "symmetric") if self.signed else ("unsigned", "affine")
            yield f"reads {codes} codes of {noun} here: make them {way}"

    def _range(self, plan: TensorPlan) -> Iterator[str]:
        dynamic = plan.dynamic or plan.granularity == "token"
        if dynamic and self.ranges == "static":
            yield "wants activation ranges fixed before: make them static"
        elif not dynamic and self.ranges == "dynamic":
            yield "finds activation ranges at run time here: make them dynamic"

    def _group(self, plan: TensorPlan, columns: int) -> Iterator[str]:
        size = plan.group_size
        if self.groups and size not in self.groups:
            yield f"has groups of {' or '.join(map(str, self.groups))}, not of {size}"
        elif self.power_of_two and (size < self.power_of_two or size & (size - 1)):
            yield f"has groups of a power of two from {self.power_of_two} on, not of {size}"
        yield from self._fill(size, columns, plan)

    def _fill(self, size: int, columns: int, plan: TensorPlan) -> Iterator[str]:
        if self.whole and size and columns % size:
            form = find(plan.format)
            instead = f" and would store {form.stored_as(columns)}" if isinstance(form, Gguf) else ""
            yield f"wants input features in whole blocks of {size}, and {columns} are not{instead}"
