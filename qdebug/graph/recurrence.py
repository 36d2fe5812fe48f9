"""RNN, GRU and LSTM taken apart: what their matrices multiply, step by step, and all that follows from the products.

A sequence is gone through twice. :func:`states` walks it in time and keeps what each matrix multiplies in each step:
these are the inputs of layers like any other, one row for each step of each sample. From the layers' products,
:func:`outputs` computes all steps at once. So a matrix is one layer however long a sequence is, and its input has all
steps together.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import torch
from torch import Tensor
from torch.nn import functional as F

from qdebug.graph.gates import Spelled, function

States: TypeAlias = tuple[Tensor, ...]
Product: TypeAlias = Callable[[int, Tensor], Tensor]
"""Multiplies what a cell hands it with the cell's first or second recurrent matrix."""
ProductAt: TypeAlias = Callable[[int, Tensor, int], Tensor]
"""The same, told the place in time."""
STATES, OUTPUTS, CELL = "recurrent.states", "recurrent.outputs", "recurrent.cell"
"""Names of the operators."""


@dataclass(frozen=True)
class Cell:
    """What one step computes.

    Attributes:
        kind: which cell.
        gates: what the rows of its matrices belong to, block by block, in one letter each: of a GRU ``r`` (reset),
            ``z`` (update) and ``n`` (candidate), of an LSTM ``i`` (input), ``f`` (forget), ``g`` (candidate) and
            ``o`` (output).
        activations: of an RNN one; of a GRU those of gates and candidate; of an LSTM a third, of the cell state.
        clip: what goes into gates and candidates is kept within ±clip; 0 for no bound.
        reset_first: of a GRU: the reset gate scales the state before the candidate's matrix multiplies it, which then
            is a second matrix, instead of the product.
        coupled: of an LSTM: what is let in is what is forgotten, f = 1 − i.
        projects: of an LSTM: a second matrix makes the new state smaller.
    """

    kind: Literal["rnn", "gru", "lstm"]
    gates: str
    activations: tuple[Spelled, ...]
    clip: float = 0.0
    reset_first: bool = False
    coupled: bool = False
    projects: bool = False

    def step(self, x: Tensor, state: States, product: Product, looks: Tensor | None = None) -> States:
        """The state after one step.

        Args:
            x: products of the input with its matrix, bias included, ``[N, gates · H]``.
            state: h and, of an LSTM, c, ``[N, H]``.
            product: with the recurrent matrices, biases included.
            looks: what the cell state weighs in the gates i, o and f, ``[3 · H]`` (peepholes).
        """
        return {"rnn": self._rnn, "gru": self._gru, "lstm": self._lstm}[self.kind](x, state, product, looks)

    def _rnn(self, x: Tensor, state: States, product: Product, looks: Tensor | None) -> States:
        return (function(self.activations[0], self.clip)(x + product(0, state[0])),)

    def _gru(self, x: Tensor, state: States, product: Product, looks: Tensor | None) -> States:
        f, g = (function(one, self.clip) for one in self.activations)
        (h,), width = state, state[0].shape[-1]
        theirs = product(0, h)
        both = f(x[:, : 2 * width] + theirs[:, : 2 * width]).chunk(2, -1)
        update, reset = both if self.gates.startswith("z") else both[::-1]
        inner = product(1, reset * h) if self.reset_first else reset * theirs[:, 2 * width :]
        new = g(x[:, 2 * width :] + inner)
        return (new + update * (h - new),)

    def _lstm(self, x: Tensor, state: States, product: Product, looks: Tensor | None) -> States:
        f, g = (function(one, self.clip) for one in self.activations[:2])
        out = function(self.activations[2], 0.0)  # ONNX Runtime clips what goes into the gates, not the cell state
        h, c = state
        total = x + product(0, h)
        plain = dict(zip(self.gates, total.chunk(4, -1), strict=True))
        seen = None if looks is None else looks.reshape(3, -1)
        if seen is None:
            gate = dict(zip(self.gates, f(total).chunk(4, -1), strict=True))  # one call is faster than three
        else:
            gate = {"i": f(plain["i"] + seen[0] * c), "f": f(plain["f"] + seen[2] * c)}
        let_in = gate["i"]
        keep = 1 - let_in if self.coupled else gate["f"]
        new = keep * c + let_in * g(plain["g"])
        if seen is not None:
            gate["o"] = f(plain["o"] + seen[1] * new)
        shown = gate["o"] * out(new)
        return product(1, shown) if self.projects else shown, new


