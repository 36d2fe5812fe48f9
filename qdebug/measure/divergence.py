"""Distributions over tokens, before and after."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from qdebug.measure.intervals import ratio
from qdebug.measure.predictions import IGNORED
from qdebug.results.divergence import Divergence

_TOGETHER = 1 << 22
"""Values that are looked at together in float64."""


def token_divergences(
    before: Tensor, after: Tensor, labels: Tensor
) -> tuple[NDArray[np.float64], NDArray[np.bool_], NDArray[np.int64]]:
    """What each token that is a target diverges by.

    Args:
        before: the float model's scores before softmax ``[N, T, V]``.
        after: the other's.
        labels: ``[N, T]``; −100 for what is no target.

    Returns:
        in nats ``[P]``, inf where a score is NaN or Inf; whether the best token is the same ``[P]``; the targets of
        each sequence ``[N]``.
    """
    target = labels != IGNORED
    one, two = before[target], after[target]
    step = max(1, _TOGETHER // max(1, before.shape[-1]))
    found = [_divergences(*part) for part in zip(one.split(step), two.split(step), strict=True)] if len(one) else []
    same = [(a.argmax(-1) == b.argmax(-1)) for a, b in zip(one.split(step), two.split(step), strict=True)]
    empty = torch.zeros(0)
    return (
        torch.cat([*found, empty.double()]).numpy(), torch.cat([*same, empty.bool()]).numpy(),
        target.sum(1).long().numpy(),
    )  # fmt: skip


def _divergences(before: Tensor, after: Tensor) -> Tensor:
    p, q = before.double().log_softmax(-1), after.double().log_softmax(-1)
    # A token of probability 0 adds nothing, whatever the other model gives it.
    each = torch.where(p == -math.inf, 0.0, p.exp() * (p - q))
    return torch.nan_to_num(each.sum(-1), nan=math.inf, posinf=math.inf).clamp(min=0.0)


def summed_up(parts: Sequence[tuple[NDArray[np.float64], NDArray[np.bool_], NDArray[np.int64]]]) -> Divergence:
    """All batches' tokens as one.

    Args:
        parts: as :func:`token_divergences` gives them; at least one token in all.
    """
    each, same, targets = (np.concatenate(column) for column in zip(*parts, strict=True))
    sums = np.add.reduceat(np.append(each, 0.0), np.append(0, np.cumsum(targets)[:-1])) * (targets > 0)
    used = targets > 0
    mean, half = ratio(sums[used], targets[used].astype(np.float64)) if np.isfinite(sums).all() else (math.inf, 0.0)
    median, p99 = np.percentile(each, [50, 99], method="inverted_cdf")
    return Divergence(
        mean=mean, ci95=(max(0.0, mean - half), mean + half), median=float(median), p99=float(p99),
        most=float(each.max()), same_top1=float(same.mean()), tokens=len(each),
    )  # fmt: skip
