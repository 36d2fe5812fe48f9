"""A short stand-in for the change of an output: products of stand-ins are, nearly, those of the changes.

Each value of a sample's change is given a sign at random, always the same, and added to one of a few sums. The product
of two samples' sums has the product of the two changes as its mean, and the errors of many samples cancel (Charikar,
Chen and Farach-Colton 2002, "Finding frequent items in data streams"; as random projection: Achlioptas 2003, J. Comput.
Syst. Sci. 66:671). With M sums in all, the product of changes a and b is off by |a|·|b|·√(2 / M) at most, as a standard
deviation.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

SUMS = 2048
"""Over all samples, or one for each sample where these are more: products are off by 3 % of the norms' product."""
_SPREAD = 8
"""Signs of two samples are the same ones, shifted by a random part of so many times the number of samples."""
_TOGETHER = 1 << 22
"""Values that are looked at together, and signs that are kept."""


def width(samples: int, values: int) -> int:
    """Sums that stand for the output of one sample, of so many values; a short output stands for itself."""
    sums = max(1, SUMS // max(samples, 1))
    return values if values <= 2 * sums else sums


class Sketcher:
    """Makes stand-ins for the outputs of one set of samples.

    Args:
        samples: how many there are.
        values: each one's output has.
        sums: that stand for it, of :func:`width`.
    """

    def __init__(self, samples: int, values: int, sums: int) -> None:
        self._values, self._sums = values, sums
        dice = np.random.default_rng(0)
        self._offsets = dice.permutation(_SPREAD * samples)[:samples]
        self._signs = torch.from_numpy(dice.choice(np.array([-1, 1], np.float32), values + _SPREAD * samples))
        self._kept: dict[tuple[int, int], Tensor] = {}

    def sketch(self, before: Tensor, after: Tensor, first: int) -> NDArray[np.float64]:
        """Stand-ins ``[n, sums]`` for the changes of some samples.

        Args:
            before: outputs ``[n, …]`` of ``values`` values each.
            after: others.
            first: the first one's place among all samples.
        """
        step = max(1, _TOGETHER // self._values)
        if len(before) <= step:
            return self._some(before.flatten(1), after.flatten(1), first)
        parts = zip(before.flatten(1).split(step), after.flatten(1).split(step), strict=True)
        return np.concatenate([self._some(*part, first + place * step) for place, part in enumerate(parts)])

    def _some(self, before: Tensor, after: Tensor, first: int) -> NDArray[np.float64]:
        change = (after - before).float().cpu()
        if self._sums != self._values:
            blocks = -(-self._values // self._sums)
            signed = change.new_empty(len(change), blocks * self._sums)
            torch.mul(change, self._signs_of(first, len(change)), out=signed[:, : self._values])
            signed[:, self._values :].zero_()
            change = signed.view(len(change), blocks, self._sums).sum(1)
        found: NDArray[np.float64] = change.double().numpy()
        return found

    def _signs_of(self, first: int, count: int) -> Tensor:
        """The signs of some samples' values, ``[n, values]``; kept for the next item, whose batches are the same."""
        found = self._kept.get((first, count))
        if found is None:
            found = self._signs.unfold(0, self._values, 1)[self._offsets[first : first + count]]
            if sum(one.numel() for one in self._kept.values()) + found.numel() <= _TOGETHER:
                self._kept[first, count] = found
        return found
