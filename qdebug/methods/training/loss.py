"""What training makes small: how far outputs are from the float network's, and from the labels where these count."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor


class Teaching:
    """Distillation from the float network (Hinton, Vinyals, Dean 2015, arXiv:1503.02531, section 2), and labels beside.

    Where outputs are scores of classes: ``T² · KL(softmax(float / T) ‖ softmax(trained / T))``, in nats, as the mean
    over all places that have scores. Elsewhere: the squared difference over ``scale``, as the mean over all values.

    Args:
        axis: of the classes; None where outputs are no scores.
        temperature: T.
        labels: part of the loss that is the labels' cross-entropy.
        ignored: labels that are no targets.
        scale: the mean square of the float network's outputs.
    """

    def __init__(
        self, axis: int | None, temperature: float = 1.0, labels: float = 0.0, ignored: tuple[int, ...] = (),
        scale: float = 1.0,
    ) -> None:  # fmt: skip
        self._axis, self._temperature, self._share = axis, temperature, labels
        self._ignored, self._scale = ignored, max(scale, torch.finfo(torch.float32).tiny)

    def __call__(self, found: Tensor, wanted: Tensor, labels: Tensor | None) -> Tensor:
        """The loss of a batch's outputs, a scalar."""
        distilled = self._distilled(found.float(), wanted.float())
        if labels is None or not self._share or self._axis is None:
            return distilled
        return (1 - self._share) * distilled + self._share * self._task(found.float(), labels)

    def _distilled(self, found: Tensor, wanted: Tensor) -> Tensor:
        if self._axis is None:
            return (found - wanted).square().mean() / self._scale
        one, two = (torch.log_softmax(scores / self._temperature, self._axis) for scores in (wanted, found))
        kept = one > -torch.inf
        places = torch.where(kept, one.exp() * (one - two), 0.0).sum(self._axis)
        return self._temperature**2 * places.mean()

    def _task(self, found: Tensor, labels: Tensor) -> Tensor:
        assert self._axis is not None
        wanted = labels
        for one in self._ignored:
            wanted = wanted.masked_fill(labels == one, -100)
        return F.cross_entropy(found.movedim(self._axis, 1), wanted)
