"""If, Loop and Scan: operators that run graphs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NoReturn

import torch
from torch import Tensor

from qdebug.doors.onnx.body import Body
from qdebug.doors.onnx.registry import operator
from qdebug.errors import ModelError
from qdebug.graph.turns import counted

MOST_ITERATIONS = 100_000
"""Of one loop and those within it; more is taken for one without an end."""


def _one_or_all(values: Sequence[Any], outputs: Sequence[bool]) -> Any:
    return values[0] if len(outputs) == 1 else tuple(values)


def _endless() -> NoReturn:
    raise ModelError(
        f"A loop has run {MOST_ITERATIONS} times without an end",
        do="Check its condition, or export the model with a bound on its iterations.",
    )


@operator("If")
def if_(
    condition: Tensor, *, then_branch: Body, else_branch: Body, captured: Sequence[Any], outputs: list[bool]
) -> Any:
    """One of two graphs."""
    branch = then_branch if bool(condition.reshape(())) else else_branch
    return _one_or_all(branch((), captured), outputs)


@operator("Loop")
def loop(
    most: Tensor | None = None, condition: Tensor | None = None, *carried: Any, body: Body, captured: Sequence[Any],
    outputs: list[bool],
) -> Any:  # fmt: skip
    """A graph again and again; what it hands out beside the carried values is stacked.

    Raises:
        ModelError: it and the loops within it run more often than :data:`MOST_ITERATIONS` times.
    """
    bound = MOST_ITERATIONS + 1 if most is None else int(most)
    state = list(carried)
    going = condition is None or bool(condition.reshape(()))
    now = torch.ones((), dtype=torch.bool) if condition is None else condition.reshape(())
    kept: list[list[Tensor]] = [[] for _ in range(len(outputs) - len(state))]
    turn = 0
    with counted() as begun:
        while going and turn < bound:
            if begun() > MOST_ITERATIONS:
                _endless()
            now, *values = body((torch.tensor(turn), now, *state), captured)
            state = values[: len(state)]
            for place, value in enumerate(values[len(state) :]):
                kept[place].append(value)
            going = bool(now.reshape(()))
            turn += 1
    return _one_or_all([*state, *(_stacked(values, 0) for values in kept)], outputs)


def _stacked(values: Sequence[Tensor], axis: int) -> Tensor:
    return torch.stack(list(values), axis) if values else torch.zeros(0)


@operator("Scan", 9)
def scan(
    *given: Tensor, body: Body, num_scan_inputs: int, captured: Sequence[Any], outputs: list[bool],
    scan_input_axes: Sequence[int] | None = None, scan_input_directions: Sequence[int] | None = None,
    scan_output_axes: Sequence[int] | None = None, scan_output_directions: Sequence[int] | None = None,
) -> Any:  # fmt: skip
    """A graph for each slice of its last inputs; what it hands out beside the carried values is stacked."""
    count = len(given) - num_scan_inputs
    axes = scan_input_axes or [0] * num_scan_inputs
    ways = scan_input_directions or [0] * num_scan_inputs
    sliced = [list(x.unbind(axis))[:: -1 if way else 1] for x, axis, way in zip(given[count:], axes, ways, strict=True)]
    state, kept = _scanned(list(given[:count]), sliced, body, captured, len(outputs))
    axes = scan_output_axes or [0] * len(kept)
    ways = scan_output_directions or [0] * len(kept)
    stacked = [_stacked(values[:: -1 if way else 1], axis) for values, axis, way in zip(kept, axes, ways, strict=True)]
    return _one_or_all([*state, *stacked], outputs)


def _scanned(
    state: list[Any], sliced: Sequence[Sequence[Tensor]], body: Body, captured: Sequence[Any], wanted: int
) -> tuple[list[Any], list[list[Tensor]]]:
    kept: list[list[Tensor]] = [[] for _ in range(wanted - len(state))]
    for parts in zip(*sliced, strict=True):
        values = body((*state, *parts), captured)
        state = list(values[: len(state)])
        for place, value in enumerate(values[len(state) :]):
            kept[place].append(value)
    return state, kept


@operator("Scan", 8)
def scan_batches(
    lengths: Tensor | None, *given: Tensor, body: Body, num_scan_inputs: int, captured: Sequence[Any],
    outputs: list[bool], directions: Sequence[int] | None = None,
) -> Any:  # fmt: skip
    """The first version: axis 0 is the batch, axis 1 time, and sequences may have lengths of their own."""
    count = len(given) - num_scan_inputs
    ways = directions or [0] * num_scan_inputs
    batch, whole = given[count].shape[:2]
    found = []
    for item in range(batch):
        length = whole if lengths is None else int(lengths[item])
        sliced = [
            list(x[item, :length].unbind(0))[:: -1 if way else 1] for x, way in zip(given[count:], ways, strict=True)
        ]
        state, kept = _scanned([x[item] for x in given[:count]], sliced, body, captured, len(outputs))
        stacked = [_stacked(values, 0) for values in kept]
        longer = [torch.cat((x, x.new_zeros(whole - len(x), *x.shape[1:]))) for x in stacked]
        found.append([*state, *longer])
    return _one_or_all([torch.stack(parts) for parts in zip(*found, strict=True)], outputs)
