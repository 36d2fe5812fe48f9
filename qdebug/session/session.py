"""The session: one model with its data, asked about recipes."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from qdebug.engine import Batch, Work
from qdebug.errors import UsageError
from qdebug.graph.outline import outline
from qdebug.measure import Predictions
from qdebug.recipes import Fix, Recipe, as_recipe, with_fix, without_fix
from qdebug.recipes.attention import in_words
from qdebug.recipes.fixes import name_of
from qdebug.results import (
    CacheSize,
    CacheStats,
    CalibrationCurve,
    ChannelRanges,
    CloseUp,
    Comparison,
    Divergence,
    ErrorCourse,
    Evaluation,
    Finding,
    FixCard,
    FixEstimate,
    FixTrial,
    Flips,
    InputRanges,
    LayerDetail,
    LayerTable,
    Metric,
    ModelGraph,
    ModelInfo,
    OutputChange,
    PositionErrors,
    RangeSetters,
    Routed,
    Score,
    Shares,
    Subgroups,
    Verdict,
)  # fmt: skip
from qdebug.results.closeup import LOOKS, Look
from qdebug.results.comparison import Direction
from qdebug.session.calibration import SUBSETS, CalibrationMeter
from qdebug.session.cards import Cards
from qdebug.session.check import check_recipe
from qdebug.session.closeup import CloseUps
from qdebug.session.comparing import Comparer
from qdebug.session.contest import Contests
from qdebug.session.decided import Decided, decide
from qdebug.session.detail import Details
from qdebug.session.diverging import divergence
from qdebug.session.format_questions import FormatQuestions
from qdebug.session.group_calibration import GroupCalibrationMeter
from qdebug.session.group_questions import GroupQuestions
from qdebug.session.group_ranges import GroupRangeMeter
from qdebug.session.memo import Memo
from qdebug.session.outlook import Outlook
from qdebug.session.positions import PositionMeter
from qdebug.session.prepare import Preparer
from qdebug.session.routing import routing
from qdebug.session.sampling import Sampler
from qdebug.session.scoring import Scorer
from qdebug.session.setters import SetterMeter
from qdebug.session.settling import Settling
from qdebug.session.shares import Measured, ShareMeter
from qdebug.session.subgroups import SubgroupMeter
from qdebug.session.subject import Subject
from qdebug.session.tables import Tables
from qdebug.session.trial import Trials
from qdebug.session.verdict import verdict
from qdebug.targets import cache_size


class Session(FormatQuestions, GroupQuestions):
    """A model and its data, opened with :func:`qdebug.open`.

    Every method is a function of the recipe: nothing is remembered but answers. Methods may be called from many
    threads; ``work`` reports progress and cancels.
    """

    def __init__(self, subject: Subject) -> None:
        self._subject = subject
        self._preparer = Preparer(subject)
        self._scorer = Scorer(subject, self._preparer)
        self._tables = Tables(subject, self._preparer)
        self._details = Details(subject, self._preparer, self._tables)
        self._close_ups = CloseUps(subject, self._preparer, self._tables)
        self._shares = ShareMeter(subject, self._preparer, self._scorer)
        self._cards = Cards(subject, self._preparer)
        self._contests = Contests(subject, self._preparer)
        self._settling = Settling(subject, self._preparer)
        self._subgroups = SubgroupMeter(subject, self._preparer, self._scorer)
        self._comparer = Comparer(subject, self._preparer, self._scorer, self._tables)
        self._outlook = Outlook(subject, self._preparer)
        self._trials = Trials(self._preparer, self._scorer, self._tables, self._outlook)
        self._calibration = CalibrationMeter(subject, self._preparer, self._scorer)
        self._setters = SetterMeter(subject, self._preparer)
        self._positions = PositionMeter(subject, self._preparer, self._tables)
        self._group_ranges = GroupRangeMeter(subject, self._preparer)
        self._group_calibration = GroupCalibrationMeter(subject, self._preparer, self._scorer)
        self._sampler = Sampler(subject, self._preparer)
        self._fitting: Memo[Recipe] = Memo(512)

    def __repr__(self) -> str:
        info = self._subject.info
        size = f"{len(info.layers)} layers, {info.params:,} parameters"
        return f"<qdebug.Session {info.name}: {size}, {info.n_eval} samples>"

    def info(self) -> ModelInfo:
        """What is known of the model before anything is quantized."""
        return self._subject.info

    def graph(self) -> ModelGraph:
        """The model's blocks and layers, and what leads from one to the next."""
        return outline(self._subject.program, self._subject.layers)

    def own_recipe(self) -> Recipe | None:
        """The recipe in a model that was quantized already; None for a float model."""
        return self._subject.recipe

    @property
    def subject(self) -> Subject:
        """The opened model with its data, for those who make something else of it."""
        return self._subject

    @property
    def preparer(self) -> Preparer:
        """What works recipes out on this model, for those who look behind them."""
        return self._preparer

    def check(self, recipe: Recipe) -> None:
        """Refuse a recipe that does not fit this model.

        Raises:
            RecipeError: wrong model, unknown layer, or an impossible plan.
            NumericError: a weight to quantize holds NaN or Inf.
        """
        check_recipe(recipe, self._subject)

    def score(
        self, recipe: Recipe | str, work: Work | None = None, show: Callable[[Score], None] | None = None
    ) -> Score:
        """Metric and size of a recipe (or a preset's name) on all evaluation data.

        Args:
            recipe: the recipe.
            work: reports progress, and stops it.
            show: called with estimates (``exact`` is False) from more and more of the data, where all of it takes long.
        """
        recipe = self._checked(recipe)
        return self._scorer.score(recipe, work or Work(), show)

    def layers(self, recipe: Recipe | str, work: Work | None = None) -> LayerTable:
        """Every layer's local errors."""
        recipe = self._checked(recipe)
        return self._tables.table(recipe, work or Work())

    def shares(
        self, recipe: Recipe | str, work: Work | None = None, *, order: Sequence[str] = (),
        show: Measured | None = None,
    ) -> Shares:  # fmt: skip
        """Every layer's isolated error and its share of the sum. Costs about half an evaluation per layer.

        Args:
            recipe: the recipe, or a preset's name.
            work: progress and cancel.
            order: layers that are measured first, in this order.
            show: gets each layer's name, error and metric as it comes.
        """
        return self._shares.shares(self._checked(recipe), work or Work(), order, show)

    def subgroups(self, recipe: Recipe | str, work: Work | None = None) -> Subgroups:
        """The metric by class and by the data's ``group`` key, with what chance alone explains. Free after a score."""
        return self._subgroups.of(self._checked(recipe), work or Work())

    def compare(self, a: Recipe | str, b: Recipe | str, work: Work | None = None) -> Comparison:
        """Recipe B against recipe A: paired difference, layers that differ, classes and groups."""
        a, b = self._checked(a), self._checked(b)
        return self._comparer.compare(a, b, work or Work())

    def flips(
        self, a: Recipe | str, b: Recipe | str, direction: Direction | None = None, *, start: int = 0, most: int = 24,
        work: Work | None = None,
    ) -> Flips:  # fmt: skip
        """The answers that differ between two recipes, the most decided first, with pictures or text.

        Args:
            a: one recipe, or a preset's name.
            b: the other.
            direction: ``lost`` (right in A alone), ``gained`` (right in B alone), ``other``, or None for all.
            start: the place of the first, from 0.
            most: how many, at most 96.
            work: progress and cancel.

        Raises:
            UsageError: there is no such direction or page.
        """
        a, b = self._checked(a), self._checked(b)
        return self._comparer.flips(a, b, direction, start, most, work or Work())

    def layer_flips(
        self, recipe: Recipe | str, layer: str, direction: Direction | None = None, *, start: int = 0, most: int = 24,
        work: Work | None = None,
    ) -> Flips:  # fmt: skip
        """As :meth:`flips`, from float (A) to one layer alone quantized as the recipe has it (B)."""
        recipe = self._checked(recipe)
        return self._comparer.layer_flips(recipe, self._subject.layer(layer), direction, start, most, work or Work())

    def errors(self, recipe: Recipe | str, batches: Sequence[Batch], work: Work | None = None) -> NDArray[np.float64]:
        """The squared change of the output that a recipe makes, of each sample of some batches of the data."""
        recipe, work = self._checked(recipe), work or Work()
        return self._shares.errors(self._preparer.sheet(recipe, work), batches, work)

    def output_change(self, recipe: Recipe | str, work: Work | None = None) -> OutputChange:
        """The mean of :meth:`errors` on all evaluation data."""
        recipe = self._checked(recipe)
        errors = self.errors(recipe, self._subject.eval_batches, work)
        return OutputChange(recipe=recipe.digest, error=float(errors.mean()), n=len(errors))

    def metric(self, recipe: Recipe | str, batches: Sequence[Batch], work: Work | None = None) -> Metric:
        """A recipe's metric against the float model's on the first batches of the evaluation data."""
        recipe, work = self._checked(recipe), work or Work()
        return self._scorer.metric(self._preparer.sheet(recipe, work), batches, work)

    def error_course(self, recipe: Recipe | str, work: Work | None = None) -> ErrorCourse:
        """How the error grows from layer to layer: each output's SQNR, alone and with all before it quantized."""
        return self._tables.course(self._checked(recipe), work or Work())

    def detail(self, recipe: Recipe | str, layer: str, work: Work | None = None) -> LayerDetail:
        """Everything about one layer.

        Raises:
            RecipeError: there is no such layer.
        """
        recipe = self._checked(recipe)
        return self._details.detail(recipe, self._subject.layer(layer), work or Work())

    def position_errors(self, recipe: Recipe | str, layer: str, work: Work | None = None) -> PositionErrors:
        """The error of a layer's output by the position in the sequence, alone and with all before it quantized.

        Raises:
            RecipeError: there is no such layer, or its output has no positions (``LayerInfo.positions`` is 0).
        """
        recipe = self._checked(recipe)
        return self._positions.of(recipe, self._subject.layer(layer), work or Work())

    def close_up(self, recipe: Recipe | str, layer: str, look: Look, work: Work | None = None) -> CloseUp:
        """A closer look at one layer: ``channels``, ``matrix-largest``, ``spectrum``, ``output-alone`` … .

        Raises:
            RecipeError: there is no such layer.
            UsageError: there is no such look.
        """
        if look not in LOOKS:
            raise UsageError(f"There is no look '{look}' at a layer", do=f"Take one of {', '.join(LOOKS)}.")
        return self._close_ups.look(self._checked(recipe), self._subject.layer(layer), look, work or Work())

    def input_ranges(self, recipe: Recipe | str, layer: str, work: Work | None = None) -> InputRanges:
        """How far a layer's input reaches in the first evaluation samples, token by token, with the recipe's fixes.

        Raises:
            RecipeError: there is no such layer, or its input is an index.
        """
        recipe = self._checked(recipe)
        return self._details.input_ranges(recipe, self._subject.layer(layer), work or Work())

    def read_ranges(self, layer: str, recipe: Recipe | None = None, work: Work | None = None) -> ChannelRanges:
        """The range of a layer's weights by the input channel that they read, with the recipe's fixes.

        Raises:
            RecipeError: there is no such layer, or its channels are read in groups.
        """
        recipe = self._checked(recipe or Recipe())
        return self._details.read_ranges(recipe, self._subject.layer(layer), work or Work())

    def decided(self, recipe: Recipe | str, work: Work | None = None) -> Decided:
        """The recipe worked out: every tensor's grid, and the values that its fixes leave."""
        recipe = self._checked(recipe)
        return decide(self._preparer, recipe, work or Work())

    def predictions(self, recipe: Recipe | str, work: Work | None = None, *, remember: bool = True) -> Predictions:
        """What the model predicts under a recipe, on all evaluation data.

        Args:
            recipe: the recipe, or a preset's name.
            work: progress and cancel.
            remember: whether the cache keeps the values inside the network. Those it holds are used in any case, and
                predictions, which are small, are always remembered.
        """
        recipe, work = self._checked(recipe), work or Work()
        sheet = self._preparer.sheet(recipe, work)
        return self._scorer.predictions(sheet, self._subject.eval_batches, work, remember=remember)

    def output(self, recipe: Recipe | str, batch: Batch, work: Work | None = None, *, remember: bool = True) -> Tensor:
        """The scored output of one of the data's batches under a recipe; arguments as for :meth:`predictions`."""
        recipe, work = self._checked(recipe), work or Work()
        return self._subject.engine.output(self._preparer.sheet(recipe, work), batch, work, remember=remember)

    def value(self, recipe: Recipe | str, index: int, samples: int, work: Work | None = None) -> Tensor:
        """What a step computes for the first samples under a recipe, before a layer quantizes it."""
        recipe, work = self._checked(recipe), work or Work()
        batch = self._subject.batches(self._subject.data.first(samples))[0]
        found = self._subject.engine.values(self._preparer.sheet(recipe, work), batch, (index,), work)
        value: Tensor = found[index]
        return value

    def worked_out(self, recipe: Recipe | str, work: Work | None = None) -> Recipe:
        """Do a recipe's slow fixes now, and keep what they find.

        Args:
            recipe: the recipe, or a preset's name.
            work: progress and cancel; ``work.finish()`` ends training with the best so far.

        Returns:
            The recipe; where training was ended early, the one that trains for so many steps alone.
        """
        return self._preparer.worked_out(self._checked(recipe), work or Work())

    def fixes(self, recipe: Recipe | str, work: Work | None = None) -> tuple[FixCard, ...]:
        """Every fix: what it does, where it applies here, where not and why."""
        recipe = self._checked(recipe)
        return self._cards.cards(recipe, work or Work())

    def try_fix(self, recipe: Recipe | str, fix: Fix, work: Work | None = None) -> FixTrial:
        """The model and every layer without a fix and with it (:func:`qdebug.recipes.with_fix`).

        Args:
            recipe: the recipe, or a preset's name.
            fix: the fix; where the recipe has one of its method, that is left out of what is compared with.
            work: progress and cancel. A cancelled trial changes nothing.
        """
        return self.tried(without_fix(as_recipe(recipe), name_of(fix)), with_fix(as_recipe(recipe), fix), work)

    def tried(self, before: Recipe | str, after: Recipe | str, work: Work | None = None) -> FixTrial:
        """The model and every layer under a recipe and under the same with a fix."""
        before, after = self._checked(before), self._checked(after)
        return self._trials.trial(before, after, work or Work())

    def estimate_fix(self, recipe: Recipe | str, fix: Fix, work: Work | None = None) -> FixEstimate:
        """About how long a fix would take in a recipe: from the shapes of layers and a float pass timed just now."""
        return self._outlook.estimate(self._checked(recipe), fix, work or Work())

    def calibration_curve(
        self, recipe: Recipe | str, *, subsets: int = SUBSETS, samples: int | None = None, seed: int = 0,
        work: Work | None = None,
    ) -> CalibrationCurve:  # fmt: skip
        """The metric and the ranges of a recipe calibrated on 1, 2, 4 … and all calibration samples.

        Args:
            recipe: the recipe, or a preset's name.
            subsets: how many times each number is drawn.
            samples: evaluation samples, rounded up to whole batches; None for as many as cost no more than a minute or
                so.
            seed: of the draws.
            work: progress and cancel.

        Raises:
            UsageError: there is to be less than one subset or sample.
        """
        if subsets < 1 or (samples is not None and samples < 1):
            raise UsageError("A curve needs at least one subset and one sample", do="Ask for 1 or more.")
        return self._calibration.curve(self._checked(recipe), subsets, samples, seed, work or Work())

    def range_setters(self, recipe: Recipe | str, work: Work | None = None) -> RangeSetters:
        """Which calibration samples set the ranges, and how far evaluation data leave them. Two float passes."""
        return self._setters.of(self._checked(recipe), work or Work())

    def verdict(self, recipe: Recipe | str, work: Work | None = None) -> Verdict:
        """One sentence that says what is wrong."""
        recipe, work = self._checked(recipe), work or Work()
        score, shares = self.score(recipe, work), self.shares(recipe, work)
        inside = recipe.attention
        alone = None if inside.is_float32 else self.score(Recipe(fixes=recipe.fixes, attention=inside), work).metric
        attention = alone and (", ".join(in_words(inside)), alone)
        if score.metric.harmless or not shares.rows:
            return verdict(score, shares, None, attention)
        worst = max(shares.rows, key=lambda row: row.share)
        return verdict(score, shares, self.detail(recipe, worst.name, work), attention)

    def evaluate(self, recipe: Recipe | str, work: Work | None = None) -> Evaluation:
        """Score and layer table together: what ``qdebug evaluate`` prints."""
        start = time.perf_counter()
        recipe, work = self._checked(recipe), work or Work()
        info = self._subject.info
        score, table = self.score(recipe, work), self.layers(recipe, work)
        return Evaluation(
            model=info.name, digest=info.digest, recipe=recipe.digest, n=info.n_eval, calibration=info.calibration,
            metric=score.metric, size=score.size, layers=table.rows,
            findings=(*score.findings, *self.findings(recipe, work)), seconds=time.perf_counter() - start,
            float_note=info.float_note, groups=self.subgroups(recipe, work).rows,
            divergence=self.divergence(recipe, work), experts=self.routing(work),
            cache=self.cache_size(recipe), attention=in_words(recipe.attention),
        )  # fmt: skip

    def cache_size(self, recipe: Recipe | str) -> CacheSize | None:
        """What a token takes in the caches of keys and values; None where the recipe quantizes none.

        Counted are attentions in which tokens look back only, as in text that is generated token by token.
        """
        plan = self._checked(recipe).attention
        if not plan.has_cache:
            return None
        causal = self._preparer.attention.causal
        pairs = zip(self._subject.attentions, self._subject.info.attentions, strict=True)
        return cache_size([info for one, info in pairs if one.first in causal], plan)

    def divergence(self, recipe: Recipe | str, work: Work | None = None) -> Divergence | None:
        """How far a language model's next-token distributions move; see :class:`~qdebug.results.Divergence`."""
        return divergence(self._subject, self._preparer, self._checked(recipe), work or Work())

    def findings(self, recipe: Recipe | str, work: Work | None = None) -> tuple[Finding, ...]:
        """What is odd about any layer's weight or activation."""
        recipe, work = self._checked(recipe), work or Work()
        return tuple(one for layer in self._subject.layers for one in self._details.findings(recipe, layer, work))

    def routing(self, work: Work | None = None) -> tuple[Routed, ...]:
        """Which share of the tokens each expert of a mixture gets; nothing for other models."""
        return routing(self._subject, self._preparer.float_sheet, work or Work())

    def cache_stats(self) -> CacheStats:
        """How full the engine's cache is."""
        return self._subject.engine.cache.stats()

    def _checked(self, recipe: Recipe | str) -> Recipe:
        value = as_recipe(recipe)
        return self._fitting.get(value, lambda: self._fits(value))

    def _fits(self, recipe: Recipe) -> Recipe:
        self.check(recipe)
        return recipe
