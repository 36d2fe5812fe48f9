"""Graphs inside nodes: the branches of If, the bodies of Loop and Scan."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any

import torch
from torch import Tensor

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
        self._moved: dict[torch.device, Mapping[int, Any]] = {}
        self._inputs = tuple(program.inputs.values())
        self._outputs = tuple(program.outputs.values())

    def __call__(self, own: Sequence[Any], captured: Sequence[Any]) -> tuple[Any, ...]:
        """Its outputs for its own inputs and the values around it."""
        given = (*own, *captured)
        # counters and conditions of loops are on the processor wherever the rest is
        elsewhere = (one.device for one in given if isinstance(one, Tensor) and one.device.type != "cpu")
        values = dict(self._state(next(elsewhere, None)))
        values.update(zip(self._inputs, given, strict=True))
        for index, run in self._calls:
            values[index] = run(values)
        return tuple(values[index] for index in self._outputs)

    def _state(self, device: torch.device | None) -> Mapping[int, Any]:
        """The graph's own tensors where its inputs are; moved once."""
        if device is None:
            return self.program.state
        if device not in self._moved:
            self._moved[device] = {index: one.to(device) for index, one in self.program.state.items()}
        return self._moved[device]

    @cached_property
    def _calls(self) -> tuple[tuple[int, Any], ...]:
        return tuple((step.index, compiled(step)) for step in self.program.steps if step.kind == "op")

    def __repr__(self) -> str:
        """Equal for equal graphs: the engine's keys are made of it."""
        outputs = ",".join(map(str, self._outputs))
        return f"Body({self.program.digest} {self.own} {outputs})"
