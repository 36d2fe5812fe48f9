"""One run of every step, to learn shapes and to find out early what cannot run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from qdebug.errors import ModelError
from qdebug.graph.program import Program, Step
from qdebug.machine import FULL, FULL_DO, says_full


@dataclass(frozen=True)
class Trace:
    """Shapes by step index, and the values of constant tensors' shapes among them, for ``samples`` samples.

    ``floating`` are the steps whose values are real numbers, not indices or sizes. ``broken`` is the first step's error
    where one was let pass.
    """

    shapes: Mapping[int, tuple[int, ...]]
    samples: int
    floating: frozenset[int]
    broken: ModelError | None = None


def trace(
    program: Program, inputs: Mapping[str, Tensor], execute: Any, samples: int, *, partial: bool = False
) -> Trace:
    """Run all steps once on a few samples.

    Args:
        program: the program.
        inputs: tensors by input name.
        execute: ``execute(program, index, values)`` runs one step on values indexable by step.
        samples: how many there are in the inputs.
        partial: leave out a step that fails, and all that need it, instead of raising.

    Raises:
        ModelError: a step failed; the message names it and the shapes it met.
    """
    values: dict[int, Any] = {}
    shapes: dict[int, tuple[int, ...]] = {}
    last = {source: step.index for step in program.steps for source in program.sources[step.index]}
    missing: set[int] = set()
    floating: set[int] = set()
    broken: ModelError | None = None
    with torch.no_grad():
        for step in program.steps:
            if not missing.isdisjoint(program.sources[step.index]):
                missing.add(step.index)
                continue
            try:
                values[step.index] = _value(program, step, values, inputs, execute)
            except ModelError as error:
                if not partial:
                    raise
                broken = broken or error
                missing.add(step.index)
                continue
            if isinstance(values[step.index], Tensor):
                shapes[step.index] = tuple(values[step.index].shape)
                if values[step.index].is_floating_point():
                    floating.add(step.index)
            for source in program.sources[step.index]:
                if last[source] == step.index:
                    values.pop(source, None)
    return Trace(shapes, samples, frozenset(floating), broken)


def _value(program: Program, step: Step, values: dict[int, Any], inputs: Mapping[str, Tensor], execute: Any) -> Any:
    if step.kind == "input":
        return inputs[step.name]
    if step.kind == "state":
        return program.state[step.index]
    try:
        return execute(program, step.index, values)
    except (
        RuntimeError, IndexError, ValueError, TypeError, NotImplementedError, MemoryError, ArithmeticError,
    ) as error:  # fmt: skip
        shapes = [tuple(v.shape) for i in program.sources[step.index] if isinstance(v := values[i], Tensor)]
        raise failed(step, shapes, error) from error


def failed(step: Step, shapes: list[tuple[int, ...]], error: BaseException) -> ModelError:
    """What is said of a step that cannot be run.

    Args:
        step: the step.
        shapes: of the tensors that it was given.
        error: what it raised.
    """
    first = (str(error).strip().splitlines() or [type(error).__name__])[0]
    full = says_full(error)
    return ModelError(
        FULL if full else f"{step.op or step.name} failed: {first}", layer=step.module or step.name, shapes=shapes,
        do=FULL_DO if full else "Check that the data have the shape and dtype the model expects.",
    )  # fmt: skip
