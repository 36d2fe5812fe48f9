"""The search for the clip range with the smallest squared error.

The error as a function of the two clip limits is a valley with small ripples (each value jumps from code to code), so
the search goes from coarse to fine on a logarithmic grid and follows the best few valleys. It sees the true error of
the grid that would be used, never a model of it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import product

import torch
from torch import Tensor

Errors = Callable[[Tensor, Tensor], Tensor]
"""Clip limits ``low, high`` of shape ``[K, ...]`` to squared errors of the same shape, for K candidates at once."""

_OCTAVES = 10
"""How far below the observed limits the search looks: to 1/1024 of them."""


def search_clip(rmin: Tensor, rmax: Tensor, symmetric: bool, errors: Errors) -> tuple[Tensor, Tensor]:
    """The best clip range inside each ``[rmin, rmax]``; never worse than ``[rmin, rmax]`` itself.

    Args:
        rmin: observed lower limits, float64, not above zero. Each element is searched by itself.
        rmax: observed upper limits, of that shape, not below zero.
        symmetric: shrink both limits together (only the wider one counts).
        errors: the squared error of candidates.
    """
    search = _Search(rmin, rmax, symmetric, errors)
    if symmetric:
        # near the observed limits, where 8 bits have their best, the ripples are fine
        steps = [-i / 8 for i in range(8 * _OCTAVES)] + [-i / 64 for i in range(1, 32) if i % 8]
        search.coarse([(step, step) for step in steps])
        search.refine([1 / 16, 1 / 32, 1 / 64, 1 / 128, 1 / 256, 1 / 512], [(-1, -1), (1, 1)])
    else:
        steps = [-float(i) for i in range(_OCTAVES)]
        search.coarse(list(product(steps, steps)))
        around = [pair for pair in product((-1, 0, 1), repeat=2) if pair != (0, 0)]
        search.refine([1 / 2, 1 / 4, 1 / 4, 1 / 8, 1 / 8, 1 / 16, 1 / 32, 1 / 64], around)
    return search.best()


class _Search:
    """Candidates are pairs of exponents: the limits are ``rmin · 2^a`` and ``rmax · 2^b`` with ``a, b ≤ 0``."""

    def __init__(self, rmin: Tensor, rmax: Tensor, symmetric: bool, errors: Errors) -> None:
        absmax = torch.maximum(-rmin, rmax)
        self._rmin, self._rmax = (-absmax, absmax) if symmetric else (rmin, rmax)
        self._errors = errors
        self._kept = 3
        self._where = torch.empty(0)  # [kept, 2, ...]
        self._error = torch.empty(0)  # [kept, ...]

    def coarse(self, pairs: list[tuple[float, float]]) -> None:
        """Try these exponents everywhere and keep the best few of each element."""
        grid = torch.tensor(pairs, dtype=torch.float64).view(len(pairs), 2, *[1] * self._rmin.dim())
        where = grid.expand(len(pairs), 2, *self._rmin.shape)
        self._keep(where, self._try(where))

    def refine(self, steps: list[float], around: Sequence[tuple[int, ...]]) -> None:
        """Move from each kept candidate to the best of its neighbours, with smaller and smaller steps."""
        for step in steps:
            places, errors = [], []
            for shift in [(0, 0), *around]:
                move = torch.tensor(shift, dtype=torch.float64).mul_(step).view(1, 2, *[1] * self._rmin.dim())
                places.append((self._where + move).clamp_(max=0.0))
                errors.append(self._error if shift == (0, 0) else self._try(places[-1]))
            best = torch.stack(errors).argmin(0, keepdim=True)
            self._error = torch.stack(errors).gather(0, best)[0]
            chosen = best.unsqueeze(2).expand(1, best.shape[1], 2, *best.shape[2:])
            self._where = torch.stack(places).gather(0, chosen)[0]

    def best(self) -> tuple[Tensor, Tensor]:
        """The limits of the best candidate."""
        first = self._error.argmin(0, keepdim=True)
        where = self._where.gather(0, first.unsqueeze(1).expand(1, 2, *first.shape[1:]))[0]
        return self._rmin * 2.0 ** where[0], self._rmax * 2.0 ** where[1]

    def _try(self, where: Tensor) -> Tensor:
        return self._errors(self._rmin * 2.0 ** where[:, 0], self._rmax * 2.0 ** where[:, 1])

    def _keep(self, where: Tensor, error: Tensor) -> None:
        order = error.argsort(dim=0, stable=True)[: self._kept]
        self._error = error.gather(0, order)
        self._where = where.gather(0, order.unsqueeze(1).expand(len(order), 2, *order.shape[1:]))
