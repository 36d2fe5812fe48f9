"""How far a layer's output is from the float layer's, as a function of its weight: the error and its slope."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from qdebug.methods.bench import Bench, Problem
from qdebug.methods.inputs import Design, inputs, require_finite

hardtanh_backward = torch.ops.aten.hardtanh_backward.default
MOST = 2**22
"""Values, of inputs and outputs together, that are kept of a layer's rows where its objective needs them."""


class Objective(Protocol):
    """The mean squared change of a layer's outputs over rows of its input; each row of the weight has its own."""

    @property
    def power(self) -> Tensor:
        """The mean square of the layer's input as it sees it, float32 ``[R, 1]``."""
        ...

    def errors(self, values: Tensor) -> Tensor:
        """The objective of weights ``[R, C]``, float64 ``[R]``."""
        ...

    def slope(self, values: Tensor, turn: int) -> Tensor:
        """Its gradient, float32 ``[R, C]``, on all rows or on the batch whose turn it is."""
        ...


class Quadratic:
    """``E ‖W x − Ŵ x̂‖²`` by row: ``Δ Ĥ Δᵀ + 2 Δ·b + c`` with Δ = Ŵ − W, exact for all rows at no cost per row.

    ``Ĥ = E[x̂ x̂ᵀ]``, ``b = E[(W x̂ − W x) x̂ᵀ]`` and ``c = E (W x̂ − W x)²``.

    Args:
        weight: W, float32 ``[R, C]``.
        gram: Ĥ, float64 ``[groups, C, C]``.
        lean: b, float64 ``[R, C]``.
        least: c, float64 ``[R]``.
        means: where outputs may be shifted by their bias at will, E[x̂] ``[groups, C]`` and E[W x̂ − W x] ``[R]``, of
            which the others are then without.
    """

    def __init__(
        self, weight: Tensor, gram: Tensor, lean: Tensor, least: Tensor, means: tuple[Tensor, Tensor] | None = None
    ) -> None:  # fmt: skip
        self._means = means
        self._weight, self._gram, self._lean, self._least = weight, gram, lean, least
        self._single, self._towards = gram.float(), 2 * lean.float()
        each = len(weight) // len(gram)
        self.power = gram.diagonal(dim1=1, dim2=2).mean(1).float().repeat_interleave(each)[:, None]

    def errors(self, values: Tensor) -> Tensor:
        """See :class:`Objective`."""
        off = values.double() - self._weight.double()
        return (off * (_grouped(off, self._gram) + 2 * self._lean)).sum(1) + self._least

    def slope(self, values: Tensor, turn: int) -> Tensor:
        """See :class:`Objective`; always on all rows."""
        return _grouped(values - self._weight, self._single).mul_(2).add_(self._towards)

    def both(self, values: Tensor) -> tuple[Tensor, Tensor]:
        """The slope and the errors, of one product; the errors in float32 ``[R]``."""
        off = values - self._weight
        slope = _grouped(off, self._single).mul_(2).add_(self._towards)
        return slope, (off * (slope + self._towards)).sum(1).mul_(0.5).add_(self._least.float())

    def shift(self, values: Tensor) -> Tensor:
        """What makes outputs right on the mean when it is added to the bias, float64 ``[R]``."""
        assert self._means is not None
        mean, off = self._means
        change = (values.double() - self._weight.double()).view(len(mean), -1, mean.shape[1])
        return -(torch.bmm(change, mean[:, :, None]).flatten() + off)


