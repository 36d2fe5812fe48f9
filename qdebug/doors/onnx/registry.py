"""The operators that can be run: which function computes which operator since which opset.

An operator is a *kernel*, a function of tensors that is called when the value is needed, or it is *lowered* to torch's
own operators when the file is opened. Whatever patterns, layers and fused runtimes look at is lowered (the weighted
operators, activations, normalizations); the rest are kernels.
"""

from __future__ import annotations

import inspect
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from qdebug.doors.onnx.builder import Builder
    from qdebug.doors.onnx.ir import Node

Kernel = Callable[..., Any]
Lowering = Callable[["Builder", "Node"], "tuple[int, ...] | None"]
K = TypeVar("K", bound=Callable[..., Any])


@dataclass(frozen=True)
class Operator:
    """A kernel with what it wants to be told.

    Attributes:
        name: operator, with its domain in front where it is not ONNX's own.
        since: the opset that its meaning dates from.
        kernel: computes it. Its positional parameters are the operator's inputs, None where left out; its keywords are
            the attributes. It returns a tensor, or a tuple where the operator has several outputs.
        keywords: names of its keyword parameters; None where it takes any.
        wants_outputs: it has a keyword ``outputs``: for each output of the node, whether somebody wants it.
        wants_types: it has a keyword ``types``: the element type of each input, 0 where unknown.
    """

    name: str
    since: int
    kernel: Kernel
    keywords: frozenset[str] | None = field(repr=False)
    wants_outputs: bool = False
    wants_types: bool = False

    @property
    def op(self) -> str:
        """How a step of it is called."""
        return f"onnx.{self.name}-{self.since}"


_KERNELS: dict[tuple[str, str], list[Operator]] = defaultdict(list)
_LOWERINGS: dict[tuple[str, str], list[tuple[int, Lowering]]] = defaultdict(list)
_SPECIAL = frozenset({"outputs", "types"})


def operator(name: str, since: int = 1, *, domain: str = "") -> Callable[[K], K]:
    """Register a kernel. Versions of an operator are kernels of their own; the newest that is not too new is used."""

    def register(kernel: K) -> K:
        known = inspect.signature(kernel).parameters.values()
        anything = any(one.kind == one.VAR_KEYWORD for one in known)
        keywords = frozenset(one.name for one in known if one.kind == one.KEYWORD_ONLY)
        full = f"{domain}::{name}" if domain else name
        _KERNELS[domain, name].append(
            Operator(
                full, since, kernel, None if anything else keywords - _SPECIAL, "outputs" in keywords,
                "types" in keywords,
            )
        )  # fmt: skip
        return kernel

    return register


def lowering(name: str, since: int = 1, *, domain: str = "") -> Callable[[Lowering], Lowering]:
    """Register a lowering: it adds steps and returns one per output, or None to leave the node to the kernel."""

    def register(function: Lowering) -> Lowering:
        _LOWERINGS[domain, name].append((since, function))
        return function

    return register


def kernel_for(domain: str, name: str, opset: int) -> Operator | None:
    """The kernel of an operator at an opset."""
    fitting = [one for one in _KERNELS.get((domain, name), ()) if one.since <= opset]
    return max(fitting, key=lambda one: one.since, default=None)


def lowering_for(domain: str, name: str, opset: int) -> Lowering | None:
    """The lowering of an operator at an opset."""
    fitting = [one for one in _LOWERINGS.get((domain, name), ()) if one[0] <= opset]
    return max(fitting, key=lambda one: one[0], default=(0, None))[1]


def known() -> frozenset[tuple[str, str]]:
    """Every operator that can be run, as domain and name."""
    return frozenset(_KERNELS) | frozenset(_LOWERINGS)
