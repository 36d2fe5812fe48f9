"""Cross-layer equalization put to work on a model, measured, and taken back where the error grows."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import msgspec
import torch
from torch import Tensor

from qdebug.engine import Batch, Overlay, Sheet, Work
from qdebug.graph import ScaleGroup
from qdebug.methods.absorption import absorb, always_there, why_not_absorbed
from qdebug.methods.channels import Channels, channels_of
from qdebug.methods.cle import Held, equalize
from qdebug.recipes import CrossLayerEqualization, Recipe
from qdebug.session.memo import Memo

if TYPE_CHECKING:
    from qdebug.session.prepare import Preparer

_SAMPLES = 64
"""The error is measured on so many samples of the calibration data, the first."""
_RUINED = 0.5
"""Above this error the model is ruined without equalization, and that it is so with it too says nothing against it:
other fixes may need it."""
_ROUNDING = 1e-5
"""A change of the float output that is no more than float32 makes on the way through a deep network."""
_MOST_PARTS = 16
"""Of a model whose equalization makes things worse as a whole, parts that are tried one by one."""


@dataclass(frozen=True)
class Candidate:
    """A model with some of its groups equalized.

    Attributes:
        overlay: the tensors.
        absorbed: channels of which a constant part has moved into the layers behind.
        held: channels that reach a cap, such as that of ReLU6, on calibration data: they have kept their scale.
    """

    overlay: Overlay
    absorbed: int = 0
    held: int = 0


@dataclass(frozen=True)
class Equalized:
    """What equalization came to under a recipe.

    Attributes:
        rescaled: what is left of it.
        before, after: squared error of the quantized model's output on calibration data, as a fraction of its square,
            without it and with what is left of it; None where the guard is off or nothing is quantized.
        whole: that of all groups equalized; more than ``after`` where some were taken back.
        kept: places of the groups that are equalized.
        groups: how many could be.
        absorbs: whether biases were left to be absorbed.
        moved: change of the float model's output on the same data, as a fraction of it; None where not measured.
    """

    rescaled: Candidate
    before: float | None
    after: float | None
    whole: float | None
    kept: tuple[int, ...]
    groups: int
    absorbs: bool
    moved: float | None = None


class Equalizer:
    """Equalizes one subject's layers."""

    def __init__(self, preparer: Preparer) -> None:
        self._preparer, self._subject = preparer, preparer.subject
        self._rescaled: Memo[Candidate] = Memo(16)
        self._seen: Memo[dict[int, Channels]] = Memo(4)

    def equalized(self, before: Overlay, fix: CrossLayerEqualization, recipe: Recipe, work: Work) -> Equalized:
        """What the fix does to a model under a recipe's formats.

        All groups of layers are equalized. With the guard, the model's quantized output on calibration data decides:
        absorbed biases are given back where the error is less without, and where it is more than without the fix, parts
        of the network that share no layer are tried one after the other, and what makes it worse is left as it was. Not
        where the model is ruined either way: then nothing can be told from the error.

        Args:
            before: what earlier fixes replaced.
            fix: the parameters.
            recipe: the formats; its fixes are not looked at.
            work: progress and cancel.
        """
        places = tuple(place for place, one in enumerate(self._subject.scale_groups) if refusal(one, fix) is None)
        whole = self._rescaling(before, fix, places, fix.absorb, work)
        bare = msgspec.structs.replace(recipe, fixes=())
        if not fix.guard or not places or not self._quantizes(bare):
            moved = self._moved(whole.overlay, work) if whole.absorbed else None
            return Equalized(whole, None, None, None, places, len(places), fix.absorb, moved)
        work.step(0, 1, "measuring what equalization does")
        without = self._error(before, bare, work)
        best, found, absorbs = whole, self._error(whole.overlay, bare, work), fix.absorb
        everything = found
        if whole.absorbed:
            plain = self._rescaling(before, fix, places, False, work)
            error = self._error(plain.overlay, bare, work)
            if error < found:
                best, found, absorbs = plain, error, False
        kept = places
        if found > without and without < _RUINED:
            best, found, kept = self._parts(before, fix, absorbs, without, bare, work)
        return Equalized(
            best, without, found, everything, kept, len(places), absorbs, self._moved(best.overlay, work)
        )  # fmt: skip

    def _parts(
        self, before: Overlay, fix: CrossLayerEqualization, absorbs: bool, error: float, bare: Recipe, work: Work
    ) -> tuple[Candidate, float, tuple[int, ...]]:  # fmt: skip
        """Of parts that share no layer, those that make the error less, one added to the other."""
        best, kept = Candidate(before.updated()), ()
        parts = connected(self._subject.scale_groups, fix)
        if not 1 < len(parts) <= _MOST_PARTS:
            return best, error, kept
        for done, part in enumerate(parts):
            work.step(done, len(parts), "equalizing parts of the network")
            places = tuple(sorted((*kept, *part)))
            tried = self._rescaling(before, fix, places, absorbs, work)
            found = self._error(tried.overlay, bare, work)
            if found < error:
                best, error, kept = tried, found, places
        return best, error, kept

    def _rescaling(
        self, before: Overlay, fix: CrossLayerEqualization, places: tuple[int, ...], absorbs: bool, work: Work
    ) -> Candidate:  # fmt: skip
        key = (before, fix.iterations, fix.ranges, places, absorbs)
        return self._rescaled.get(key, lambda: self._made(before, fix, places, absorbs, work))

    def _made(
        self, before: Overlay, fix: CrossLayerEqualization, places: tuple[int, ...], absorbs: bool, work: Work
    ) -> Candidate:  # fmt: skip
        program, cache = self._subject.program, self._subject.engine.cache
        sheet = self._preparer.float_sheet_of(before)
        chosen = tuple(self._subject.scale_groups[place] for place in places)
        absorbing = [group for group in chosen if absorbs and why_not_absorbed(program, group) is None]
        with_activations = fix.ranges == "weights-and-activations"
        seen = self._channels(before, absorbing, with_activations, work)
        held = {place: bounds for place, one in enumerate(chosen) if (bounds := _bounds(one, seen)) is not None}
        activations = {
            layer.step: seen[layer.step].magnitude for group in chosen for layer in group.writers
        } if with_activations else None  # fmt: skip
        indices = {index for group in chosen for index in (*group.vectors, *(one.weight for one in group.layers))}
        indices |= {reader.layer.bias for one in absorbing for reader in one.readers if reader.layer.bias is not None}
        tensors: dict[int, Tensor] = {index: sheet.constant(index, cache) for index in indices}
        new, scales = equalize(tensors, chosen, fix.iterations, held=held, activations=activations)
        always = {
            step: self._always(one, seen[step], {**tensors, **new}, scales[place], held.get(place))
            for place, one in enumerate(chosen) for step in [one.writers[0].step] if one in absorbing
        }  # fmt: skip
        said = {step: mean for step, (mean, _) in program.norms.items()}
        moved, absorbed = absorb({**tensors, **new}, absorbing, always, said)
        fixed = sum(int(one.fixed.sum()) for one in held.values())
        return Candidate(before.updated({**new, **moved}), absorbed, fixed)

    def _channels(
        self, before: Overlay, absorbing: Sequence[ScaleGroup], every: bool, work: Work
    ) -> dict[int, Channels]:  # fmt: skip
        """What calibration says of values that caps hold, that biases stand behind, or that count by their range."""
        groups = [group for group in self._subject.scale_groups if group.refused is None]
        axes = {cap.x: cap.axis for group in groups for cap in group.caps}
        axes |= {
            layer.step: layer.channel_axis for group in (groups if every else absorbing) for layer in group.writers
        }  # fmt: skip
        sheet, batches = self._preparer.float_sheet_of(before), self._subject.calib_batches
        return self._seen.get(
            (before, frozenset(axes)), lambda: channels_of(self._subject.engine, sheet, axes, batches, work)
        )

    def _always(
        self, group: ScaleGroup, seen: Channels, tensors: dict[int, Tensor], scale: Tensor, held: Held | None
    ) -> Tensor:  # fmt: skip
        """What a group's channels, as rescaled, are never below: of a batch normalization, else as measured.

        Never more than the least that calibration has seen: the float model then computes the same there. Nothing of
        a channel that reaches a cap.
        """
        said = self._subject.program.norms.get(group.writers[0].step)
        if said is not None:
            mean, deviation = (tensors[index].double() for index in said)
        else:
            mean, deviation = seen.mean / scale, seen.deviation / scale
        found = torch.minimum(always_there(mean, deviation), seen.low.clamp_min(0) / scale)
        return found if held is None else torch.where(held.fixed, 0.0, found)

    def _quantizes(self, bare: Recipe) -> bool:
        plans = [bare.plan_for(layer.name, layer.kind) for layer in self._subject.layers]
        exact = all(plan.weight.is_float32 and plan.activation.is_float32 for plan in plans)
        return not (exact and bare.between.is_float32)

    def _batches(self) -> tuple[Batch, ...]:
        subject, whole = self._subject, min(_SAMPLES, len(self._subject.calib))
        starts = range(0, whole, min(_SAMPLES, subject.batch_size))
        return subject.batches_between(subject.calib, (*starts, whole))

    def _error(self, overlay: Overlay, bare: Recipe, work: Work) -> float:
        prepared = self._preparer
        quants = prepared.quants(bare, overlay, work)
        sheet = prepared.sheet_of(overlay, quants, prepared.points(bare, overlay, work))
        return self._apart(sheet, work)

    def _moved(self, overlay: Overlay, work: Work) -> float:
        return math.sqrt(self._apart(self._preparer.float_sheet_of(overlay), work))

    def _apart(self, sheet: Sheet, work: Work) -> float:
        """The squared difference of a sheet's output from the float model's own, as a fraction of its square."""
        off, size, engine = 0.0, 0.0, self._subject.engine
        for batch in self._batches():
            wanted, found = (
                batch.real_rows(engine.output(one, batch, work)).double() for one in (self._preparer.float_sheet, sheet)
            )
            finite = torch.isfinite(wanted)
            off += float((found - wanted)[finite].square().sum())
            size += float(wanted[finite].square().sum())
        error = off / max(size, 1e-300)
        return error if math.isfinite(error) else math.inf


