"""What a changed output costs: its squared change, its divergence, or the task's loss; for each sample."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from qdebug.errors import UsageError
from qdebug.measure.pixels import class_axis
from qdebug.measure.predictions import WORST_LOSS, ignored
from qdebug.results.sensitivity import Measure

_TOGETHER = 1 << 22
"""Values that are looked at together in float64."""
_DO = "Use the squared error (--measure squared), which is right for any output."


@dataclass(frozen=True)
class Loss:
    """One way of counting what changes of outputs cost. Its mean over samples is the number that is asked for.

    Attributes:
        measure: ``squared``: the squared change, summed over the output. ``kl``: the Kullback-Leibler divergence from
            the float model's softmax to the changed one's, in nats. ``loss``: the changed log-loss of the labels less
            the float one, in nats, of either sign. The latter two are sums over a sample's targets (its one label, its
            tokens or its pixels), divided by the targets that a sample has on average: so the mean over samples is
            that over targets, and of a language model the change of the logarithm of its perplexity.
        axis: along which the scores of classes lie, 1 or −1.
        ignored: labels that are no targets.
        targets: how many a sample has on average.
    """

    measure: Measure
    axis: int = -1
    ignored: tuple[int, ...] = ()
    targets: float = 1.0

    @staticmethod
    def of(measure: Measure, task: str, output: tuple[int, ...], labels: Tensor | None, name: str = "") -> Loss:
        """The way of counting for a model and its data.

        Args:
            measure: what is asked for.
            task: as of :func:`~qdebug.measure.predictions.predictions`.
            output: the shape of the model's output.
            labels: of all data.
            name: the output's, for errors.

        Raises:
            UsageError: a divergence or a loss is asked for, and nothing says that the output is class scores.
        """
        if measure == "squared":
            return Loss(measure)
        axis = class_axis(labels.shape, output) if labels is not None and task == "segmentation" else -1
        if labels is None or task not in ("classification", "language-model", "segmentation") or axis is None:
            said = f" {name!r}" if name else ""
            what = f"The output{said} is not known to be class scores: its data have no class labels"
            raise UsageError(f"{what}, and a {_NAMES[measure]} of anything else means nothing", shape=list(output),
                             do=f"Give labels with the data. For embeddings or numbers: {_DO}")  # fmt: skip
        left_out = ignored(task, output[axis])
        return Loss(measure, axis, left_out, max(float(_is_target(labels, left_out).sum()) / len(labels), 1e-9))

    def changes(self, before: Tensor, after: Tensor, labels: Tensor | None) -> NDArray[np.float64]:
        """What each sample's change costs, ``[N]``.

        Args:
            before: the float model's outputs ``[N, …]``.
            after: the changed ones.
            labels: ``[N, …]``.

        Raises:
            UsageError: the outputs are probabilities already, not scores before the softmax.
        """
        if self.measure == "squared":
            return _squared(before, after)
        assert labels is not None
        step = max(1, _TOGETHER // max(before[0].numel(), 1))
        parts = zip(before.split(step), after.split(step), labels.split(step), strict=True)
        return np.concatenate([self._costs(*part) for part in parts])

    def weights(self, labels: Tensor) -> Tensor:
        """What each place counts, in float32: ``[N, …]`` with one place along the class axis."""
        return (_is_target(labels, self.ignored).float() / self.targets).unsqueeze(self.axis)

    def slope(self, output: Tensor, labels: Tensor) -> Tensor:
        """The gradient of the task's loss at the output, in the output's shape: softmax less label, where a target."""
        p = torch.softmax(output.float(), self.axis)
        places = _places(labels, self.ignored).unsqueeze(self.axis)
        p.scatter_add_(self.axis, places, torch.full(places.shape, -1.0))
        return (p * self.weights(labels)).to(output.dtype)

    def check(self, output: Tensor) -> None:
        """Refuse an output of probabilities: a softmax of those is none that anybody means.

        Raises:
            UsageError: all values are positive and those of each place add up to one.
        """
        if self.measure == "squared" or float(output.min()) < 0:
            return
        if torch.allclose(output.float().sum(self.axis), torch.ones(()), atol=1e-3):
            raise UsageError(
                f"The output is probabilities already, and a {_NAMES[self.measure]} is counted from the scores before",
                do=f"End the model before its softmax, or: {_DO}",
            )

    def _costs(self, before: Tensor, after: Tensor, labels: Tensor) -> NDArray[np.float64]:
        self.check(before)
        one, two = (torch.log_softmax(scores.double(), self.axis) for scores in (before, after))
        if self.measure == "kl":
            p = one.exp()
            places = torch.where(p > 0, p * (one - two), 0.0).sum(self.axis).clamp(min=0.0)  # but for rounding
        else:
            index = _places(labels, self.ignored).unsqueeze(self.axis)
            losses = (-scores.gather(self.axis, index).squeeze(self.axis) for scores in (one, two))
            float_, changed = (torch.nan_to_num(loss, nan=WORST_LOSS, posinf=WORST_LOSS) for loss in losses)
            places = changed - float_
        counted = torch.where(_is_target(labels, self.ignored), places, 0.0)
        found: NDArray[np.float64] = (counted.reshape(len(counted), -1).sum(1) / self.targets).cpu().numpy()
        return found


_NAMES = {"kl": "Kullback-Leibler divergence", "loss": "loss"}


def _squared(before: Tensor, after: Tensor) -> NDArray[np.float64]:
    rows = (after - before).reshape(len(after), -1)
    found: NDArray[np.float64] = torch.linalg.vector_norm(rows, dim=1, dtype=torch.float64).square().cpu().numpy()
    return found


def _is_target(labels: Tensor, left_out: tuple[int, ...]) -> Tensor:
    return ~torch.isin(labels, torch.tensor(left_out, dtype=labels.dtype)) if left_out else torch.ones_like(labels) > 0


def _places(labels: Tensor, left_out: tuple[int, ...]) -> Tensor:
    """Labels as indices; 0 where there is no target."""
    return torch.where(_is_target(labels, left_out), labels, 0).long()
