"""Which parts of a module can be captured when the whole cannot."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from torch import nn

from qdebug.doors.module import at_rest, capture
from qdebug.doors.part import hold, recorded
from qdebug.errors import ModelError, QDebugError

TRIES = 12
"""Parts that are tried: each costs a run of the module and a capture of the part."""
SECONDS = 60.0
"""After which no further part is tried."""
NAMED = 4
"""Parts that an error names."""


def with_parts(
    error: ModelError, module: nn.Module, arrays: Mapping[str, Any], check: Callable[[], None] = lambda: None
) -> ModelError:
    """The error of a module that cannot be captured, with the largest parts that can be.

    Args:
        error: why the whole cannot be.
        module: the module.
        arrays: what it was to be captured on, by its forward's parameters.
        check: called between tries; raises where the work is to stop.
    """
    found = list(_capturable(module, arrays, check)) if "inputs" not in error.where else []
    if not found:
        return error
    listed = ", ".join(f"{path} ({count:,} parameters)" for path, count in found)
    do = f"{error.do} Or open a part of it alone, with part='{found[0][0]}'; these can be captured: {listed}."
    return ModelError(error.what, do=do, **error.where)


def _capturable(module: nn.Module, arrays: Mapping[str, Any], check: Callable[[], None]) -> Iterator[tuple[str, int]]:
    """Paths and parameters, from the outside in and the largest first; parts of parts that can be are left out."""
    whole = at_rest(module)
    few = {name: value[:2] if getattr(value, "ndim", 0) else value for name, value in arrays.items()}
    waiting = [(path, child) for path, child in whole.named_children()]
    named = tries = 0
    end = time.monotonic() + SECONDS
    while waiting and tries < TRIES and named < NAMED and time.monotonic() < end:
        check()
        waiting.sort(key=lambda one: -_size(one[1]))
        path, child = waiting.pop(0)
        if not any(weight.dim() > 1 for weight in child.parameters()):
            continue
        tries += 1
        if _can(whole, path, few):
            named += 1
            yield path, _size(child)
        else:
            waiting.extend((f"{path}.{name}", inner) for name, inner in child.named_children())


def _can(whole: nn.Module, path: str, few: Mapping[str, Any]) -> bool:
    try:
        held = hold(whole, path, few)
        capture(held, {name: tensor[:2] for name, tensor in recorded(held, few).items()})
    except QDebugError:
        return False
    return True


def _size(module: nn.Module) -> int:
    return sum(weight.numel() for weight in module.parameters())
