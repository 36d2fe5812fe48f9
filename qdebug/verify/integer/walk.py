"""Programs executed value by value, with a look at each and a chance to put another in its place."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor

from qdebug.graph.calls import compiled
from qdebug.graph.program import Program

Look = Callable[[str, Any], Any]
"""Gets a value's name and the value, and returns the value that is used from there on."""


def walk(program: Program, feeds: Mapping[str, Tensor], look: Look) -> None:
    """Execute a program; values are let go when nothing needs them any more.

    Args:
        program: what to execute.
        feeds: a tensor for each input, by name.
        look: is called with every computed value in turn.
    """
    last: dict[int, int] = {}
    for step in program.steps:
        for index in program.sources[step.index]:
            last[index] = step.index
    values: dict[int, Any] = {}
    with torch.no_grad():
        for step in program.steps:
            if step.kind == "op":
                values[step.index] = look(step.name, compiled(step)(values))
            else:
                given = feeds[step.name] if step.kind == "input" else program.state[step.index]
                values[step.index] = look(step.name, given)
            for index in program.sources[step.index]:
                if last[index] == step.index:
                    values.pop(index, None)


def sizes(program: Program, feeds: Mapping[str, Tensor]) -> dict[str, tuple[int, ...]]:
    """Sizes of all values of a program, by name."""
    found: dict[str, tuple[int, ...]] = {}

    def look(name: str, value: Any) -> Any:
        if isinstance(value, Tensor):
            found[name] = tuple(value.shape)
        return value

    walk(program, feeds, look)
    return found
