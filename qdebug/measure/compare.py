"""The task metric, float against quantized, with paired intervals."""

from __future__ import annotations

import math
import sys

import numpy as np
from numpy.typing import NDArray

from qdebug.measure.directions import cosine, mean_cosine
from qdebug.measure.intervals import paired_difference, ratio, wilson
from qdebug.measure.predictions import Predictions
from qdebug.measure.scores import changed_classes, drift_metric, score_metric, to_float
from qdebug.results import Metric

NO_ERROR_DB = 150.0
"""SQNR that stands for no error at all: float32, with 24 bits, resolves no more than about 144 dB."""


def compare(float_: Predictions, quantized: Predictions, task: str) -> Metric:
    """The metric of a task for two models on the same samples.

    ``accuracy`` for labelled classes, ``pixel_accuracy`` for labelled pixels, ``perplexity`` for a language model with
    labels, ``agreement`` of the top-1 where there are no labels, ``cosine`` for embeddings, ``sqnr_db`` where outputs
    are no class scores, ``mse_to_float`` for ``drift``; whatever predictions with scores are scored by.
    """
    if float_.samples != quantized.samples:
        raise ValueError(f"{quantized.samples} samples against {float_.samples}")
    if float_.scores is not None:
        return score_metric(float_, quantized)
    if float_.values is not None:
        if task == "drift":
            return drift_metric(float_, quantized)
        if task == "embedding":
            return cosine(float_.values, np.asarray(quantized.values))
        return _sqnr(float_, quantized)
    if task == "language-model" and float_.loss is not None:
        return _perplexity(float_, quantized)
    if float_.targets is not None and float_.correct is not None:
        return _pixels(float_, quantized)
    return _agreement(float_, quantized) if float_.correct is None else _accuracy(float_, quantized)


def value(float_: Predictions, quantized: Predictions, task: str) -> float:
    """The quantized model's metric as :func:`compare` has it, to the last bit, without intervals.

    Args:
        float_: the float model's predictions.
        quantized: the quantized one's, of the same samples.
        task: the task.
    """
    if float_.values is not None and float_.scores is None and task == "drift":
        return float(to_float(float_, quantized).mean())
    if float_.values is not None and float_.scores is None and task == "embedding":
        return mean_cosine(float_.values, np.asarray(quantized.values))
    if float_.values is not None and float_.scores is None:
        return _sqnr_db(*powers(np.asarray(float_.values), np.asarray(quantized.values)))
    sums = paired_sums(float_, quantized, task)
    if sums is not None:
        _, after, many = sums
        share = float(after.sum()) / float(many.sum())
        return _exp(share) if task == "language-model" and float_.loss is not None and float_.scores is None else share
    if quantized.correct is None:
        return _flips(float_, quantized)[2]
    return int(quantized.correct.sum()) / max(len(quantized.correct), 1)


def _name(found: Predictions, usual: str) -> str:
    """What the metric is called: what was asked for, or what the task has."""
    return usual if found.metric is None else found.metric.name


def _flips(one: Predictions, two: Predictions) -> tuple[int, int, float]:
    """Changed predictions, all predictions, and the share that did not change."""
    if one.top1 is None or two.top1 is None:
        return 0, 0, 1.0
    flips, n = changed_classes(one, two)
    return flips, n, 1.0 - flips / n if n else 1.0


def _accuracy(one: Predictions, two: Predictions) -> Metric:
    before, after = np.asarray(one.correct), np.asarray(two.correct)
    n, hits = len(before), int(after.sum())
    gained, lost = int((after & ~before).sum()), int((before & ~after).sum())
    flips, many, agreement = _flips(one, two)
    size = max(n, 1)
    return Metric(
        name=_name(one, "accuracy"), float_=int(before.sum()) / size, quantized=hits / size,
        delta=(gained - lost) / size, ci95=paired_difference(gained, lost, n), quantized_ci95=wilson(hits, n),
        flips=flips, n=one.samples, predictions=many, agreement=agreement, higher_is_better=True,
    )  # fmt: skip


def _pixels(one: Predictions, two: Predictions) -> Metric:
    """The share of target pixels that are right; flips are pixels.

    Pixels of an image are no independent samples, images are: each is a cluster, and both intervals are those of a
    ratio of sums over images (Cochran 1977, chapter 9A). For one image they are all there is to say, −1 to 1.
    """
    before, after, pixels = _right(one, two)
    value, half = ratio(after, pixels)
    change, paired = ratio(after - before, pixels)
    flips, many, agreement = _flips(one, two)
    return Metric(
        name=_name(one, "pixel_accuracy"), float_=float(before.sum() / pixels.sum()), quantized=value, delta=change,
        ci95=(max(-1.0, change - paired), min(1.0, change + paired)),
        quantized_ci95=(max(0.0, value - half), min(1.0, value + half)), flips=flips, n=one.samples, predictions=many,
        agreement=agreement, higher_is_better=True,
    )  # fmt: skip


Sums = tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]


