"""Fixes that choose how weights are quantized, put to work on a recipe in their order."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import msgspec
from torch import Tensor

from qdebug.engine import LayerQuant, Overlay, Sheet, Work
from qdebug.errors import Cancelled
from qdebug.graph import Layer
from qdebug.methods import correct_biases
from qdebug.methods.analytic_bias import correct_by_means
from qdebug.methods.bench import Bench, EndedEarly
from qdebug.methods.expected import expected_inputs
from qdebug.methods.registry import METHODS, Method
from qdebug.places import workspace
from qdebug.recipes import BiasCorrection, Recipe
from qdebug.recipes.fixes import BaseFix, Fix, in_order
from qdebug.session.kept import Finding, finding, read, write
from qdebug.session.memo import Memo

if TYPE_CHECKING:
    from qdebug.session.prepare import Preparer


@dataclass(frozen=True)
class Repaired:
    """What fixes leave: replaced tensors and rounded weights, and how every layer is quantized, by step."""

    overlay: Overlay
    quants: Mapping[int, LayerQuant]


class Shortened(Cancelled):
    """Somebody had enough of a fix's work; what there is of it is what another fix would have given.

    Attributes:
        fix: that one. What it gives is kept.
    """

    def __init__(self, fix: Fix) -> None:
        super().__init__("Ended early", do="What was reached is kept.")
        self.fix = fix


@dataclass(frozen=True)
class Between:
    """What is quantized between layers, where a fix takes that into account, and whether anything is."""

    points: Mapping[int, LayerQuant]
    held: bool


class Repairs:
    """Applies a recipe's later fixes. What a method has found is remembered by what it was found from."""

    def __init__(self, preparer: Preparer) -> None:
        self._preparer = preparer
        self._found: Memo[Repaired] = Memo(16)
        self._adopted: dict[BaseFix, Finding] = {}

    def adopt(self, fix: BaseFix, found: Finding) -> None:
        """Take what a fix has found elsewhere for what it would find here; called before anything is worked out."""
        self._adopted[fix] = found

    def repaired(
        self, recipe: Recipe, overlay: Overlay, quants: Mapping[int, LayerQuant], work: Work,
        points: Mapping[int, LayerQuant] | None = None,
    ) -> Repaired:  # fmt: skip
        """The recipe's fixes behind the equivalent ones, one after the other.

        Args:
            recipe: the recipe.
            overlay: what the equivalent fixes replaced.
            quants: the recipe's quantization on that.
            work: progress and cancel.
            points: what the recipe quantizes between layers, which training takes into account.

        Raises:
            Shortened: somebody had enough of a fix's work before its end.
        """
        state = Repaired(overlay, quants)
        later = [fix for fix in in_order(recipe.fixes) if fix.stage != "equivalent"]
        reference = self._preparer.float_sheet_of(overlay)
        for fix in later:
            between = Between((points or {}) if fix.stage == "training" else {}, not recipe.between.is_float32)
            key = (self._output_key(state, between.points), fix, between.held)
            state = self._found.get(key, lambda s=state, f=fix, b=between: self._applied(s, f, reference, work, b))
        return state

    def places(self, recipe: Recipe, fix: BaseFix) -> tuple[tuple[Layer, str | None], ...]:
        """Every layer, with the reason why a fix would not treat it in a recipe; None where it would."""
        method = METHODS[type(fix)]
        overlay = self._preparer.overlay(recipe, Work())
        quants = {layer.step: LayerQuant(recipe.plan_for(layer.name, layer.kind)) for layer in self._layers()}
        bench = self._bench(Repaired(overlay, quants), self._preparer.float_sheet_of(overlay), Work())
        return tuple((layer, self._refusal(method, bench, layer)) for layer in self._layers())

    def _layers(self) -> tuple[Layer, ...]:
        return self._preparer.subject.layers

    def _output_key(self, state: Repaired, points: Mapping[int, LayerQuant]) -> bytes:
        """The key of the whole model as it stands."""
        sheet = self._preparer.sheet_of(state.overlay, state.quants, points)
        return sheet.keys[self._preparer.subject.program.output]

    def _bench(self, state: Repaired, reference: Sheet, work: Work, between: Between | None = None) -> Bench:
        subject, between = self._preparer.subject, between or Between({}, False)
        return Bench(
            engine=subject.engine, layers=self._layers(), overlay=state.overlay, quants=state.quants,
            reference=reference, sheet_of=self._preparer.sheet_of, batches=subject.calib_batches, work=work,
            batches_of=subject.calibration_in, class_axis=subject.class_axis, points=between.points, held=between.held,
            shapes=subject.shapes, training=subject.lessons,
        )  # fmt: skip

    def _applied(self, state: Repaired, fix: BaseFix, reference: Sheet, work: Work, between: Between) -> Repaired:
        if fix in self._adopted:
            return Repaired(*self._adopted[fix].on(state.overlay, state.quants))
        if isinstance(fix, BiasCorrection):
            return self._corrected(state, fix, reference, work)
        method, bench = METHODS[type(fix)], self._bench(state, reference, work, between)
        key = self._key(state, fix, method, between)
        scratch = self._preparer.subject.engine.scratch
        found = read(workspace(), key, in_file=scratch is not None)
        if found is None:
            work.error(bench.error)
            treated = tuple(layer for layer in self._layers() if self._refusal(method, bench, layer) is None)
            try:
                done = method.run(replace(bench, layers=treated), fix)
            except EndedEarly as early:
                self._keep_early(state, early, method, between)
                raise Shortened(early.fix) from None
            found = finding((state.overlay, state.quants), (done.overlay, done.quants))
            write(workspace(), key, found)
        return Repaired(*found.on(state.overlay, state.quants))

    def _keep_early(self, state: Repaired, early: EndedEarly, method: Method, between: Between) -> None:
        """Remember what was reached as that of the fix that would have reached it."""
        found = finding((state.overlay, state.quants), (early.bench.overlay, early.bench.quants))
        write(workspace(), self._key(state, early.fix, method, between), found)
        kept = Repaired(*found.on(state.overlay, state.quants))
        self._found.get((self._output_key(state, between.points), early.fix, between.held), lambda: kept)

    def _key(self, state: Repaired, fix: BaseFix, method: Method, between: Between) -> bytes:
        """What a fix finds depends on: the model as it stands, the fix, the data it looks at, and how it is done."""
        subject = self._preparer.subject
        parts = [self._output_key(state, between.points), msgspec.json.encode(fix), str(method.version).encode()]
        parts += [batch.key for batch in subject.calib_batches]
        if fix.stage == "training" and subject.lessons is not None:
            parts.append(subject.lessons.key)
        if between.held:
            parts.append(b"held")
        return b"|".join(parts)

    def expected(self, reference: Sheet) -> tuple[dict[int, Tensor], dict[int, str]]:
        """Means of layers' inputs that follow from batch normalizations, and why the others do not, by step."""
        subject = self._preparer.subject
        known = [layer for layer in self._layers() if layer.kind != "embedding"]
        return expected_inputs(
            subject.program, known, subject.shapes, lambda index: reference.constant(index, subject.engine.cache)
        )

    def _corrected(self, state: Repaired, fix: BiasCorrection, reference: Sheet, work: Work) -> Repaired:
        subject, quants = self._preparer.subject, state.quants
        layers = [layer for layer in self._layers() if layer.step in quants and layer.kind != "embedding"]
        if fix.means == "batch-norm":
            means, _ = self.expected(reference)
            rounded = [layer for layer in layers if not quants[layer.step].plan.weight.is_float32]
            sheet = self._preparer.sheet_of(state.overlay, quants)
            overlay = correct_by_means(subject.engine, rounded, state.overlay, sheet, reference, means, subject.shapes)
            return Repaired(overlay, quants)
        overlay = correct_biases(
            subject.engine, layers, state.overlay, lambda o: self._preparer.sheet_of(o, quants), reference,
            subject.calib_batches, work,
        )  # fmt: skip
        return Repaired(overlay, quants)

    @staticmethod
    def _refusal(method: Method, bench: Bench, layer: Layer) -> str | None:
        quant = bench.quants.get(layer.step)
        if quant is None or quant.plan.weight.is_float32:
            return "its weight stays in float"
        return method.why_not(bench, layer)
