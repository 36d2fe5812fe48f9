"""Losses: NegativeLogLikelihoodLoss and SoftmaxCrossEntropyLoss."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from qdebug.doors.onnx.registry import operator


@operator("NegativeLogLikelihoodLoss", 12)
def nll_loss(
    x: Tensor, target: Tensor, weight: Tensor | None = None, *, ignore_index: int | None = None,
    reduction: str = "mean",
) -> Tensor:  # fmt: skip
    """The negated log-probability of each target class; targets that are ``ignore_index`` count as nothing.

    Args:
        x: log-probabilities, ``[N, C, *]``.
        target: classes, ``[N, *]``.
        weight: of each class, ``[C]``.
        ignore_index: a target to leave out.
        reduction: ``mean`` (weighted), ``sum`` or ``none``.
    """
    known = torch.ones_like(target, dtype=torch.bool) if ignore_index is None else target != ignore_index
    place = torch.where(known, target, torch.zeros_like(target)).long()
    factor = known.to(x.dtype) if weight is None else torch.where(known, weight[place], torch.zeros_like(weight[:1]))
    loss = torch.where(known, -x.gather(1, place.unsqueeze(1)).squeeze(1), torch.zeros_like(x[:1, 0])) * factor
    if reduction == "none":
        return loss
    return loss.sum() if reduction == "sum" else loss.sum() / factor.sum()


@operator("SoftmaxCrossEntropyLoss", 12)
def softmax_cross_entropy(
    x: Tensor, target: Tensor, weight: Tensor | None = None, *, ignore_index: int | None = None,
    reduction: str = "mean", outputs: list[bool],
) -> Tensor | tuple[Tensor, Tensor]:  # fmt: skip
    """The same of scores, and on request their log-probabilities."""
    logs = F.log_softmax(x, 1)
    loss = nll_loss(logs, target, weight, ignore_index=ignore_index, reduction=reduction)
    return (loss, logs) if len(outputs) > 1 else loss
