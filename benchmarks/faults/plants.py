"""Faults: each leaves the float network's function as it is, and is placed, and made grave, by a seed."""

from __future__ import annotations

import numpy as np
import torch

import qdebug
from benchmarks.faults.plant import Planted, at, layers_of, named, with_plan
from benchmarks.faults.sites import Site, Surgery, lively, sites
from benchmarks.faults.sound import changed, scaled_calibration
from qdebug.engine import Work
from qdebug.graph import Layer
from qdebug.session import Session

CONSTANT = 3.4e38
"""An attention mask's."""
LARGE = 1e36
"""One that still is a number when some hundred places of a picture are added up."""


def _stats(session: Session, layer: Layer):
    return session.preparer.stats(session.preparer.float_sheet.overlay, layer, Work())


@named("uneven-weights, outputs")
def uneven_rows(session: Session, dice: np.random.Generator, depth: float, grave: float) -> Planted | None:
    """Some output channels of a layer far wider than the others, which its reader takes back."""
    found = [site for site in sites(session) if site.maker is not None]
    if not found:
        return None
    site = at(found, depth)
    surgery = Surgery(session)
    surgery.scale(site, lively(session, site, dice, max(1, site.count // 32)), 64.0 * grave)
    assert site.maker is not None
    recipe = with_plan(with_plan(qdebug.preset("w8a32-pc"), site.reader.name, "w32a32"), site.maker.name, "w8a32")
    return Planted(changed(session, surgery.tensors), recipe, (session, recipe), site.maker.name, ("uneven-weights",))


@named("uneven-weights, inputs")
def uneven_columns(session: Session, dice: np.random.Generator, depth: float, grave: float) -> Planted | None:
    """Some input columns of a layer far wider than the others, which a norm before it takes back."""
    found = [site for site in sites(session) if site.maker is None]
    if not found:
        return None
    site = at(found, depth)
    surgery = Surgery(session)
    surgery.scale(site, lively(session, site, dice, max(1, site.count // 32)), 1 / (32.0 * grave))
    recipe = with_plan(qdebug.preset("w8a32-pc"), site.reader.name, "w8a32")
    return Planted(changed(session, surgery.tensors), recipe, (session, recipe), site.reader.name, ("uneven-weights",))


@named("outlier-channels")
def outlier_channels(session: Session, dice: np.random.Generator, depth: float, grave: float) -> Planted | None:
    """Some channels of a layer's input far wider than the others."""
    site = at(sites(session), depth)
    surgery = Surgery(session)
    surgery.scale(site, lively(session, site, dice, max(1, site.count // 64)), 64.0 * grave)
    recipe = qdebug.preset("w32a8")
    return Planted(
        changed(session, surgery.tensors), recipe, (session, recipe), site.reader.name, ("outlier-channels",)
    )


@named("uneven channels, w8a8")
def uneven_channels(session: Session, dice: np.random.Generator, depth: float, grave: float) -> Planted | None:
    """Wide channels where everything is quantized per tensor: the fault shows in up to three tensors at once."""
    site = at(sites(session), depth)
    surgery = Surgery(session)
    surgery.scale(site, lively(session, site, dice, max(1, site.count // 32)), 32.0 * grave)
    recipe, reader = qdebug.preset("w8a8"), site.reader.name
    also = [(reader, "outlier-channels"), (reader, "uneven-weights")]
    also += [(site.maker.name, "uneven-weights")] if site.maker is not None else []
    kinds = ("outlier-channels", "uneven-weights")
    return Planted(changed(session, surgery.tensors), recipe, (session, recipe), reader, kinds, tuple(also))


@named("tight-range, activation")
def tight_activation(session: Session, dice: np.random.Generator, depth: float, grave: float) -> Planted | None:
    """A hand-set range that cuts most of a layer's input off."""
    layer = at(layers_of(session), depth)
    stats, part = _stats(session, layer), dice.uniform(0.08, 0.2) / grave
    base = qdebug.preset("w8a8-pc")
    clip = min(stats.low, 0.0) * part, max(stats.high, 0.0) * part
    recipe = with_plan(base, layer.name, "w8a8-pc", activation={"clip": clip})
    return Planted(session, recipe, (session, base), layer.name, ("tight-range",))


@named("tight-range, weight")
def tight_weight(session: Session, dice: np.random.Generator, depth: float, grave: float) -> Planted | None:
    """A hand-set range that cuts most of a layer's weights off."""
    layer = at(layers_of(session), depth)
    base = qdebug.preset("w8a8-pc")
    limit = float(session.subject.program.state[layer.weight].abs().max()) * dice.uniform(0.08, 0.2) / grave
    recipe = with_plan(base, layer.name, "w8a8", weight={"clip": (-limit, limit)})
    return Planted(session, recipe, (session, base), layer.name, ("tight-range",))


@named("stretched-range, weight")
def stretched_weight(session: Session, dice: np.random.Generator, depth: float, grave: float) -> Planted | None:
    """A few huge weights, which meet a channel that is always zero."""
    found = [site for site in sites(session) if not site.reader.is_depthwise]
    site = at(found, depth)
    dead = Surgery(session)
    channel = int(dice.integers(site.count))
    dead.kill(site, channel)
    start = changed(session, dead.tensors)
    surgery = Surgery(start)
    weight = surgery.take(site.reader.weight).movedim(site.axis, 0)[channel]
    rows = weight.reshape(len(weight), -1)
    size = float(session.subject.program.state[site.reader.weight].abs().max()) * 48.0 * grave
    for row in dice.permutation(len(rows))[: max(1, len(rows) // 48)]:
        weight[row] = size * float(dice.uniform(0.8, 1.0)) * float(dice.choice([-1.0, 1.0]))
    recipe = with_plan(qdebug.preset("w8a32-pc"), site.reader.name, "w8a32")
    return Planted(changed(start, surgery.tensors), recipe, (start, recipe), site.reader.name, ("stretched-range",))


@named("stretched-range, activation")
def stretched_activation(session: Session, dice: np.random.Generator, depth: float, grave: float) -> Planted | None:
    """A hand-set range far wider than a layer's input."""
    layer = at(layers_of(session), depth)
    stats, base = _stats(session, layer), qdebug.preset("w8a8-pc")
    factor = 48.0 * grave * dice.uniform(0.8, 1.2)
    clip = min(stats.low, 0.0) * factor, max(stats.high, 0.0) * factor
    recipe = with_plan(base, layer.name, "w8a8-pc", activation={"clip": clip})
    return Planted(session, recipe, (session, base), layer.name, ("stretched-range",))


@named("biased-error")
def biased(session: Session, dice: np.random.Generator, depth: float, grave: float) -> Planted | None:
    """A layer whose input is always rounded down, as a truncating kernel does."""
    layer = at(layers_of(session), depth)
    base = qdebug.preset("w8a8-pc")
    bits = {1.0: "8", 4.0: "6", 16.0: "5", 64.0: "4"}.get(grave)
    if bits is None:
        return None
    recipe = with_plan(base, layer.name, f"w8a{bits}-pc", activation={"rounding": "floor"})
    return Planted(session, recipe, (session, base), layer.name, ("biased-error",))


@named("too-few-bits, weight")
def coarse_weight(session: Session, dice: np.random.Generator, depth: float, grave: float) -> Planted | None:
    """A layer whose weights have too few bits."""
    layer = at(layers_of(session), depth)
    base = qdebug.preset("w8a8-pc")
    recipe = with_plan(base, layer.name, f"w{3 if grave == 1 else 2}a8-pc")
    return Planted(session, recipe, (session, base), layer.name, ("too-few-bits",))


@named("too-few-bits, activation")
def coarse_activation(session: Session, dice: np.random.Generator, depth: float, grave: float) -> Planted | None:
    """A layer whose input has too few bits."""
    layer = at(layers_of(session), depth)
    base = qdebug.preset("w8a8-pc")
    recipe = with_plan(base, layer.name, f"w8a{3 if grave == 1 else 2}-pc")
    return Planted(session, recipe, (session, base), layer.name, ("too-few-bits",))


@named("fp16-overflow")
def overflow(session: Session, dice: np.random.Generator, depth: float, grave: float) -> Planted | None:
    """A channel beyond what fp16 holds."""
    site = at(sites(session), depth)
    surgery = Surgery(session)
    reach = max(abs(_stats(session, site.reader).low), _stats(session, site.reader).high, 1e-3)
    channel = lively(session, site, dice, 1)
    surgery.scale(site, channel, 2.0 ** np.ceil(np.log2(65504 * 8 * grave / reach)))
    recipe = qdebug.preset("w32a16")
    return Planted(changed(session, surgery.tensors), recipe, (session, recipe), site.reader.name, ("fp16-overflow",))


def _broken(session: Session, dice: np.random.Generator, depth: float, value: float, kind: str) -> Planted:
    layer = at(layers_of(session), depth)
    surgery = Surgery(session)
    weight = surgery.take(layer.weight)
    weight[tuple(int(dice.integers(size)) for size in weight.shape)] = value
    recipe = qdebug.preset("w8a8-pc")
    return Planted(changed(session, surgery.tensors), recipe, (session, recipe), layer.name, (kind,))


@named("nan, weight")
def nan_weight(session: Session, dice: np.random.Generator, depth: float, grave: float) -> Planted | None:
    """A NaN in a layer's weight. The float model is broken too: there is no fix."""
    return _broken(session, dice, depth, float("nan"), "nan")


@named("inf, weight")
def inf_weight(session: Session, dice: np.random.Generator, depth: float, grave: float) -> Planted | None:
    """An infinite weight, likewise."""
    return _broken(session, dice, depth, float("inf"), "inf")


@named("nan, calibration")
def calibration_overflow(session: Session, dice: np.random.Generator, depth: float, grave: float) -> Planted | None:
    """A calibration sample so large that sums behind the first layer are no numbers any more."""
    place = int(depth * len(session.subject.calib))
    calib = scaled_calibration(session, 3e38, slice(place, place + 1))
    if calib is None:
        return None
    recipe = qdebug.preset("w8a8-pc")
    layers = layers_of(session)
    return Planted(changed(session, {}, calib), recipe, (session, recipe), layers[1].name, ("nan", "inf"))


@named("dead-channels")
def constant_channel(session: Session, dice: np.random.Generator, depth: float, grave: float) -> Planted | None:
    """A channel that never changes and is far larger than all others; nobody reads it."""
    site = at(sites(session), depth)
    start, surgery = _unread(session, site, int(dice.integers(site.count)), 48.0 * grave * _peak(session, site))
    recipe = qdebug.preset("w32a8")
    return Planted(surgery, recipe, (start, recipe), site.reader.name, ("dead-channels",))


@named("extreme-constant")
def extreme(session: Session, dice: np.random.Generator, depth: float, grave: float) -> Planted | None:
    """The same with the constant of an attention mask."""
    site = at(sites(session), depth)
    value = LARGE if site.maker is not None else -CONSTANT  # behind a ReLU nothing is negative
    start, surgery = _unread(session, site, int(dice.integers(site.count)), value)
    recipe = qdebug.preset("w32a8")
    return Planted(surgery, recipe, (start, recipe), site.reader.name, ("extreme-constant",))


@named("calibration-mismatch")
def other_calibration(session: Session, dice: np.random.Generator, depth: float, grave: float) -> Planted | None:
    """Calibration data that are darker than what is evaluated."""
    calib = scaled_calibration(session, 0.35 * dice.uniform(0.7, 1.0) / grave)
    if calib is None:
        return None
    recipe = qdebug.preset("w8a8-pc")
    first = layers_of(session)[0].name
    return Planted(changed(session, {}, calib), recipe, (session, recipe), first, ("calibration-mismatch",))


def _peak(session: Session, site: Site) -> float:
    stats = _stats(session, site.reader)
    return max(abs(stats.low), abs(stats.high))


def _unread(session: Session, site: Site, channel: int, value: float) -> tuple[Session, Session]:
    """A channel that nobody reads: zero, and with a constant."""
    found = []
    for constant in (0.0, value):
        surgery = Surgery(session)
        surgery.kill(site, channel, constant)
        surgery.columns(site, torch.tensor([channel]), torch.zeros_like)
        found.append(changed(session, surgery.tensors))
    return found[0], found[1]
