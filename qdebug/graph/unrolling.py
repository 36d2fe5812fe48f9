"""torch's recurrent operators as steps: each of their matrices becomes the weight of a linear layer."""

from __future__ import annotations

import operator
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import Tensor

from qdebug.graph.gates import RELU, SIGMOID, TANH
from qdebug.graph.program import Program, Ref, Step, moved_template
from qdebug.graph.prune import pruned
from qdebug.graph.recurrence import CELL, OUTPUTS, STATES, Cell, outputs, single, states

_aten = torch.ops.aten
LSTM = Cell("lstm", "ifgo", (SIGMOID, TANH, TANH))
GRU = Cell("gru", "rzn", (SIGMOID, TANH))
_SEQUENCES = {
    "aten.lstm.input": LSTM, "aten.gru.input": GRU,
    "aten.rnn_tanh.input": Cell("rnn", "h", (TANH,)), "aten.rnn_relu.input": Cell("rnn", "h", (RELU,)),
}  # fmt: skip
_CELLS = {
    "aten.lstm_cell.default": LSTM, "aten.gru_cell.default": GRU,
    "aten.rnn_tanh_cell.default": Cell("rnn", "h", (TANH,)), "aten.rnn_relu_cell.default": Cell("rnn", "h", (RELU,)),
}  # fmt: skip


def unroll(program: Program) -> Program:
    """The same function with ``LSTM``, ``GRU``, ``RNN`` and their cells taken apart.

    The product of a sequence with a ``weight_ih`` is a linear layer; those with a ``weight_hh`` (and an LSTM's
    ``weight_hr``) are one as well, on what :func:`~qdebug.graph.recurrence.states` finds. Inside, samples come first.
    Each layer's module is called as its weight. An operator in training mode with dropout is left as it is, as is one
    on packed sequences.
    """
    if not any(_cell(step) for step in program.steps):
        return program
    build = _Build(program)
    for step in program.steps:
        cell = _cell(step)
        if cell is None:
            build.keep(step)
        elif step.op in _CELLS:
            build.cell(step, cell)
        else:
            build.sequence(step, cell)
    return pruned(program.rebuilt(build.steps, build.state, build.moved))


def _cell(step: Step) -> Cell | None:
    if step.op in _SEQUENCES and len(step.args) == 9 and not step.kwargs:
        trains, dropout = bool(step.args[6]), float(step.args[5])
        return None if trains and dropout else _SEQUENCES[step.op]
    return _CELLS.get(step.op) if not step.kwargs else None