def states(
    projected: Tensor, weights: Sequence[Tensor], biases: Sequence[Tensor | None], first: Sequence[Tensor | None],
    lengths: Tensor | None = None, looks: Tensor | None = None, *, cell: Cell, reverse: bool,
    product: ProductAt | None = None,
) -> tuple[Tensor, ...]:  # fmt: skip
    """Walk sequences in time.

    What lies behind a sequence's length leaves its state as it is; backwards, each sequence begins at its own end.

    Args:
        projected: products of the input with its matrix, bias included, ``[B, S, gates · H]``.
        weights: the recurrent matrices, ``[out, in]``.
        biases: of each.
        first: the first h and, of an LSTM, c, ``[B, H]``; zeros where None.
        lengths: of each sequence, ``[B]``.
        looks: see :meth:`Cell.step`.
        cell: what a step computes.
        reverse: from the end to the beginning.
        product: multiplies in the place of the matrices; told which one, what, and the place in time.

    Returns:
        What each matrix multiplies, ``[B · S, in]``, the steps of a sample one behind the other; the first one's are
        the states before each step. Of an LSTM, the cell states before each step are last, ``[B · S, H]``.
    """
    batch, count = projected.shape[:2]
    multiply = product or (lambda which, value, time: F.linear(value, weights[which], biases[which]))
    state = _begun(projected, weights, first, cell)
    met: list[list[Tensor]] = [[projected] * count for _ in range(len(weights) + len(state) - 1)]

    def taken(which: int, value: Tensor) -> Tensor:
        met[which][time] = value
        return multiply(which, value, time)

    for time in range(count - 1, -1, -1) if reverse else range(count):
        for place, one in enumerate(state[1:], len(weights)):
            met[place][time] = one
        new = cell.step(projected[:, time], state, taken, looks)
        if lengths is not None:
            now = (time < lengths).unsqueeze(-1)
            new = tuple(torch.where(now, one, old) for one, old in zip(new, state, strict=True))
        state = new
    return tuple(torch.stack(one, 1).reshape(batch * count, -1) for one in met)


def _begun(projected: Tensor, weights: Sequence[Tensor], first: Sequence[Tensor | None], cell: Cell) -> States:
    """The state before the first step."""
    wide = projected.shape[-1] // len(cell.gates)
    widths = [weights[0].shape[1], wide][: 2 if cell.kind == "lstm" else 1]
    return tuple(
        projected.new_zeros(len(projected), width) if one is None else one
        for one, width in zip(first, widths, strict=True)
    )


def outputs(
    projected: Tensor, before: Sequence[Tensor], products: Sequence[Tensor], lengths: Tensor | None = None,
    looks: Tensor | None = None, *, cell: Cell, reverse: bool,
) -> tuple[Tensor, ...]:  # fmt: skip
    """What follows from a walk's products, in all steps at once.

    Args:
        projected: as for :func:`states`.
        before: the state before each step, ``[B · S, H]``: h and, of an LSTM, c.
        products: of each recurrent matrix, bias included, ``[B · S, out]``.
        lengths: of each sequence, ``[B]``; what lies behind is zero.
        looks: see :meth:`Cell.step`.
        cell: what a step computes.
        reverse: from the end to the beginning.

    Returns:
        All states ``[B, S, H]``, the last state ``[B, H]`` and, of an LSTM, the last cell state ``[B, H]``.
    """
    batch, count = projected.shape[:2]
    flat = projected.reshape(batch * count, -1)
    new = [one.reshape(batch, count, -1) for one in cell.step(flat, tuple(before), lambda n, _: products[n], looks)]
    if lengths is None:
        return new[0], *(one[:, 0 if reverse else -1] for one in new)
    within = torch.arange(count, device=projected.device) < lengths.reshape(-1, 1)  # [B, S]
    end = torch.zeros_like(lengths) if reverse else (lengths - 1).clamp(min=0)
    began = [one.reshape(batch, count, -1)[:, 0] for one in before]  # in a sequence of no steps
    last = [
        torch.where((lengths > 0).unsqueeze(-1), one[torch.arange(batch), end.long()], other)
        for one, other in zip(new, began, strict=True)
    ]
    return torch.where(within.unsqueeze(-1), new[0], torch.zeros_like(new[0])), *last


def single(projected: Tensor, before: Sequence[Tensor], product: Tensor, *, cell: Cell) -> tuple[Tensor, ...]:
    """One step: the new h and, of an LSTM, c, ``[B, H]``. Arguments as for :func:`outputs`, without time."""
    return cell.step(projected, tuple(before), lambda _n, _value: product)


def walked(
    projected: Tensor, weights: Sequence[Tensor], biases: Sequence[Tensor | None], *given: Any, cell: Cell,
    reverse: bool,
) -> tuple[Tensor, ...]:  # fmt: skip
    """:func:`states` and :func:`outputs` at once, where the matrices are no layers. ``given`` as for the former."""
    found = states(projected, weights, biases, *given, cell=cell, reverse=reverse)
    count = len(weights)
    products = [F.linear(*one) for one in zip(found[:count], weights, biases, strict=True)]
    before = (found[0], *found[count:])
    return outputs(projected, before, products, *given[1:], cell=cell, reverse=reverse)