def _bounds(group: ScaleGroup, seen: dict[int, Channels]) -> Held | None:
    """What the caps on the way allow: no channel grows beyond one, and one that reaches a cap stays as it is."""
    if not group.caps:
        return None
    least = torch.zeros(group.channels, dtype=torch.float64)
    fixed = torch.zeros(group.channels, dtype=torch.bool)
    for cap in group.caps:
        for end, value in ((cap.high, seen[cap.x].high), (-cap.low, -seen[cap.x].low)):
            if end == math.inf or end == 0:
                continue
            spread = value.view(group.channels, -1).amax(1)
            fixed |= spread >= end
            least = torch.maximum(least, spread.clamp_min(0) / end)
    return Held(least, fixed)


def refusal(group: ScaleGroup, fix: CrossLayerEqualization) -> str | None:
    """Why the fix leaves a group as it is; None where it does not."""
    if group.refused is None and not fix.residual and len(group.writers) + len(group.readers) > 2:
        return "several layers write or read it, and residual=false leaves these as they are"
    return group.refused


def connected(groups: Sequence[ScaleGroup], fix: CrossLayerEqualization) -> tuple[tuple[int, ...], ...]:
    """Places of the groups that the fix treats, those together that share a layer with one another."""
    parts: list[tuple[set[int], set[int]]] = []
    for place, group in enumerate(groups):
        if refusal(group, fix) is not None:
            continue
        layers, places = {layer.step for layer in group.layers}, {place}
        for other in [one for one in parts if not one[0].isdisjoint(layers)]:
            parts.remove(other)
            layers, places = layers | other[0], places | other[1]
        parts.append((layers, places))
    return tuple(tuple(sorted(places)) for _, places in parts)


