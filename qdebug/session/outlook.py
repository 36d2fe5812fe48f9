"""How long a fix would take on a model: an estimate, from the shapes of its layers and two passes timed just now."""

from __future__ import annotations

import threading
import time
from functools import cached_property
from math import prod

from msgspec.structs import replace

from qdebug.engine import Engine, Sheet, ValueCache, Work
from qdebug.engine.threads import one_thread
from qdebug.graph import Layer
from qdebug.methods.blocks import blocks_of
from qdebug.methods.followers import clamp_behind
from qdebug.recipes import Awq, BiasCorrection, Brecq, Qat, Recipe, SmoothQuant, with_fix
from qdebug.recipes.fixes import BaseFix, Fix
from qdebug.results import FixEstimate
from qdebug.session import efforts
from qdebug.session.descents import Shape, product_seconds
from qdebug.session.descents import seconds as descent
from qdebug.session.efforts import Passes
from qdebug.session.prepare import Preparer
from qdebug.session.subject import Subject

ITERATIONS = ("iterations", "steps")
"""Names of parameters that say how often a layer is gone through."""
_CONSTANTS = 2**28


class Outlook:
    """Estimates what fixes take, and corrects itself by what they took."""

    def __init__(self, subject: Subject, preparer: Preparer) -> None:
        self._subject, self._preparer = subject, preparer
        self._lock = threading.Lock()
        self._timed: dict[str, float] = {}
        self._ratios: dict[type[BaseFix], float] = {}

    def estimate(self, recipe: Recipe, fix: Fix, work: Work) -> FixEstimate:
        """What trying a fix would take in a recipe: the fix, and the score and the layers with it.

        A method that goes from layer to layer sees all calibration data once, and after each group of layers the error
        on the first calibration batch is measured; per layer there are the moments of its inputs, their factor, the
        columns one by one, or the iterations of a descent (:mod:`qdebug.session.descents`). A search for factors tries
        so many on some vectors of each place. Training takes steps through the whole model instead. A float and a
        quantized pass, and products of matrices, are timed.

        Args:
            recipe: the recipe, with or without the fix.
            fix: the fix.
            work: progress and cancel.
        """
        passes = self._passes(recipe, work)
        layers = self._treated(recipe, fix)
        seconds = efforts.evaluation(passes) if layers else 0.0
        if not layers:
            pass
        elif isinstance(fix, Qat):
            lessons = self._subject.lessons
            seconds += efforts.training(fix, passes, len(lessons.data) if lessons is not None else passes.samples)
        elif isinstance(fix, (Awq, SmoothQuant)):
            seconds += self._places(recipe, fix, passes)
        elif fix.stage == "equivalent" or isinstance(fix, BiasCorrection):
            seconds += 2 * passes.quantized
        else:
            seconds += passes.forward + passes.quantized + self._watching(fix, layers, passes)
            if isinstance(fix, Brecq):  # what each layer of a block does to its output is measured first
                seconds += 2 * passes.quantized * len(layers) / self._blocks(layers)
            seconds += sum(self._layer(layer, fix) for layer in layers)
        ratio = self._ratios.get(type(fix))
        return FixEstimate(
            seconds=seconds * (ratio or 1.0), forward_seconds=passes.forward, layers=len(layers),
            learned=ratio is not None,
        )  # fmt: skip

    def learn(self, recipe: Recipe, fix: Fix, seconds: float) -> None:
        """Note what a trial took whose fix was worked out from the beginning."""
        if not self._timed:
            return
        self._ratios.pop(type(fix), None)
        guess = self.estimate(recipe, fix, Work()).seconds
        self._ratios[type(fix)] = seconds / max(guess, 1e-9)

    def _layer(self, layer: Layer, fix: Fix) -> float:
        """Seconds that one layer takes, beside passes through the model."""
        shape = self._shape(layer)
        if shape is None:
            return 0.0
        moments = efforts.moments(shape, self._samples, self._product)
        if iterations := _of(fix, ITERATIONS):
            known = descent(fix, shape, self._samples, self._product)
            if known is not None:
                return iterations * known + (0.0 if isinstance(fix, Brecq) else 2 * moments)
            return iterations * efforts.iteration(shape, self._samples, self._product)
        return moments + efforts.columns(shape, self._product)

    def _shape(self, layer: Layer) -> Shape | None:
        program = self._subject.program
        if layer.weight not in program.state or layer.kind == "embedding":
            return None
        shape = program.state[layer.weight].shape
        rows = shape[layer.out_axis] * (layer.groups if layer.out_axis else 1)
        columns = max(1, prod(shape) // max(1, rows))
        positions = self._macs.get(layer.name, 0) // max(1, rows * columns)
        clamped = clamp_behind(program, layer.step) is not None
        return Shape(rows, columns, layer.groups, positions, clamped)

    def _places(self, recipe: Recipe, fix: Awq | SmoothQuant, passes: Passes) -> float:
        """Seconds of a search for factors at all places, after a float pass that looks at ranges."""
        found = self._preparer.rewrites.refusals(with_fix(recipe, fix), fix)
        shapes = [
            [shape for layer in site.layers if (shape := self._shape(layer)) is not None]
            for site, refused in found.items() if refused is None
        ]  # fmt: skip
        if not shapes:
            return 0.0
        if isinstance(fix, Awq):
            tried = sum(efforts.scaling(fix, one, self._samples, self._product) for one in shapes)
        else:
            tried = sum(efforts.smoothing(fix, one, self._samples, self._product) for one in shapes)
        return 2 * passes.forward + tried

    def _watching(self, fix: Fix, layers: tuple[Layer, ...], passes: Passes) -> float:
        """Seconds to measure the error on the first batch as often as weights are handed on."""
        if isinstance(fix, Brecq):
            times = self._blocks(layers)
        else:
            times = len({layer.x for layer in layers}) if fix.stage == "rounding" else 1
        # What lies before the layers that changed is remembered: on average half of the model, and all of it in float.
        return times * passes.quantized / 2 * passes.first / max(1, passes.samples)

    def _blocks(self, layers: tuple[Layer, ...]) -> int:
        return max(1, len(blocks_of(self._subject.program, layers, self._subject.engine.layers)))

    def _treated(self, recipe: Recipe, fix: Fix) -> tuple[Layer, ...]:
        """The layers that a fix changes; of none, everything is known already."""
        if isinstance(fix, (Awq, SmoothQuant)):
            found = self._preparer.rewrites.refusals(with_fix(recipe, fix), fix)
            return tuple(layer for site, refused in found.items() if refused is None for layer in site.layers)
        if fix.stage == "equivalent" or isinstance(fix, BiasCorrection):
            return self._subject.layers
        return tuple(layer for layer, refused in self._preparer.repairs.places(recipe, fix) if refused is None)

    @cached_property
    def _macs(self) -> dict[str, int]:
        return {layer.name: layer.macs for layer in self._subject.info.layers}

    @cached_property
    def _product(self) -> float:
        """Seconds of a multiply-add in a product of matrices."""
        with one_thread():
            return product_seconds()

    @property
    def _samples(self) -> int:
        return sum(batch.count for batch in self._subject.calib_batches)

    def _passes(self, recipe: Recipe, work: Work) -> Passes:
        """Seconds of a float pass over the calibration data, and of one with the recipe's formats alone."""
        bare = replace(recipe, fixes=())
        with self._lock:
            forward = self._timed.get("")
            if forward is None:
                forward = self._timed[""] = self._pass(self._preparer.float_sheet, work)
            quantized = self._timed.get(bare.digest)
            if quantized is None:
                quantized = self._timed[bare.digest] = self._pass(self._preparer.sheet(bare, work), work)
        subject = self._subject
        return Passes(
            forward, max(forward, quantized), self._samples, subject.calib_batches[0].count, len(subject.data),
            len(subject.layers),
        )  # fmt: skip

    def _pass(self, sheet: Sheet, work: Work) -> float:
        """Seconds of a pass over the calibration data, nothing remembered; of its first batch, scaled up."""
        subject, batch = self._subject, self._subject.calib_batches[0]
        engine = Engine(subject.program, subject.layers, ValueCache(_CONSTANTS))
        taken = []
        for _ in range(2):  # the first pays for what is set up once
            start = time.perf_counter()
            engine.output(sheet, batch, work, remember=False)
            taken.append(time.perf_counter() - start)
        return min(taken) * self._samples / max(1, batch.count)


def _of(fix: BaseFix, names: tuple[str, ...]) -> int:
    """The value of the first of these parameters that the fix has; 0 for none."""
    return next((int(getattr(fix, name)) for name in names if getattr(fix, name, None)), 0)
