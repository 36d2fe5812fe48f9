"""What a model said, kept small: enough to compare two models on the same samples."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from qdebug.errors import DataError
from qdebug.measure.pixels import VOID, class_axis, compact

if TYPE_CHECKING:
    from qdebug.measure.scores import Named

IGNORED = -100
"""The label of a token or pixel that is no target, as in torch's cross entropy."""

WORST_LOSS = float(-np.log(np.finfo(np.float32).tiny))
"""Log-loss in nats (87.3) that stands for one that is NaN or infinite: the label had the smallest normal float32."""


@dataclass(frozen=True, eq=False, slots=True)
class Predictions:
    """One model's answers to N samples, P predictions in all (one a sample, or one a token or pixel that is a target).

    Attributes:
        task: ``classification``, ``language-model``, ``segmentation``, ``embedding``, ``signal``, ``drift`` or
            ``unlabelled``.
        top1: int64 ``[P]`` (of a segmentation the smallest integers that hold its classes), the class with the highest
            score; −1 where a score was NaN. None where the output is no class scores.
        correct: bool ``[P]``, whether it counts as right; None without labels.
        loss: float64 ``[N]``, log-loss of a language model's sequence in nats, summed over its targets; else None.
        targets: int64 ``[N]``, how many targets each sequence or image has; else None.
        values: float32 ``[N, …]``, the output itself where it is no class scores; else None.
        samples: N.
        broken: predictions (or, for ``values``, samples) with a NaN.
        scores: float64 ``[N]``, what a metric says that gives each sample a number; else None.
        metric: what is counted, where the task leaves that open; else None.
    """

    task: str
    top1: NDArray[np.signedinteger] | None
    correct: NDArray[np.bool_] | None
    loss: NDArray[np.float64] | None
    targets: NDArray[np.int64] | None
    values: NDArray[np.float32] | None
    samples: int
    broken: int
    scores: NDArray[np.float64] | None = None
    metric: Named | None = None

    @staticmethod
    def join(parts: Sequence[Predictions]) -> Predictions:
        """The predictions of consecutive batches as one."""
        if not parts:
            raise DataError("There is nothing to evaluate", do="Give at least one sample.")
        if len(parts) == 1:
            return parts[0]
        arrays: dict[str, Any] = {name: sum(getattr(part, name) for part in parts) for name in ("samples", "broken")}
        for name in ("top1", "correct", "loss", "targets", "values", "scores"):
            some = [getattr(part, name) for part in parts]
            arrays[name] = None if some[0] is None else np.concatenate(some)
        return Predictions(task=parts[0].task, metric=parts[0].metric, **arrays)

    def first(self, samples: int) -> Predictions:
        """Those of the first so many samples."""
        each = self._answers(samples)
        values = None if self.values is None else self.values[:samples]
        top1 = None if self.top1 is None else self.top1[:each]
        broken = int((top1 == -1).sum()) if top1 is not None else 0
        if values is not None and values.size:
            broken = int(np.isnan(values.reshape(len(values), -1)).any(1).sum())
        return Predictions(
            self.task, top1, None if self.correct is None else self.correct[:each],
            None if self.loss is None else self.loss[:samples],
            None if self.targets is None else self.targets[:samples], values, samples, broken,
            None if self.scores is None else self.scores[:samples], self.metric,
        )  # fmt: skip

    def _answers(self, samples: int) -> int:
        """How many predictions the first so many samples have."""
        if self.targets is not None:
            return int(self.targets[:samples].sum())
        return 0 if self.top1 is None else len(self.top1) // max(1, self.samples) * samples

    @property
    def nbytes(self) -> int:
        """Bytes held."""
        held = (getattr(self, field.name) for field in fields(self))
        return sum(value.nbytes for value in held if isinstance(value, np.ndarray))


