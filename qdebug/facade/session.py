"""A session with the rooms above it as methods; each is the room's own function and nothing more."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from torch import nn

from qdebug.engine import ValueCache, Work
from qdebug.facade.place import Given, place
from qdebug.facade.served import Served, serve
from qdebug.figures.recipe_words import recipe_title
from qdebug.recipes import Recipe, as_recipe, parse_fix
from qdebug.report import gather, gather_recipes
from qdebug.report.gather import Runtime
from qdebug.report.shown import as_html, install
from qdebug.report.views import of_model
from qdebug.results import Diagnosis, Mixture, Sensitivity
from qdebug.results.mixture import How as Predictor
from qdebug.results.mixture import Unit
from qdebug.results.report import DiffReport, Report
from qdebug.results.sensitivity import Measure, Mode
from qdebug.search.diagnose import diagnose
from qdebug.search.mixed import Wish, search
from qdebug.search.mixed.search import CONFIRMED, POINTS
from qdebug.search.mixed.wish import formats_of
from qdebug.search.sensitivity import Question, sensitivity
from qdebug.search.sweep.journal import Journal
from qdebug.search.sweep.plan import How, Until
from qdebug.session import Session as Base
from qdebug.session import open as open_model
from qdebug.session.judging import Asked
from qdebug.session.subject import Subject
from qdebug.targets import find_device, find_platform

FORMATS = ("w8a8", "w4a8")
install()
SEARCHED = ("w16a16", "w8a8-pc", "w6a8-pc", "w4a8-pc")


class Session(Base):
    """A model and its data, opened with :func:`qdebug.open`.

    Args:
        subject: what was opened.
        given: what it was opened from.
    """

    def __init__(self, subject: Subject, given: Given) -> None:
        super().__init__(subject)
        self._given = given

    def sensitivity(
        self, formats: str | Sequence[str] = FORMATS, mode: Mode = "predict", *, fixes: Sequence[str] = (),
        measure: Measure = "squared", until: Until = "all", confidence: float = 0.95, worst: int = 0,
        leave_one_out: bool = False, cores: int = 1, cluster: str | None = None, journal: bool = True,
        show: Callable[[Sensitivity], None] | None = None, work: Work | None = None,
    ) -> Sensitivity:  # fmt: skip
        """Every layer in every format, everything else float: predicted, or with ``exact`` measured too.

        Args:
            formats: ``w8a8``, ``w4g32a16``, ``nf4`` …; one, several, or several with commas between.
            mode: ``predict`` or ``exact``.
            fixes: what comes first, such as ``cle``.
            measure: ``squared``, or ``kl``, which is predicted only.
            until: ``all`` data, or until the ``order`` of layers is settled.
            confidence: how sure that order has to be.
            worst: measure only so many layers of each format; all for 0.
            leave_one_out: also all layers quantized, and all but one.
            cores: worker processes; 1 for none but this one.
            cluster: the address of a Ray cluster.
            journal: whether measurements are kept in the workspace, and those found there are not made again.
            show: gets what is known so far.
            work: progress and cancel.

        Raises:
            QDebugError: a format or fix does not exist or does not fit; workers cannot open the model.
        """
        question = Question.of(_names(formats), Recipe(fixes=tuple(map(parse_fix, fixes))), measure)
        with _journal(mode == "exact" and journal) as kept:
            how = How(
                until=until, confidence=confidence, worst=worst, leave_one_out=leave_one_out, cores=cores,
                cluster=cluster, ref=self._given.ref, journal=kept,
            )  # fmt: skip
            return sensitivity(self, question, mode, how=how, show=show, work=work)

    def diagnose(self, recipe: Recipe | str = "w8a8", work: Work | None = None) -> Diagnosis:
        """What breaks the model under a recipe, why, and what mends it; see :func:`qdebug.search.diagnose.diagnose`."""
        return diagnose(self, recipe, work)

    def search(
        self, formats: str | Sequence[str] = SEARCHED, *, budget: float | None = None, unit: Unit = "bits",
        max_drop: float | None = None, fixes: Sequence[str] = (), pins: Sequence[tuple[str, str]] = (),
        floors: Sequence[tuple[str, float]] = (), ties: Sequence[str] = (), platform: str | None = None,
        device: str | None = None, predictor: Predictor = "additive", points: int = POINTS, confirm: int = CONFIRMED,
        show: Callable[[Mixture], None] | None = None, work: Work | None = None,
    ) -> Mixture:  # fmt: skip
        """Choose each layer's format for a budget or for a largest drop; without either, the whole front.

        Args:
            formats: what a layer may have.
            budget: the most that the model may cost, in ``unit``.
            unit: ``bits`` per weight, ``bytes``, ``bops``, ``seconds`` or ``joules`` of a sample.
            max_drop: the most that the metric may lose, as a fraction of one.
            fixes: what comes first, such as ``cle``.
            pins: a pattern of layer names and the format that these have.
            floors: a pattern, and the fewest bits that these may have.
            ties: patterns of layers that take one format together; ``inputs`` ties those that read one activation.
            platform: what has to run it.
            device: whose rates count.
            predictor: whether errors of layers are taken as uncorrelated (``additive``), or add up and cancel.
            points: of the front.
            confirm: mixtures that are measured.
            show: gets what is known so far.
            work: progress and cancel.

        Raises:
            QDebugError: as :func:`qdebug.search.mixed.search`.
        """
        wish = Wish(
            formats_of(_names(formats)), Recipe(fixes=tuple(map(parse_fix, fixes))), unit, budget, max_drop,
            tuple(pins), tuple(floors), tuple(ties), find_platform(platform) if platform else None,
            find_device(device) if device else None, how=predictor,
        )  # fmt: skip
        with _journal(True) as journal:
            return search(self, wish, points=points, confirm=confirm, show=show, journal=journal, work=work)

    def report(
        self, recipe: Recipe | str = "w8a8", *, against: Recipe | str | None = None, causes: bool = True,
        runtime: Runtime | None = "onnxruntime", work: Work | None = None,
    ) -> Report | DiffReport:  # fmt: skip
        """All that is found out of a recipe; :func:`qdebug.report.save` writes it as a page or as JSON.

        Args:
            recipe: the recipe, or a preset's name.
            against: report on the difference from this recipe instead.
            causes: whether causes are looked for and fixes tried.
            runtime: what the exported file is held against; None for nothing.
            work: progress and cancel.

        Raises:
            RecipeError: a recipe does not fit the model.
        """
        recipe = as_recipe(recipe)
        if against is None:
            return gather(self, recipe, causes=causes, runtime=runtime, work=work)
        other = as_recipe(against)
        return gather_recipes(self, other, recipe, names=(recipe_title(other), recipe_title(recipe)), work=work)

    def _repr_html_(self) -> str:
        """What a notebook shows."""
        return as_html(of_model(self.info()))

    def app(self, port: int | None = None, *, open_browser: bool = True) -> Served:
        """Serve the app on this machine with this model open in it; returns at once.

        What was opened by its path or a sample's name is opened from there. A module, and data that were given as
        arrays, are written into the workspace first.

        Args:
            port: a free one if not given.
            open_browser: whether a browser is pointed at it.

        Returns:
            What is served: its ``url``, ``wait()`` and ``stop()``. It ends with this process.

        Raises:
            QDebugError: the port is in use, the model cannot be written, or the server does not start.
        """
        return serve(place(self._given, self.subject), port, open_browser=open_browser)


def open(  # noqa: A001 - qdebug.open is the name people type
    model: str | os.PathLike[str] | nn.Module, inputs: object = None, calib: object = None, *, data: object = None,
    train: object = None, samples: int | None = None, part: str | None = None, metric: Asked = None,
    window: int | None = None, tokens: int | None = None, cache: ValueCache | None = None, work: Work | None = None,
) -> Session:  # fmt: skip
    """Open a model with its data.

    Args:
        model: a sample's name, the path of an ``.onnx`` file or of a ``.pt2`` file of your own, or a module.
        inputs: the data, where ``data`` is not given. With ``data``, example inputs that a module is captured on: a
            tensor, a tuple of forward's arguments, or a mapping by their names.
        calib: calibration data, as ``data``; without it a sample's own, or the first 256 samples of the data.
        data: evaluation data: the path of an ``.npz`` or a mapping of arrays, keyed by the model's inputs, plus
            optionally ``labels`` and ``group``. Samples bring their own. Also a tensor or array, a tuple
            ``(x, labels)``, a torch ``Dataset`` or ``DataLoader``, or any iterable of batches: a batch is a tensor, a
            tuple in the order of forward's parameters with labels last, or a mapping with ``labels``.
        train: data that fixes which train the network may train it on; without it a sample's own, or ``calib``.
        samples: how many samples of a module's data are read at most. Without it, what lies in memory is taken as a
            whole, and what is run through is read up to 4,096 samples or 1 GiB; where that cuts it, a warning says so.
        part: the path of a module's submodule: it alone is opened, and fed what reaches it when the whole module runs
            on the data; its output is compared with the float one's. For modules that resist ``torch.export``.
        metric: what recipes are judged by: ``accuracy``, ``top5`` (any number), ``perplexity``, ``agreement``,
            ``cosine``, ``sqnr``, ``mse``, or a function of your own, ``metric(outputs, labels)``, that returns a number
            for each sample; also by its file, ``path/to/file.py:function``. By default what fits the data.
        window: tokens of a window that texts are cut into, of a language model; 512 if not given.
        tokens: how many of them are used at most; 32,768 if not given.
        cache: where values are remembered; the process's shared cache if not given.
        work: progress and cancel.

    Raises:
        QDebugError: the model cannot be opened, or the data do not fit it.
    """
    if data is None:
        inputs, data = None, inputs
    opened = open_model(
        model, data, calib, train=train, cache=cache, work=work, inputs=inputs, samples=samples, part=part,  # type: ignore[arg-type]
        metric=metric, window=window, tokens=tokens,
    )  # fmt: skip
    if part is not None or samples is not None:  # what is open is not what a path leads to
        seen = opened.subject
        data = seen.data
        calib = None if calib is None else seen.calib
        train = None if train is None else seen.training
    return Session(opened.subject, Given(model, data, calib, train, metric, window, tokens))


def _names(formats: str | Sequence[str]) -> list[str]:
    return [name.strip() for name in formats.split(",")] if isinstance(formats, str) else list(formats)


@contextmanager
def _journal(wanted: bool) -> Iterator[Journal | None]:
    """The workspace's journal, closed at the end."""
    if not wanted:
        yield None
        return
    journal = Journal()
    try:
        yield journal
    finally:
        journal.close()
