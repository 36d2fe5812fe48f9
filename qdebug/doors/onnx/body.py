"""Graphs inside nodes: the branches of If, the bodies of Loop and Scan."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from typing import Any

import torch
from torch import Tensor

from qdebug.graph.calls import compiled
from qdebug.graph.layers import find_layers
from qdebug.graph.program import Program, Ref


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


def layers_inside(program: Program) -> Counter[str]:
    """How many layers lie in graphs inside a program's steps, by the operator that runs those."""
    found: Counter[str] = Counter()
    for step in program.steps:
        for body in (one for one in step.kwargs.values() if isinstance(one, Body)):
            inner = _with_constants(body, program, step.kwargs.get("captured", ()))
            shapes = {index: tuple(tensor.shape) for index, tensor in inner.state.items()}
            found[step.op.removeprefix("onnx.").partition("-")[0]] += len(find_layers(inner, shapes))
            found += layers_inside(inner)
    return found


def _with_constants(body: Body, around: Program, captured: Sequence[Ref]) -> Program:
    """A body whose captured values are stored tensors in it where they are so around it."""
    inputs = body.program.inputs.values()
    given = dict(zip(list(inputs)[body.own :], (ref.index for ref in captured), strict=True))
    stored = {own: around.state[index] for own, index in given.items() if index in around.state}
    steps = [replace(step, kind="state") if step.index in stored else step for step in body.program.steps]
    return replace(body.program, steps=tuple(steps), state={**body.program.state, **stored})
