"""A program as autograd walks it: which operators, what each leaves behind, and those that have no gradient."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from qdebug.graph import Program, prune


def needed(program: Program) -> tuple[int, ...]:
    """The operators that the scored output depends on and that depend on an input, in order."""
    live = prune.needed(
        program.steps, (program.output,), lambda step: program.sources[step.index], lambda step: (step.index,)
    )
    return tuple(index for index in sorted(live) if program.steps[index].kind == "op" and not program.constant[index])


def frees(program: Program, steps: Sequence[int]) -> tuple[tuple[int, ...], ...]:
    """For each step, the values that nothing behind it reads."""
    own = set(steps) - {program.output}
    last = {source: index for index in steps for source in program.sources[index] if source in own}
    return tuple(tuple(s for s in program.sources[index] if last.get(s) == index) for index in steps)


def differentiable(call: Callable[[Any], Any], values: dict[int, Any], sources: Sequence[int]) -> Any:
    """A step's value; without a gradient where its operator cannot have one (it leaves torch, or writes in place)."""
    try:
        return call(values)
    except RuntimeError:
        plain = {source: _detached(values[source]) for source in sources}
        with torch.no_grad():
            return call(plain)


def _detached(value: Any) -> Any:
    if isinstance(value, Tensor):
        return value.detach()
    return [_detached(one) for one in value] if isinstance(value, (list, tuple)) else value