def paired_sums(one: Predictions, two: Predictions, task: str) -> Sums | None:
    """What is added up over independent samples, before and after, and what it is divided by: ``[n]`` each.

    Scores and samples; log-losses and tokens of sequences, right pixels and pixels of images, of those that have any;
    None for metrics that are no ratio of sums.
    """
    if one.scores is not None:
        return np.asarray(one.scores), np.asarray(two.scores), np.ones(len(one.scores))
    if task == "language-model" and one.loss is not None:
        return _losses(one, two)
    return _right(one, two) if one.targets is not None and one.correct is not None else None


def _losses(one: Predictions, two: Predictions) -> Sums:
    return _used(one, np.asarray(one.loss), np.asarray(two.loss))


def _right(one: Predictions, two: Predictions) -> Sums:
    return _used(one, _per_sample(one), _per_sample(two))


def _used(one: Predictions, before: NDArray[np.float64], after: NDArray[np.float64]) -> Sums:
    used = np.asarray(one.targets) > 0
    if not used.any():
        return np.zeros(1), np.zeros(1), np.ones(1)
    return before[used], after[used], np.asarray(one.targets)[used].astype(np.float64)


def _per_sample(found: Predictions) -> NDArray[np.float64]:
    """How many targets of each sample are right, ``[N]``."""
    ends = np.cumsum(np.asarray(found.targets))
    right = np.concatenate([[0], np.cumsum(np.asarray(found.correct), dtype=np.int64)])
    return np.diff(right[ends], prepend=0).astype(np.float64)


def _agreement(one: Predictions, two: Predictions) -> Metric:
    flips, many, agreement = _flips(one, two)
    low, high = wilson(many - flips, many)
    return Metric(
        name="agreement", float_=1.0, quantized=agreement, delta=agreement - 1.0, ci95=(low - 1.0, high - 1.0),
        quantized_ci95=(low, high), flips=flips, n=one.samples, predictions=many, agreement=agreement,
        higher_is_better=True,
    )  # fmt: skip


def _perplexity(one: Predictions, two: Predictions) -> Metric:
    """Sequences are the independent samples; both intervals are symmetric in log space.

    That of the difference takes the float value as given: it is the interval of ``float · (e^D − 1)`` with D the paired
    difference of the log-losses per token.
    """
    before, after, tokens = _losses(one, two)
    start = _exp(before.sum() / tokens.sum())
    loss, half = ratio(after, tokens)
    change, paired = ratio(after - before, tokens)
    flips, many, agreement = _flips(one, two)
    value = _exp(loss)
    return Metric(
        name="perplexity", float_=start, quantized=value, delta=value - start,
        ci95=(start * _exp(change - paired) - start, _product(start, _exp(change + paired)) - start),
        quantized_ci95=(max(1.0, _exp(loss - half)), _exp(loss + half)), flips=flips, n=one.samples, predictions=many,
        agreement=agreement, higher_is_better=False,
    )  # fmt: skip


def output_sqnr_db(one: Predictions, two: Predictions) -> float | None:
    """The output's SQNR against the float model's, where the predictions hold outputs whole; else None."""
    if one.values is None or two.values is None:
        return None
    return _sqnr_db(*powers(np.asarray(one.values), np.asarray(two.values)))


def _sqnr(one: Predictions, two: Predictions) -> Metric:
    """Samples are independent; the interval is that of the ratio of error to signal, in decibels."""
    signal, error = powers(np.asarray(one.values), np.asarray(two.values))
    value, low, high = _sqnr_db(signal, error), NO_ERROR_DB, NO_ERROR_DB
    if error.sum() > 0:
        low = -NO_ERROR_DB
        if signal.sum() > 0:
            noise, half = ratio(error, signal)
            low = _decibels(1 / (noise + half))
            high = _decibels(1 / (noise - half)) if noise > half else NO_ERROR_DB
    return Metric(
        name="sqnr_db", float_=NO_ERROR_DB, quantized=value, delta=value - NO_ERROR_DB,
        ci95=(low - NO_ERROR_DB, high - NO_ERROR_DB), quantized_ci95=(low, high), flips=0, n=one.samples, predictions=0,
        agreement=1.0, higher_is_better=True,
    )  # fmt: skip


def _sqnr_db(signal: NDArray[np.float64], error: NDArray[np.float64]) -> float:
    if not error.sum() > 0:
        return NO_ERROR_DB
    return _decibels(1 / (float(error.sum()) / float(signal.sum()))) if signal.sum() > 0 else -NO_ERROR_DB


def powers(one: NDArray[np.float32], two: NDArray[np.float32]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Energy of the output and of the error, per sample. A NaN or Inf in place of a number counts as 0, all lost."""
    before = np.where(np.isfinite(one), one, 0.0).astype(np.float64).reshape(len(one), -1)
    after = np.where(np.isfinite(two) & np.isfinite(one), two, 0.0).astype(np.float64).reshape(len(two), -1)
    return np.square(before).sum(1), np.square(after - before).sum(1)


def _decibels(power: float) -> float:
    return min(NO_ERROR_DB, max(-NO_ERROR_DB, 10.0 * math.log10(power))) if power > 0 else -NO_ERROR_DB


def _exp(x: float) -> float:
    """e^x, at most the largest float: results must be numbers."""
    return math.exp(x) if x < 709.0 else sys.float_info.max


def _product(a: float, b: float) -> float:
    return min(a * b, sys.float_info.max)