@dataclass
class _Build:
    """The new list of steps while it grows."""

    program: Program
    steps: list[Step] = field(default_factory=list)
    state: dict[int, Tensor] = field(default_factory=dict)
    moved: dict[int, int] = field(default_factory=dict)
    parts: dict[int, tuple[Ref, ...]] = field(default_factory=dict)
    """What takes the place of an operator's several values, by its old place."""

    def keep(self, step: Step) -> None:
        """A step as it was; one that picks a value of an operator that is gone is that value."""
        if step.op == "getitem" and step.args[0].index in self.parts:
            self.moved[step.index] = self.parts[step.args[0].index][step.args[1]].index
            return
        index = self.moved[step.index] = len(self.steps)
        if step.index in self.program.state:
            self.state[index] = self.program.state[step.index]
        args, kwargs = moved_template(step.args, self.moved), moved_template(step.kwargs, self.moved)
        self.steps.append(replace(step, index=index, args=args, kwargs=kwargs))

    def cell(self, step: Step, cell: Cell) -> None:
        """One step of a cell."""
        given: tuple[Any, ...] = (*moved_template(step.args, self.moved), None, None)
        x, hidden, w_ih, w_hh, b_ih, b_hh = given[:6]
        before = list(hidden) if cell.kind == "lstm" else [hidden]
        projected = self._linear(step, "ih", x, w_ih, b_ih)
        product = self._linear(step, "hh", before[0], w_hh, b_hh)
        found = self._emit(step, "cell", single, projected, before, product, op=CELL, cell=cell)
        picked = self._picked(step, "cell", found, len(before))
        self.parts[step.index] = picked
        self.moved[step.index] = picked[0].index

    def sequence(self, step: Step, cell: Cell) -> None:
        """All layers and directions of an operator on sequences."""
        x, first, weights, biased, depth, _, _, both, batch_first = moved_template(step.args, self.moved)
        first = list(first) if cell.kind == "lstm" else [first]
        ways = 2 if both else 1
        each = len(weights) // (depth * ways)
        if each == (5 if biased else 3):
            cell = replace(cell, projects=True)
        y = x if batch_first else self._emit(step, "turned", _aten.transpose.int, x, 0, 1)
        lasts: list[Sequence[Ref]] = []
        given, ys = y, list[Ref]()
        for place in range(depth * ways):
            if place % ways == 0:
                given, ys = y, []
            word = f"l{place // ways}" + ("_reverse" if place % ways else "")
            own = weights[place * each : (place + 1) * each]
            begun = [self._emit(step, f"{n}_{word}", _aten.select.int, one, 0, place) for n, one in enumerate(first)]
            shown, *last = self._direction(step, word, cell, given, own, bool(biased), begun, bool(place % ways))
            ys.append(shown)
            lasts.append(last)
            if len(ys) == ways:
                y = ys[0] if ways == 1 else self._emit(step, f"y_{word}", _aten.cat.default, ys, -1)
        if not batch_first:
            y = self._emit(step, "y", _aten.transpose.int, y, 0, 1)
        several = zip(*lasts, strict=True)
        stacked = [self._emit(step, f"last{n}", _aten.stack.default, list(one), 0) for n, one in enumerate(several)]
        self.parts[step.index] = (y, *stacked)

    def _direction(
        self, step: Step, word: str, cell: Cell, x: Ref, own: Sequence[Ref], biased: bool, first: Sequence[Ref],
        reverse: bool,
    ) -> tuple[Ref, ...]:  # fmt: skip
        w_ih, w_hh, *rest = own
        b_ih, b_hh = rest[:2] if biased else (None, None)
        weights: list[Ref] = [w_hh]
        biases: list[Ref | None] = [b_hh]
        if cell.projects:
            weights.append(own[-1])
            biases.append(None)
        projected = self._linear(step, f"ih_{word}", x, w_ih, b_ih)
        walk = self._emit(
            step, f"states_{word}", states, projected, weights, biases, list(first), op=STATES, cell=cell,
            reverse=reverse,
        )  # fmt: skip
        count = len(weights) + (cell.kind == "lstm")
        met = self._picked(step, f"states_{word}", walk, count)
        products = [
            self._linear(step, f"{name}_{word}", one, weight, bias)
            for name, one, weight, bias in zip(("hh", "hr"), met, weights, biases, strict=False)
        ]
        before = [met[0], *met[len(weights) :]]
        found = self._emit(
            step, f"outputs_{word}", outputs, projected, before, products, op=OUTPUTS, cell=cell, reverse=reverse
        )
        return self._picked(step, f"outputs_{word}", found, 1 + len(before))

    def _linear(self, step: Step, word: str, x: Ref, weight: Ref, bias: Ref | None) -> Ref:
        """A product that is a layer, in a module that is called as its weight."""
        known = self.steps[weight.index]
        module = known.name if known.kind == "state" else ".".join(filter(None, (step.module, f"weight_{word}")))
        return self._emit(step, word, _aten.linear.default, x, weight, bias, module=module)

    def _picked(self, step: Step, word: str, several: Ref, count: int) -> tuple[Ref, ...]:
        return tuple(
            self._emit(step, f"{word}_{place}", operator.getitem, several, place, op="getitem")
            for place in range(count)
        )

    def _emit(
        self, step: Step, word: str, target: Any, *args: Any, op: str = "", module: str = "", **kwargs: Any
    ) -> Ref:
        index = len(self.steps)
        aliases = isinstance(target, torch._ops.OpOverload) and any(
            one.alias_info is not None for one in target._schema.returns
        )
        self.steps.append(Step(
            index=index, kind="op", name=f"{step.name}_{word}", op=op or str(target), target=target, args=args,
            kwargs=kwargs, module=module or step.module, is_view=aliases or op == "getitem",
        ))  # fmt: skip
        return Ref(index)
