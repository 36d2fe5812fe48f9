"""Graphs inside nodes: the branches of If, the bodies of Loop and Scan."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Any

from qdebug.graph.calls import compiled
from qdebug.graph.program import Program


class Body:
    """A graph that a control-flow operator runs.

    Args:
        program: the graph; its inputs are first its own, then what it reads from the graph around it.
        own: how many inputs are its own.
    """

    def __init__(self, program: Program, own: int) -> None:
        self.program = program
        self.own = own
        self._inputs = tuple(program.inputs.values())
        self._outputs = tuple(program.outputs.values())

    def __call__(self, own: Sequence[Any], captured: Sequence[Any]) -> tuple[Any, ...]:
        """Its outputs for its own inputs and the values around it."""
        values: dict[int, Any] = dict(self.program.state)
        values.update(zip(self._inputs, (*own, *captured), strict=True))
        for index, run in self._calls:
            values[index] = run(values)
        return tuple(values[index] for index in self._outputs)

    @cached_property
    def _calls(self) -> tuple[tuple[int, Any], ...]:
        return tuple((step.index, compiled(step)) for step in self.program.steps if step.kind == "op")

    def __repr__(self) -> str:
        """Equal for equal graphs: the engine's keys are made of it."""
        outputs = ",".join(map(str, self._outputs))
        return f"Body({self.program.digest} {self.own} {outputs})"
