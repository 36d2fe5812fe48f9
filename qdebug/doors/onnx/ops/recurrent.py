"""RNN, GRU and LSTM nodes: products with W, which are layers like any other, and a recurrence with R."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from qdebug.doors.onnx.builder import Builder
from qdebug.doors.onnx.ir import Node, plain
from qdebug.doors.onnx.ops.recurrence import DEFAULTS, Spelled, recurrent_gru, recurrent_lstm, recurrent_rnn
from qdebug.doors.onnx.registry import lowering, operator
from qdebug.errors import ModelError
from qdebug.graph.program import Ref

_aten = torch.ops.aten
_KERNELS: dict[str, Callable[..., tuple[Tensor, ...]]] = {
    "RNN": recurrent_rnn, "GRU": recurrent_gru, "LSTM": recurrent_lstm,
}  # fmt: skip
_ACTIVATIONS = {"RNN": ("Tanh",), "GRU": ("Sigmoid", "Tanh"), "LSTM": ("Sigmoid", "Tanh", "Tanh")}


def _directions(attributes: Mapping[str, Any]) -> list[bool]:
    """For each direction, whether it runs backwards."""
    named = str(attributes.get("direction", "forward")).lower()
    return {"forward": [False], "reverse": [True], "bidirectional": [False, True]}.get(named) or _refused(named)


def _refused(named: str) -> list[bool]:
    raise ModelError(f"There is no direction '{named}'", do="The file is damaged: write it again.")


def _keywords(op: str, attributes: Mapping[str, Any]) -> list[dict[str, Any]]:
    """What the recurrence of each direction is told."""
    backwards = _directions(attributes)
    names = attributes.get("activations") or _ACTIVATIONS[op] * len(backwards)
    alphas, betas = (list(attributes.get(f"activation_{which}") or ()) for which in ("alpha", "beta"))
    spelled: list[Spelled] = []
    for name in (str(one).lower() for one in names):
        alpha, beta = DEFAULTS.get(name, (None, None))
        # the lists hold values for those activations only that take them
        first = 0.0 if alpha is None else alphas.pop(0) if alphas else alpha
        second = 0.0 if beta is None else betas.pop(0) if betas else beta
        spelled.append((name, float(first), float(second)))
    each = len(_ACTIVATIONS[op])
    common: dict[str, Any] = {
        "batch_first": bool(attributes.get("layout", 0)), "clip": float(attributes.get("clip", 0.0)),
    }  # fmt: skip
    if op == "GRU":
        common["reset_last"] = bool(attributes.get("linear_before_reset", 0))
    if op == "LSTM":
        common["coupled"] = bool(attributes.get("input_forget", 0))
    return [
        {**common, "reverse": back, "activations": tuple(spelled[place * each : (place + 1) * each])}
        for place, back in enumerate(backwards)
    ]


def _lower(builder: Builder, node: Node) -> tuple[int, ...] | None:
    """Steps of a node whose weights are stored; else the kernel computes it.

    The products with W of each direction are a layer of their own, ``<node>/W`` and ``<node>/W_reverse``; the
    recurrence has them as its first argument and R of its direction as its second.
    """
    if builder.constant(node, 1) is None or builder.constant(node, 2) is None:
        return None
    attributes = {name: plain(value) for name, value in node.attributes.items()}  # type: ignore[arg-type]
    batch_first = bool(attributes.get("layout", 0))
    axis = 1 if batch_first else 0  # of the directions, in states
    lengths = builder.at(node, 4)

    def part(position: int, axis: int, place: int, word: str) -> Ref | None:
        given = builder.at(node, position)
        return given and builder.emit(
            _aten.select.int, given, axis, place, name=f"{node.inputs[position]}{word}", part=f"W{word}"
        )

    found: list[Ref] = []
    each = _keywords(node.op, attributes)
    for place, keywords in enumerate(each):
        word = "_reverse" if keywords["reverse"] else ""
        weight, recurrence, bias = (part(position, 0, place, word) for position in (1, 2, 3))
        projected = builder.emit(
            _aten.linear.default, builder.at(node, 0), weight, None, name=f"{node.name}/W{word}", part=f"W{word}"
        )
        further = [part(5, axis, place, word)]
        if node.op == "LSTM":
            further += [part(6, axis, place, word), part(7, 0, place, word)]
        found.append(builder.emit(
            _KERNELS[node.op], projected, recurrence, bias, lengths, *further,
            op=f"onnx.recurrent_{node.op.lower()}", name=f"{node.name}/R{word}", part=f"R{word}", **keywords,
        ))  # fmt: skip
    results = []
    for place, name in enumerate(node.outputs):
        if not name:
            results.append(found[0].index)
            continue
        parts = [builder.pick(one, place, f"{name}/{way}") for way, one in enumerate(found)]
        where = (2 if batch_first else 1) if place == 0 else axis
        results.append(builder.emit(_aten.stack.default, parts, where, name=name).index)
    return tuple(results)


for _name in _KERNELS:
    lowering(_name)(_lower)


def _run(
    op: str, attributes: Mapping[str, Any], x: Tensor, weight: Tensor, recurrence: Tensor, bias: Tensor | None,
    lengths: Tensor | None, states: Sequence[Tensor | None], peepholes: Sequence[Tensor | None], wanted: int,
) -> tuple[Tensor, ...] | Tensor:  # fmt: skip
    """A node whose weights are computed."""
    batch_first = bool(attributes.get("layout", 0))
    axis = 1 if batch_first else 0
    found = []
    for place, keywords in enumerate(_keywords(op, attributes)):
        firsts = [None if one is None else one.select(axis, place) for one in states]
        looks = [None if one is None else one[place] for one in peepholes]
        own = None if bias is None else bias[place]
        found.append(
            _KERNELS[op](F.linear(x, weight[place]), recurrence[place], own, lengths, *firsts, *looks, **keywords)
        )
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
    return _run("RNN", attributes, x, weight, recurrence, bias, lengths, [h], [], len(outputs))


@operator("GRU")
def gru(
    x: Tensor, weight: Tensor, recurrence: Tensor, bias: Tensor | None = None, lengths: Tensor | None = None,
    h: Tensor | None = None, *, outputs: list[bool], **attributes: Any,
) -> tuple[Tensor, ...] | Tensor:  # fmt: skip
    """A gated recurrent unit with computed weights."""
    return _run("GRU", attributes, x, weight, recurrence, bias, lengths, [h], [], len(outputs))


@operator("LSTM")
def lstm(
    x: Tensor, weight: Tensor, recurrence: Tensor, bias: Tensor | None = None, lengths: Tensor | None = None,
    h: Tensor | None = None, c: Tensor | None = None, peepholes: Tensor | None = None, *, outputs: list[bool],
    **attributes: Any,
) -> tuple[Tensor, ...] | Tensor:  # fmt: skip
    """A long short-term memory with computed weights."""
    return _run("LSTM", attributes, x, weight, recurrence, bias, lengths, [h, c], [peepholes], len(outputs))