def in_words(found: Equalized) -> str:
    """What equalization did, in a sentence or two."""
    if found.groups == 0:
        return ""
    parts: list[str] = []
    if found.before is not None and found.after is not None and found.whole is not None:
        if not found.kept:
            parts.append(
                f"Taken back: it would have raised the output's squared error on calibration data from "
                f"{_percent(found.before)} to {_percent(found.whole)}."
            )
        else:
            if found.after > found.before:
                parts.append("The model is ruined without it too, so it is not taken back.")
            some = f" at {len(found.kept)} of {found.groups} places" if len(found.kept) < found.groups else ""
            parts.append(
                f"The output's squared error on calibration data goes from {_percent(found.before)} to "
                f"{_percent(found.after)}{some}{', elsewhere it is taken back' if some else ''}."
            )
    if found.kept and found.rescaled.absorbed:
        parts.append(f"High biases of {found.rescaled.absorbed} channels moved into the layers behind.")
    if found.kept and found.rescaled.held:
        parts.append(f"{found.rescaled.held} channels reach a cap and keep their scale.")
    if found.kept and found.moved is not None:
        parts.append(
            f"The float output moves by {100 * found.moved:.1g} %."
            if found.moved > _ROUNDING
            else "The float output stays what it was."
        )
    return " ".join(parts)


def _percent(error: float) -> str:
    return "beyond all numbers" if math.isinf(error) else f"{100 * error:.3g} %"