class Sampled:
    """``E ‖f(W x + b) − f(Ŵ x̂ + b)‖²`` on kept rows, ``f`` clamping to an interval.

    Args:
        rows: x̂, float32 ``[groups, n, C]``.
        outputs: ``f(W x + b)``, float32 ``[groups, n, R / groups]``.
        bias: ``[groups, 1, R / groups]``.
        limits: of the interval.
        batch: rows per turn.
    """

    def __init__(
        self, rows: Tensor, outputs: Tensor, bias: Tensor, limits: tuple[float, float], batch: int
    ) -> None:  # fmt: skip
        self._rows, self._outputs, self._bias, self._limits = rows, outputs, bias, limits
        self._batch = min(batch, rows.shape[1])
        self._turns = rows.shape[1] // self._batch
        mean = torch.stack([group.square().mean() for group in rows])
        self.power = mean.repeat_interleave(outputs.shape[2])[:, None]

    def errors(self, values: Tensor) -> Tensor:
        """See :class:`Objective`."""
        total = torch.zeros(values.shape[0], dtype=torch.float64)
        for start in range(0, self._rows.shape[1], 4096):
            part = slice(start, start + 4096)
            off = self._before(values, part).clamp_(*self._limits).sub_(self._outputs[:, part])
            total += off.double().square().sum(1).flatten()
        return total / self._rows.shape[1]

    def slope(self, values: Tensor, turn: int) -> Tensor:
        """See :class:`Objective`; batches take turns."""
        start = turn % self._turns * self._batch
        part = slice(start, start + self._batch)
        out = self._before(values, part)
        # What is clamped passes no gradient on; what is not, is off by its own value.
        off = hardtanh_backward(out - self._outputs[:, part], out, *self._limits)
        found = off.transpose(1, 2) @ self._rows[:, part]
        return found.view(values.shape).mul_(2 / self._batch)

    def _before(self, values: Tensor, part: slice) -> Tensor:
        """The outputs on some rows before they are clamped."""
        rows = self._rows[:, part]
        return torch.baddbmm(self._bias, rows, values.view(len(rows), -1, values.shape[1]).transpose(1, 2))


@dataclass(frozen=True)
class Follower:
    """What a layer's output goes through: a clamp to an interval, and the layer's bias, ``[R]``."""

    limits: tuple[float, float]
    bias: Tensor


def _grouped(matrix: Tensor, gram: Tensor) -> Tensor:
    return torch.bmm(matrix.view(len(gram), -1, matrix.shape[1]), gram).view(matrix.shape)


def objectives(
    bench: Bench, designs: Sequence[Design], problems: Sequence[Problem], followers: Sequence[Follower | None],
    *, sequential: bool, batch: int, seed: int,
) -> list[Objective]:  # fmt: skip
    """The objectives of layers that read the same value.

    Args:
        bench: the model as it stands.
        designs: the layers.
        problems: their weights.
        followers: what their outputs go through; without, the objective is quadratic and takes in all rows.
        sequential: whether x̂ is what the bench's model gives, or the float model's input; quantized in both cases as
            the layer says.
        batch: rows per turn.
        seed: of the choice of rows, at most :data:`MOST` values.

    Raises:
        NumericError: an input holds NaN or Inf.
    """
    makers = [
        _maker(*given, len(bench.batches), batch, seed) for given in zip(designs, problems, followers, strict=True)
    ]
    _gather(bench, designs, makers, sequential)
    return [maker.made() for maker in makers]


def quadratics(
    bench: Bench, designs: Sequence[Design], problems: Sequence[Problem], *, sequential: bool, centred: bool
) -> list[Quadratic]:  # fmt: skip
    """The quadratic objectives of layers that read the same value (see :func:`objectives`).

    Args:
        bench: as there.
        designs: as there.
        problems: as there.
        sequential: as there.
        centred: whether the mean of each output is left out, since the bias can make it right.
    """
    makers = [_Sums(design, problem, centred=centred) for design, problem in zip(designs, problems, strict=True)]
    _gather(bench, designs, makers, sequential)
    return [maker.made() for maker in makers]


def _gather(bench: Bench, designs: Sequence[Design], makers: Sequence[_Sums | _Kept], sequential: bool) -> None:
    place = {design.layer.step: one for design, one in zip(designs, makers, strict=True)}
    seen_on = bench.sheet if sequential else bench.reference
    for data in bench.batches:
        plain = {one.layer.step: x for one, x in inputs(bench.engine, designs, bench.reference, data, bench.work)}
        for one, seen in inputs(bench.engine, designs, seen_on, data, bench.work, bench.quants):
            place[one.layer.step].add(seen, plain.pop(one.layer.step))


