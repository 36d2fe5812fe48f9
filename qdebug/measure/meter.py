"""Which metric a model is judged by: the one that fits its data, or the one that somebody asks for."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, replace

from torch import Tensor

from qdebug.errors import UsageError, near
from qdebug.measure.own import OwnMetric
from qdebug.measure.predictions import Predictions, predictions
from qdebug.measure.scores import MSE, Named, scored, squared_errors

NAMES = ("accuracy", "top5", "perplexity", "agreement", "cosine", "sqnr", "mse", "mse-to-float")
"""What may be asked for; ``top5`` stands for any number."""
REGRESSION = "regression"
"""The task of data with targets: real numbers in the shape of the model's output."""
LABELLED = ("classification", "language-model", "segmentation")
LARGEST = 2 * 2**30
"""Bytes of outputs that are held whole, as some metrics want them, for one recipe."""
_TOP = re.compile(r"top-?(\d+)(?:[-_]accuracy)?")
_ACCURACY = {"classification": "accuracy", "language-model": "token_accuracy", "segmentation": "pixel_accuracy"}


@dataclass(frozen=True)
class Meter:
    """How outputs become predictions, and what is counted of them.

    Attributes:
        task: that predictions are made and compared as; see :func:`~qdebug.measure.predictions.predictions`.
        top: a prediction is right among so many highest scores.
        named: the metric, where the task leaves it open.
        own: somebody's own function.
        to_target: whether the metric is the squared error to the data's targets.
    """

    task: str
    top: int = 1
    named: Named | None = None
    own: OwnMetric | None = None
    to_target: bool = False

    def predictions(self, output: Tensor, labels: Tensor | None) -> Predictions:
        """What a batch of outputs says.

        Args:
            output: ``[N, …]``.
            labels: as of :func:`~qdebug.measure.predictions.predictions`; targets in the output's shape; for one's own
                function whatever the data have.

        Raises:
            DataError: shapes or labels do not fit the output.
            MetricError: one's own function fails.
        """
        if self.to_target and labels is not None:
            return scored(predictions("signal", output), squared_errors(output, labels), MSE)
        if self.own is not None:
            found = predictions(self.task, output, labels if self.task in LABELLED else None)
            return scored(found, self.own.scores(output, labels), self.own.named)
        found = predictions(self.task, output, labels, self.top)
        return found if self.named is None else replace(found, loss=None, metric=self.named)

    @property
    def identity(self) -> str:
        """Tells metrics apart in what is kept; empty for the one that the task has by itself."""
        if self.own is not None:
            return f"own {self.own.identity}"
        return f"{self.task} {self.named.name}" if self.named is not None else self.task


def meter(
    asked: str | OwnMetric | None, task: str, output: tuple[int, ...], samples: int, *, has_labels: bool
) -> Meter:  # fmt: skip
    """The metric of a model on its data.

    Args:
        asked: a name as of :data:`NAMES`, somebody's own function, or None for what fits the data.
        task: what labels and output are: ``classification``, ``language-model``, ``segmentation``, ``regression``,
            ``embedding`` or ``unlabelled``.
        output: the shape of the output.
        samples: how many are evaluated.
        has_labels: whether the data have labels or targets.

    Raises:
        UsageError: there is no such metric, it does not fit, or it would hold too much.
    """
    if isinstance(asked, OwnMetric):
        return Meter("signal" if task == REGRESSION else task, own=asked)
    if asked is None:
        return Meter("signal", to_target=True) if task == REGRESSION else Meter(task)
    name = asked.strip().lower().replace("_", "-")
    if name == "mse" and task == REGRESSION:
        return Meter("signal", to_target=True)
    if name in _WHOLE:
        _held(asked, output, samples)
        if name == "cosine" and (len(output) < 2 or output[-1] < 2):
            raise _unfit(asked, "compares directions, and this output has none", output, "mse or sqnr")
        return Meter(_WHOLE[name])
    if name == "agreement":
        if len(output) not in (2, 3) or output[-1] < 2 or task == REGRESSION:
            raise _unfit(asked, "is of class scores [N, C] or [N, T, V]", output, "cosine, mse or sqnr")
        return Meter("unlabelled")
    top = 1 if name == "accuracy" else int(found[1]) if (found := _TOP.fullmatch(name)) else None
    if top is None and name != "perplexity":
        raise UsageError(
            f"There is no metric '{asked}'",
            do=f"{near(asked, NAMES)} Or give a function of your own, path/to/file.py:name.",
        )  # fmt: skip
    if not has_labels or task not in LABELLED or (name == "perplexity" and task != "language-model"):
        wanted = "a next token for each position" if name == "perplexity" else "a right class for each prediction"
        raise _unfit(asked, f"needs labels, {wanted}", output, "agreement, cosine, mse or sqnr, which need none")
    if top is None or (top == 1 and task != "language-model"):
        return Meter(task)
    classes = output[1] if task == "segmentation" else output[-1]
    if not 1 <= top < classes:
        raise UsageError(
            f"The metric '{asked}' of {classes} classes is no question", do=f"Give top1 to top{classes - 1}."
        )
    return Meter(task, top, Named(_ACCURACY[task] if top == 1 else f"top{top}_accuracy"))


_WHOLE = {"cosine": "embedding", "sqnr": "signal", "sqnr-db": "signal", "mse": "drift", "mse-to-float": "drift"}
"""Metrics that compare whole outputs with the float model's, and the tasks that do it."""


def _held(asked: str, output: tuple[int, ...], samples: int) -> None:
    size = 4 * samples * math.prod(output[1:])
    if size > LARGEST:
        raise UsageError(
            f"The metric '{asked}' compares whole outputs, and those of {samples} samples are {size / 2**30:.1f} GiB",
            shape=["N", *output[1:]], do=f"Evaluate fewer samples: {LARGEST * samples // size} would do.",
        )  # fmt: skip


def _unfit(asked: str, why: str, output: tuple[int, ...], rather: str) -> UsageError:
    shape = f"[N, {', '.join(map(str, output[1:]))}]" if len(output) > 1 else "[N]"
    return UsageError(f"The metric '{asked}' {why}", output=shape, do=f"Use {rather}.")
