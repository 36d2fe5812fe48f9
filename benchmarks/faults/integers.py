"""Faults of recipes for integer runtimes: values between layers too coarse, and products that saturate there."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import msgspec
import numpy as np
import torch
from torch import Tensor

import qdebug
from benchmarks.faults.plant import Planted, at, layers_of, named, with_plan
from benchmarks.faults.sites import Surgery
from benchmarks.faults.sound import changed
from qdebug.engine import Work
from qdebug.graph import Layer
from qdebug.recipes import Recipe, TensorPlan
from qdebug.search.saturation import saturation
from qdebug.session import Session

BETWEEN = TensorPlan("int8", symmetric=False)
FINE = TensorPlan("int16", symmetric=False)
"""Of saturation's: nothing else is to be wrong there."""

Shift = Callable[[Surgery, Tensor], None]


@dataclass(frozen=True)
class Offset:
    """Where an offset can be added that whatever reads it takes back.

    Attributes:
        maker: the layer that makes the values.
        first: where the offset shows first: the maker, or the values that its output is added to.
        also: where it shows too.
        alike: whether all channels have to get the same.
        shift: adds it, and takes it back.
    """

    maker: Layer
    first: str
    also: tuple[str, ...]
    alike: bool
    shift: Shift


@named("coarse-values, norm or addition")
def coarse_sums(session: Session, dice: np.random.Generator, depth: float, grave: float) -> Planted | None:
    """An offset that the normalization behind takes off again, or the other summand."""
    site = at(list(_offsets(session)), depth)
    batch = session.subject.calib_batches[0]
    step = site.maker.step
    values = session.subject.engine.values(session.preparer.float_sheet, batch, (step,), Work())[step]
    signs = np.full(len(_bias(session, site.maker)), dice.choice([-1.0, 1.0]))
    if not site.alike:
        signs = dice.choice([-1.0, 1.0], len(signs))
    size = 12.0 * grave * float(dice.uniform(0.8, 1.2)) * float(values.abs().max())
    surgery = Surgery(session)
    site.shift(surgery, torch.as_tensor(signs, dtype=torch.float32) * size)
    recipe, also = Recipe(between=BETWEEN), tuple((name, "coarse-values") for name in site.also)
    return Planted(changed(session, surgery.tensors), recipe, (session, recipe), site.first, ("coarse-values",), also)


@named("coarse-values, softmax")
def coarse_scores(session: Session, dice: np.random.Generator, depth: float, grave: float) -> Planted | None:
    """An offset of an attention's keys: all scores of a query move alike, which the softmax takes off again."""
    found = [name for name in session.subject.by_name if name.endswith(".attn.qkv")]
    if not found:
        return None
    name = at(found, depth)
    surgery = Surgery(session)
    keys = surgery.take(_bias_step(session, session.subject.layer(name))).chunk(3)[1]
    keys += 6.0 * grave * float(dice.uniform(0.8, 1.2)) * float(dice.choice([-1.0, 1.0]))
    recipe = Recipe(between=BETWEEN)
    attention = name.removesuffix(".qkv")
    return Planted(changed(session, surgery.tensors), recipe, (session, recipe), attention, ("coarse-values",))


@named("saturation")
def saturating(session: Session, dice: np.random.Generator, depth: float, grave: float) -> Planted | None:
    """One layer with weights of 8 bits among others of 7, whose products always fit."""
    sound = msgspec.structs.replace(qdebug.preset("w7a8-pc-all"), between=FINE)
    layers = layers_of(session)
    start = int(depth * len(layers))
    for layer in [*layers[start:], *layers[:start]]:  # the first from there on where some do not fit
        recipe = with_plan(sound, layer.name, "w8a8-pc")
        found = saturation(session, session.decided(recipe), Work())
        if sum(one.saturating for one in found):
            return Planted(session, recipe, (session, sound), layer.name, ("saturation",), beside=True)
    return None


def _offsets(session: Session) -> Iterator[Offset]:
    """Every place for an offset, in the order of the graph."""
    layers = session.subject.by_name
    for name, layer in layers.items():
        block, _, last = name.rpartition(".")
        if last == "proj":  # of a transformer's block: what is added to is normalized next, and then added to again
            block = block.rpartition(".")[0]
            yield _taken_back(session, layer, layers[f"{block}.mlp.fc2"], block, alike=True)
        elif last == "shortcut":  # of a residual block
            yield _taken_back(session, layer, layers[f"{block}.conv2"], name, alike=False)
        elif name == "blocks.1.project":  # an inverted residual's input
            yield _read(session, layer, layers["blocks.2.project"], layers["blocks.2.expand"])


def _taken_back(session: Session, maker: Layer, other: Layer, first: str, *, alike: bool) -> Offset:
    def shift(surgery: Surgery, offset: Tensor) -> None:
        surgery.take(_bias_step(session, maker)).add_(offset)
        surgery.take(_bias_step(session, other)).sub_(offset)

    return Offset(maker, first, (maker.name, other.name), alike, shift)


def _read(session: Session, maker: Layer, other: Layer, reader: Layer) -> Offset:
    """As before, with a 1x1 convolution that reads the offset too."""
    plain = _taken_back(session, maker, other, maker.name, alike=False)

    def shift(surgery: Surgery, offset: Tensor) -> None:
        plain.shift(surgery, offset)
        weight = session.subject.program.state[reader.weight].flatten(1)
        surgery.take(_bias_step(session, reader)).sub_(weight @ offset)

    return Offset(maker, maker.name, plain.also, False, shift)


def _bias_step(session: Session, layer: Layer) -> int:
    assert layer.bias is not None
    return layer.bias


def _bias(session: Session, layer: Layer) -> Tensor:
    return session.subject.program.state[_bias_step(session, layer)]
