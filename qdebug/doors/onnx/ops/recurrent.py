"""RNN, GRU and LSTM nodes, taken apart into layers and what lies between them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from qdebug.doors.onnx.builder import Builder
from qdebug.doors.onnx.ir import Node, plain
from qdebug.doors.onnx.registry import lowering, operator
from qdebug.errors import ModelError
from qdebug.graph.gates import DEFAULTS, Spelled
from qdebug.graph.program import Ref
from qdebug.graph.recurrence import OUTPUTS, STATES, Cell, outputs, states, walked

_aten = torch.ops.aten
_KINDS: dict[str, tuple[Any, str, tuple[str, ...]]] = {
    "RNN": ("rnn", "h", ("Tanh",)), "GRU": ("gru", "zrn", ("Sigmoid", "Tanh")),
    "LSTM": ("lstm", "iofg", ("Sigmoid", "Tanh", "Tanh")),
}  # fmt: skip
"""Each node's cell, the order of its gates, and its activations where it names none."""


class _Way(NamedTuple):
    """A direction."""

    cell: Cell
    reverse: bool


def _directions(attributes: Mapping[str, Any]) -> list[bool]:
    """For each direction, whether it runs backwards."""
    named = str(attributes.get("direction", "forward")).lower()
    return {"forward": [False], "reverse": [True], "bidirectional": [False, True]}.get(named) or _refused(named)


def _refused(named: str) -> list[bool]:
    raise ModelError(f"There is no direction '{named}'", do="The file is damaged: write it again.")


def _ways(op: str, attributes: Mapping[str, Any]) -> list[_Way]:
    """The directions of a node."""
    kind, gates, usual = _KINDS[op]
    backwards = _directions(attributes)
    names = attributes.get("activations") or usual * len(backwards)
    alphas, betas = (list(attributes.get(f"activation_{which}") or ()) for which in ("alpha", "beta"))
    spelled: list[Spelled] = []
    for name in (str(one).lower() for one in names):
        alpha, beta = DEFAULTS.get(name, (None, None))
        # the lists hold values for those activations only that take them
        first = 0.0 if alpha is None else alphas.pop(0) if alphas else alpha
        second = 0.0 if beta is None else betas.pop(0) if betas else beta
        spelled.append((name, float(first), float(second)))
    each = len(usual)
    first_reset = op == "GRU" and not attributes.get("linear_before_reset", 0)
    coupled = op == "LSTM" and bool(attributes.get("input_forget", 0))
    clip = float(attributes.get("clip", 0.0))
    return [
        _Way(Cell(kind, gates, tuple(spelled[n * each : (n + 1) * each]), clip, first_reset, coupled), back)
        for n, back in enumerate(backwards)
    ]


def _lower(builder: Builder, node: Node) -> tuple[int, ...] | None:
    """Steps of a node whose weights are stored; else the kernel computes it.

    The products with W and R of each direction are layers of their own, ``<node>/W`` and ``<node>/R``, backwards
    ``<node>/W_reverse`` and ``<node>/R_reverse``. Of a GRU whose reset gate scales the state before R multiplies it,
    the rows of R for the candidate are ``<node>/R_candidate``. Inside, samples come first.
    """
    stored, recurrent = builder.constant(node, 1), builder.constant(node, 2)
    if stored is None or recurrent is None:
        return None
    attributes: dict[str, Any] = {name: plain(value) for name, value in node.attributes.items()}
    batch_first = bool(attributes.get("layout", 0))
    axis = 1 if batch_first else 0  # of the directions, in states
    lengths, x = builder.at(node, 4), builder.at(node, 0)
    if not batch_first:
        x = builder.emit(_aten.transpose.int, x, 0, 1, name=f"{node.name}/turned")
    found: list[Ref] = []
    each = _ways(node.op, attributes)
    for place, way in enumerate(each):
        word = "_reverse" if way.reverse else ""

        def part(position: int, axis: int = 0, place: int = place, word: str = word) -> Ref | None:
            given = builder.at(node, position)
            return given and builder.emit(
                _aten.select.int, given, axis, place, name=f"{node.inputs[position]}{word}", part=f"W{word}"
            )

        weight, recurrence, bias = part(1), part(2), part(3)
        assert weight is not None and recurrence is not None
        rows = stored.shape[1]
        projected = _product(builder, node, f"W{word}", x, weight, _rows(builder, bias, 0, rows))
        cuts = [0, recurrent.shape[2] * 2, rows] if way.cell.reset_first else [0, rows]
        names = [f"R{word}", f"R_candidate{word}"]
        weights = [_rows(builder, recurrence, a, b, rows) for a, b in pairwise(cuts)]
        biases = [_rows(builder, bias, rows + a, rows + b) for a, b in pairwise(cuts)]
        first = [part(5, axis)] + ([part(6, axis)] if node.op == "LSTM" else [])
        given = (lengths, part(7)) if node.op == "LSTM" else (lengths, None)
        walk = builder.emit(
            states, projected, weights, biases, first, *given, op=STATES, name=f"{node.name}/states{word}",
            part=f"R{word}", cell=way.cell, reverse=way.reverse,
        )  # fmt: skip
        met = [
            builder.pick(walk, n, f"{node.name}/states{word}/{n}")
            for n in range(len(weights) + (node.op == "LSTM"))
        ]  # fmt: skip
        products = [
            _product(builder, node, *one)
            for one in zip(names, met, weights, biases, strict=False)
        ]  # fmt: skip
        found.append(builder.emit(
            outputs, projected, [met[0], *met[len(weights) :]], products, *given, op=OUTPUTS,
            name=f"{node.name}/outputs{word}", part=f"R{word}", cell=way.cell, reverse=way.reverse,
        ))  # fmt: skip
    return _together(builder, node, found, batch_first)


