"""What labels and outputs are to each other: the task, and whether every label is one."""

from __future__ import annotations

from dataclasses import replace

from qdebug.doors import Dataset
from qdebug.errors import DataError
from qdebug.measure import OwnMetric
from qdebug.measure.meter import REGRESSION
from qdebug.measure.pixels import class_axis
from qdebug.measure.predictions import ignored


def judged_task(
    data: Dataset, output: tuple[int, ...], asked: str | OwnMetric | None, *, says_embeddings: bool
) -> str:  # fmt: skip
    """What labels and output are to each other, which says the metric where none is asked for.

    Args:
        data: the evaluation data.
        output: the shape of the model's output.
        asked: the metric asked for; labels that fit no task are for a function of somebody's own to understand.
        says_embeddings: whether an output that is judged by no labels is vectors whose direction counts.

    Raises:
        DataError: the labels do not fit the output.
    """
    if data.labels is None:
        vectors = says_embeddings and len(output) > 1 and (len(output) > 3 or output[-1] > 1)
        return "embedding" if vectors else "unlabelled"
    if not isinstance(asked, OwnMetric):
        return _task(data, output)
    try:
        return _task(data, output)
    except DataError:
        return "unlabelled"


def with_targets(data: Dataset, output: tuple[int, ...]) -> Dataset:
    """Data whose targets have the output's shape, where only axes of one value tell them apart."""
    labels = data.labels
    if labels is None or not labels.is_floating_point():
        return data
    wanted = (len(data), *output[1:])
    if [size for size in labels.shape[1:] if size != 1] != [size for size in wanted[1:] if size != 1]:
        return data
    return replace(data, labels=labels.reshape(wanted))


def _task(data: Dataset, output: tuple[int, ...]) -> str:
    assert data.labels is not None
    if data.labels.is_floating_point():
        if tuple(data.labels.shape[1:]) == output[1:]:
            return REGRESSION
        raise DataError(
            f"The targets, real numbers of shape {list(data.labels.shape)}, do not fit the model's output of shape "
            f"[N, {', '.join(map(str, output[1:]))}]", file=data.source,
            do="Give targets in the output's shape. Classes are whole numbers: give 'labels' as integers.",
        )  # fmt: skip
    if data.labels.dim() == 1 and len(output) == 2:
        _check_labels(data, output[-1], "classification")
        return "classification"
    if data.labels.dim() == 2 and len(output) == 3 and data.labels.shape[1] == output[1]:
        _check_labels(data, output[-1], "language-model")
        return "language-model"
    axis = class_axis(data.labels.shape, output)
    if axis is not None:
        _check_labels(data, output[axis], "segmentation")
        return "segmentation"
    raise DataError(
        f"'labels' of shape {list(data.labels.shape)} do not fit the model's output of shape "
        f"[N, {', '.join(map(str, output[1:]))}]",
        file=data.source,
        do="Give one class per sample for [N, classes], one token per position for [N, T, tokens], one class per pixel "
        "for [N, classes, H, W]; or leave 'labels' out: then outputs are compared with the float model's.",
    )  # fmt: skip


def with_fitting_labels(training: Dataset, data: Dataset, task: str, output: tuple[int, ...]) -> Dataset:
    """Training data whose labels are like the evaluation data's; others are left out, since they may not be needed."""
    if training.labels is None or data.labels is None or training.labels.shape[1:] != data.labels.shape[1:]:
        return replace(training, labels=None)
    axis = class_axis(data.labels.shape, output) if task == "segmentation" else -1
    _check_labels(training, output[-1 if axis is None else axis], task)
    return training


def _check_labels(data: Dataset, classes: int, task: str) -> None:
    assert data.labels is not None
    wrong = (data.labels < 0) | (data.labels >= classes)
    for one in ignored(task, classes):
        wrong &= data.labels != one
    if bool(wrong.any()):
        place = tuple(int(index) for index in wrong.nonzero()[0])
        where = f" at {list(place[1:])}" if place[1:] else ""
        besides = "".join(f", or {one} for what is not scored" for one in ignored(task, classes)[:1])
        raise DataError(
            f"The label of sample {place[0]}{where} is {int(data.labels[place])}", file=data.source,
            do=f"The model has {classes} classes: labels are 0 to {classes - 1}{besides}.",
        )  # fmt: skip
