"""Values that only layers read: where those agree how to quantize it, the value is remembered as they see it."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from qdebug.engine.sheet import LayerQuant, Sheet
from qdebug.graph import Layer, Program
from qdebug.graph.program import Step, refs
from qdebug.quantize import QParams, is_dynamic


@dataclass(frozen=True)
class Tap:
    """A value and the layers that read it.

    Attributes:
        base: step whose value it is.
        seen: the base and the views of it through which layers read it.
        layers: all its readers.
    """

    base: int
    seen: frozenset[int]
    layers: tuple[Layer, ...]


@dataclass(frozen=True)
class Born:
    """A value quantized as soon as it is there, for all its readers at once.

    Attributes:
        tap: the value.
        quant: how, of any of its readers.
        key: its key.
        skips_relu: whether a ReLU right before is without effect: the grid ends at zero itself.
    """

    tap: Tap
    quant: LayerQuant
    key: bytes
    skips_relu: bool


def find_taps(program: Program, layers: Sequence[Layer]) -> tuple[Tap, ...]:
    """The values that are read by nothing but layers, as their input activation."""
    readers: dict[int, list[Layer]] = {}
    for layer in layers:
        if layer.kind != "embedding":
            readers.setdefault(layer.x, []).append(layer)
    bases = dict.fromkeys(_base(program, x) for x in readers)
    return tuple(tap for base in bases if (tap := _tap(program, base, readers)))


def births(sheet: Sheet, taps: Sequence[Tap]) -> Mapping[int, Born]:
    """Which values a sheet quantizes at birth, by step: those whose readers all agree how."""
    quantized = (tap for tap in taps if tap.layers[0].step in sheet.quants)
    found = (_born(sheet, tap) for tap in quantized if tap.base not in sheet.points)
    return {born.tap.base: born for born in found if born}


def is_moved(step: Step) -> bool:
    """Whether a step's values are those of what it reads, in another shape; one value out of several is not."""
    return step.is_view and step.op != "getitem"


def _base(program: Program, index: int) -> int:
    while is_moved(program.steps[index]) and len(program.sources[index]) == 1:
        index = program.sources[index][0]
    return index


def _tap(program: Program, base: int, readers: Mapping[int, list[Layer]]) -> Tap | None:
    # what is no station of its own (a view, one value out of several) is never remembered, so nothing is born there
    if program.steps[base].kind != "op" or program.constant[base] or program.steps[base].is_view:
        return None
    seen, stack, layers = {base}, [base], list[Layer]()
    while stack:
        index = stack.pop()
        if index == program.output:
            return None
        own = {layer.step for layer in readers.get(index, ())}
        for user in program.consumers[index]:
            step = program.steps[user]
            if user in own and list(refs((step.args, dict(step.kwargs)))).count(index) == 1:
                continue
            if user in own or not is_moved(step):
                return None
            seen.add(user)
            stack.append(user)
        layers += readers.get(index, ())
    return Tap(base, frozenset(seen), tuple(layers))


def _born(sheet: Sheet, tap: Tap) -> Born | None:
    quants = [sheet.quants.get(layer.step) for layer in tap.layers]
    first = quants[0]
    if first is None or first.plan.activation.is_float32:
        return None
    # A layer with a side path wants the value as it was before as well.
    if any(rounded and rounded.side is not None for rounded in map(sheet.rounded, (one.step for one in tap.layers))):
        return None
    if any(quant is None or quant.activation_key != first.activation_key for quant in quants[1:]):
        return None
    # A range taken from the values at hand depends on the shape they are seen in, and so do dice on their places.
    plan = first.plan.activation
    if (is_dynamic(plan) or plan.rounding == "stochastic") and len(tap.seen) > 1:
        return None
    key = hashlib.blake2b(sheet.keys[tap.base] + b"born" + first.activation_key, digest_size=16).digest()
    grid = first.activation
    skips_relu = (
        isinstance(grid, QParams) and not grid.scale.dim() and first.basis is None and int(grid.zero_point) == grid.qmin
    )
    return Born(tap, first, key, skips_relu)