def _product(builder: Builder, node: Node, part: str, x: Any, weight: Any, bias: Ref | None) -> Ref:
    return builder.emit(_aten.linear.default, x, weight, bias, name=f"{node.name}/{part}", part=part)


def _rows(builder: Builder, matrix: Ref | None, start: int, end: int, whole: int | None = None) -> Ref | None:
    """Some rows of a stored tensor; itself where they are all of it."""
    if matrix is None or (start == 0 and end == whole):
        return matrix
    name = builder.step(matrix).name
    return builder.emit(_aten.slice.Tensor, matrix, 0, start, end, name=f"{name}[{start}:{end}]")


def _together(builder: Builder, node: Node, found: Sequence[Ref], batch_first: bool) -> tuple[int, ...]:
    """A node's outputs from those of its directions."""
    results = []
    for place, name in enumerate(node.outputs):
        if not name:
            results.append(found[0].index)
            continue
        parts = [builder.pick(one, place, f"{name}/{way}") for way, one in enumerate(found)]
        if place == 0 and not batch_first:  # [S, directions, B, H]
            parts = [builder.emit(_aten.transpose.int, one, 0, 1, name=f"{name}/{n}/t") for n, one in enumerate(parts)]
        where = (2 if batch_first else 1) if place == 0 else 1 if batch_first else 0
        results.append(builder.emit(_aten.stack.default, parts, where, name=name).index)
    return tuple(results)


for _name in _KINDS:
    lowering(_name)(_lower)


def _run(
    op: str, attributes: Mapping[str, Any], x: Tensor, weight: Tensor, recurrence: Tensor, bias: Tensor | None,
    lengths: Tensor | None, states: Sequence[Tensor | None], peepholes: Tensor | None, wanted: int,
) -> tuple[Tensor, ...] | Tensor:  # fmt: skip
    """A node whose weights are computed."""
    batch_first = bool(attributes.get("layout", 0))
    axis, rows = 1 if batch_first else 0, weight.shape[1]
    found = []
    for place, way in enumerate(_ways(op, attributes)):
        first = [None if one is None else one.select(axis, place) for one in states]
        looks = None if peepholes is None else peepholes[place]
        ours, theirs = (None, None) if bias is None else (bias[place, :rows], bias[place, rows:])
        cuts = [2 * recurrence.shape[2], rows - 2 * recurrence.shape[2]] if way.cell.reset_first else [rows]
        biases = [None] * len(cuts) if theirs is None else theirs.split(cuts)
        projected = F.linear(x if batch_first else x.transpose(0, 1), weight[place], ours)
        y, *last = walked(projected, recurrence[place].split(cuts), biases, first, lengths, looks, **way._asdict())
        found.append((y if batch_first else y.transpose(0, 1), *last))
    several = [
        torch.stack(parts, (2 if batch_first else 1) if place == 0 else axis)
        for place, parts in enumerate(zip(*found, strict=True))
    ]
    return tuple(several) if wanted > 1 else several[0]


@operator("RNN")
def rnn(
    x: Tensor, weight: Tensor, recurrence: Tensor, bias: Tensor | None = None, lengths: Tensor | None = None,
    h: Tensor | None = None, *, outputs: list[bool], **attributes: Any,
) -> tuple[Tensor, ...] | Tensor:  # fmt: skip
    """``h ← f(x W + h R + b)`` with computed weights."""
    return _run("RNN", attributes, x, weight, recurrence, bias, lengths, [h], None, len(outputs))


@operator("GRU")
def gru(
    x: Tensor, weight: Tensor, recurrence: Tensor, bias: Tensor | None = None, lengths: Tensor | None = None,
    h: Tensor | None = None, *, outputs: list[bool], **attributes: Any,
) -> tuple[Tensor, ...] | Tensor:  # fmt: skip
    """A gated recurrent unit with computed weights."""
    return _run("GRU", attributes, x, weight, recurrence, bias, lengths, [h], None, len(outputs))


@operator("LSTM")
def lstm(
    x: Tensor, weight: Tensor, recurrence: Tensor, bias: Tensor | None = None, lengths: Tensor | None = None,
    h: Tensor | None = None, c: Tensor | None = None, peepholes: Tensor | None = None, *, outputs: list[bool],
    **attributes: Any,
) -> tuple[Tensor, ...] | Tensor:  # fmt: skip
    """A long short-term memory with computed weights."""
    return _run("LSTM", attributes, x, weight, recurrence, bias, lengths, [h, c], peepholes, len(outputs))