def _maker(
    design: Design, problem: Problem, follower: Follower | None, batches: int, batch: int, seed: int
) -> _Sums | _Kept:
    if follower is None:
        return _Sums(design, problem)
    return _Kept(design, problem, follower, batches, batch, seed)


def _turned(problem: Problem, rows: Tensor) -> Tensor:
    require_finite(rows, layer=problem.layer.name)
    return rows if problem.basis is None else problem.basis.dual(rows.reshape(-1, rows.shape[-1])).view(rows.shape)


class _Sums:
    """Gathers what a :class:`Quadratic` is made of."""

    def __init__(self, design: Design, problem: Problem, *, centred: bool = False) -> None:
        self._design, self._problem, self._centred, self._count = design, problem, centred, 0
        size = problem.weight.shape[1]
        self._gram = torch.zeros(design.groups, size, size, dtype=torch.float64)
        self._lean = torch.zeros(problem.weight.shape, dtype=torch.float64)
        self._least, self._off = torch.zeros(2, len(problem.weight), dtype=torch.float64)
        self._mean = torch.zeros(design.groups, size, dtype=torch.float64)

    def add(self, seen: Tensor, plain: Tensor) -> None:
        """Take in a batch's rows."""
        seen, plain = _turned(self._problem, seen), _turned(self._problem, plain)
        shift = self._design.products(seen - plain, self._problem.weight)
        self._gram += seen.transpose(1, 2) @ seen
        self._lean += (shift.transpose(1, 2) @ seen).view(self._lean.shape)
        self._least += shift.double().square().sum(1).flatten()
        self._off += shift.sum(1, dtype=torch.float64).flatten()
        self._mean += seen.sum(1, dtype=torch.float64)
        self._count += seen.shape[1]

    def made(self) -> Quadratic:
        """The objective."""
        gram, lean, least, mean, off = (
            part / self._count for part in (self._gram, self._lean, self._least, self._mean, self._off)
        )
        if not self._centred:
            return Quadratic(self._problem.weight, gram, lean, least)
        gram -= mean[:, :, None] * mean[:, None]
        lean -= (off.view(len(mean), -1, 1) * mean[:, None]).view(lean.shape)
        return Quadratic(self._problem.weight, gram, lean, (least - off.square()).clamp_min_(0), (mean, off))


class _Kept:
    """Keeps what a :class:`Sampled` is made of: the same number of rows of each batch, chosen by the dice."""

    def __init__(
        self, design: Design, problem: Problem, follower: Follower, batches: int, batch: int, seed: int
    ) -> None:  # fmt: skip
        self._design, self._problem, self._follower, self._batch = design, problem, follower, batch
        outputs, columns = problem.weight.shape
        self._share = max(1, MOST // (design.groups * columns + outputs) // batches)
        self._dice = torch.Generator().manual_seed((seed << 20) + design.layer.step)
        self._rows: list[Tensor] = []
        self._outputs: list[Tensor] = []

    def add(self, seen: Tensor, plain: Tensor) -> None:
        """Take in some of a batch's rows."""
        chosen = torch.randperm(seen.shape[1], generator=self._dice)[: self._share]
        seen, plain = (_turned(self._problem, rows[:, chosen]) for rows in (seen, plain))
        out = self._design.products(plain, self._problem.weight) + self._bias()
        self._rows.append(seen)
        self._outputs.append(out.clamp_(*self._follower.limits))

    def _bias(self) -> Tensor:
        return self._follower.bias.float().view(self._design.groups, 1, -1)

    def made(self) -> Sampled:
        """The objective, on rows in an order of the dice's."""
        order = torch.randperm(sum(rows.shape[1] for rows in self._rows), generator=self._dice)
        rows, outputs = (torch.cat(parts, 1)[:, order] for parts in (self._rows, self._outputs))
        return Sampled(rows, outputs, self._bias(), self._follower.limits, self._batch)