def predictions(task: str, output: Tensor, labels: Tensor | None = None, top: int = 1) -> Predictions:
    """What a batch of outputs predicts.

    Args:
        task: ``classification`` (output ``[N, C]``, labels ``[N]``), ``language-model`` (output ``[N, T, V]``, labels
            ``[N, T]``, each the target of the output at its own place, −100 ignored), ``segmentation`` (output
            ``[N, C, …]`` or ``[N, …, C]``, labels ``[N, …]``; −100 is ignored, and 255 where there are fewer classes),
            ``embedding`` (output ``[N, H]`` or ``[N, T, H]``, vectors whose direction counts; one of more axes is one
            vector a sample), ``signal`` or ``drift`` (any output,
            kept whole: its SQNR or its squared change counts) or ``unlabelled``.
        output: scores before softmax. For ``unlabelled`` ``[N, C]`` and ``[N, T, V]`` are class scores, anything else
            is kept whole and compared by SQNR.
        labels: class indices, or None.
        top: a prediction is right where the label's score is among so many highest; of equal scores the label's counts
            as the lowest but for ``top`` 1, where the first class is taken.

    Raises:
        DataError: shapes or labels do not fit the output.
    """
    output = output.detach()
    if task == "segmentation":
        return _segmented(output, labels, top)
    if task in ("embedding", "signal", "drift"):
        return replace(_whole(output.flatten(1) if task == "embedding" and output.dim() > 3 else output), task=task)
    ranks = {"classification": (2,), "language-model": (3,), "unlabelled": (2, 3)}[task]
    if output.dim() not in ranks or output.shape[-1] < 2:
        if task != "unlabelled":
            raise DataError(
                f"The model's output has no class scores for the task '{task}'", shape=list(output.shape),
                do=f"It takes {'[N, C]' if task == 'classification' else '[N, T, V]'}; or drop the labels.",
            )  # fmt: skip
        return _whole(output)
    best, top1 = output.max(dim=-1)  # torch's maximum of anything with a NaN is NaN
    nan = torch.isnan(best)
    broken = int(nan.sum())
    if broken:
        top1 = torch.where(nan, -1, top1)
    if labels is None or task == "unlabelled":
        return Predictions(task, _numpy(top1).reshape(-1), None, None, None, None, len(output), broken)
    labels = _checked(labels, output, ignored(task, output.shape[-1]))
    if task == "classification":
        right = _numpy(_is_right(output, labels, top1, top))
        return Predictions(task, _numpy(top1), right, None, None, None, len(output), broken)
    target = labels != IGNORED
    loss = torch.where(target, _log_loss(output, labels.clamp(min=0)).double(), 0.0)
    right = _numpy(_is_right(output, labels.clamp(min=0), top1, top)[target])
    sums = _numpy(loss.sum(1)), _numpy(target.sum(1))
    return Predictions(task, _numpy(top1[target]), right, *sums, None, len(output), int(nan[target].sum()))


def _is_right(output: Tensor, labels: Tensor, top1: Tensor, top: int) -> Tensor:
    """Whether labels ``[…]`` are among the highest of scores ``[…, C]``; never where a score is NaN."""
    if top == 1:
        return top1 == labels
    own = output.gather(-1, labels.unsqueeze(-1))
    return ((output >= own).sum(-1) <= top) & (top1 >= 0)


def _segmented(output: Tensor, labels: Tensor | None, top: int = 1) -> Predictions:
    """One prediction a pixel, of those that are targets."""
    axis = 1 if labels is None else class_axis(labels.shape, output.shape)
    if axis is None or output.dim() < 3:
        raise DataError(
            "The model's output has no class scores for the task 'segmentation'", shape=list(output.shape),
            do="It takes [N, C, H, W] and labels [N, H, W]; or drop the labels.",
        )  # fmt: skip
    classes = output.shape[axis]
    best, top1 = output.max(dim=axis)
    nan = torch.isnan(best)
    top1 = compact(torch.where(nan, -1, top1), classes)
    if labels is None:
        return Predictions(
            "segmentation", _numpy(top1).reshape(-1), None, None, None, None, len(output), int(nan.sum())
        )
    labels = _checked(labels, output.movedim(axis, -1), ignored=ignored("segmentation", classes))
    target = torch.ones_like(nan)
    for one in ignored("segmentation", classes):
        target &= labels != one
    sure = torch.where(target, labels, 0)
    right, many = _is_right(output.movedim(axis, -1), sure, top1, top)[target], target.flatten(1).sum(1)
    return Predictions(
        "segmentation",
        _numpy(top1[target]),
        _numpy(right),
        None,
        _numpy(many),
        None,
        len(output),
        int(nan[target].sum()),
    )


def ignored(task: str, classes: int) -> tuple[int, ...]:
    """Labels that are no class but say that there is nothing to predict. One class a sample leaves nothing out."""
    if task == "segmentation":
        return (IGNORED, VOID) if classes <= VOID else (IGNORED,)
    return (IGNORED,) if task == "language-model" else ()


def _whole(output: Tensor) -> Predictions:
    values = _numpy(output.float())
    broken = int(np.isnan(values.reshape(len(values), -1)).any(1).sum()) if values.size else 0
    return Predictions("unlabelled", None, None, None, None, values, len(values), broken)


def _checked(labels: Tensor, output: Tensor, ignored: Sequence[int]) -> Tensor:
    shape, classes = list(output.shape[:-1]), output.shape[-1]
    if list(labels.shape) != shape:
        what = "The labels do not fit the model's output"
        raise DataError(what, shape=list(labels.shape), do=f"They must be {shape}.")
    if labels.is_floating_point() or labels.dtype == torch.bool:
        raise DataError("The labels are no class indices", dtype=labels.dtype, do="Give whole numbers.")
    known = labels[~torch.isin(labels, torch.tensor(ignored, dtype=labels.dtype))] if ignored else labels
    least, most = (int(limit) for limit in known.aminmax()) if known.numel() else (0, 0)
    if least < 0 or most >= classes:
        wrong = least if least < 0 else most
        raise DataError(f"A label is {wrong}", do=f"The model has {classes} classes: 0 to {classes - 1}.")
    return labels.long().to(output.device)


def _log_loss(output: Tensor, labels: Tensor) -> Tensor:
    scores = output.float()
    loss = torch.logsumexp(scores, -1) - scores.gather(-1, labels.unsqueeze(-1)).squeeze(-1)
    return torch.nan_to_num(loss, nan=WORST_LOSS, posinf=WORST_LOSS, neginf=WORST_LOSS)


def _numpy(x: Tensor) -> NDArray:
    return x.cpu().numpy()
