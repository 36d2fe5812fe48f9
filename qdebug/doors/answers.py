"""Whether what was captured answers as the module does."""

from __future__ import annotations

import ast
import inspect
import textwrap
from collections.abc import Callable, Iterator, Mapping

import torch
from torch import Tensor, fx, nn
from torch.export import ExportedProgram
from torch.export.graph_signature import InputKind, OutputKind
from torch.utils import _pytree as pytree

from qdebug.doors.culprit import short
from qdebug.doors.refused import run
from qdebug.errors import ModelError

RELATIVE = 1e-2
"""Of the largest answer: more than orders of summation ever make, less than another branch of a model does.

Ten times as much where numbers have 16 bits.
"""


def check_answers(exported: ExportedProgram, module: nn.Module, inputs: Mapping[str, Tensor]) -> None:
    """Hold the captured program's first output against the module's own.

    A ``try`` hides from torch that it met what it cannot trace: the ``except`` branch is captured, and nothing is said.
    Only the answers tell. A module that answers differently each time is let pass.

    Args:
        exported: what was captured.
        module: what it was captured from, in evaluation mode.
        inputs: by the name of forward's parameters, as for the capture.

    Raises:
        ModelError: they differ by more than :data:`RELATIVE` of the module's largest answer.
    """
    own = _first(_seeded(lambda: run(module, inputs)))
    captured = _first(_seeded(lambda: _walked(exported, inputs)))
    if own is None or captured is None or _differ(own, captured) <= RELATIVE * (10 if own.itemsize == 2 else 1):
        return
    if _differ(own, _first(_seeded(lambda: run(module, inputs)))) > 0:
        return
    tries = list(_tries(module))
    raise ModelError(
        f"What torch.export captures of {type(module).__name__} answers otherwise than the module itself: "
        f"{_differ(own, captured):.2g} of its largest answer", file=tries[0][0] if tries else None,
        module=tries[0][1] if tries else None,
        do="A try hides what cannot be captured, and its except is captured instead: take it out of forward."
        if tries else "Take out of forward what depends on earlier calls, on random numbers or on the tensors' values.",
    )  # fmt: skip


def _seeded(answer: Callable[[], object]) -> object:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return answer()


def _walked(exported: ExportedProgram, inputs: Mapping[str, Tensor]) -> object:
    """The captured graph's outputs on its own weights. ``exported.module()`` would compile it first."""
    signature = exported.graph_signature
    if set(signature.user_inputs) != set(inputs):  # torch renamed one
        return run(exported.module(), inputs)
    stored = {**exported.state_dict, **exported.constants}
    values: list[object] = []
    for spec in signature.input_specs:
        if spec.kind == InputKind.USER_INPUT:
            values.append(inputs[spec.arg.name])
        else:
            values.append(stored[str(spec.target)])
    found = fx.Interpreter(exported.graph_module).run(*values)
    kinds = [spec.kind for spec in signature.output_specs]
    return [value for value, kind in zip(found, kinds, strict=True) if kind == OutputKind.USER_OUTPUT]


def _first(answer: object) -> Tensor | None:
    """The first tensor of an output, which is the one that is scored."""
    return next((leaf for leaf in pytree.tree_leaves(answer) if isinstance(leaf, Tensor)), None)


def _differ(own: Tensor, other: Tensor | None) -> float:
    """Largest difference over largest finite answer; infinite for other shapes, 0 for what is not finite alike."""
    if other is None or own.shape != other.shape:
        return float("inf")
    if not own.is_floating_point():
        return 0.0 if torch.equal(own, other) else float("inf")
    a, b = own.double(), other.double()
    finite = torch.isfinite(a) & torch.isfinite(b)
    if not torch.equal(torch.isfinite(a), torch.isfinite(b)):
        return float("inf")
    if not bool(finite.any()):
        return 0.0
    largest = float(a[finite].abs().max())
    return float((a - b)[finite].abs().max()) / largest if largest else float((a - b)[finite].abs().max())


def _tries(module: nn.Module) -> Iterator[tuple[str, str]]:
    """Where forwards of the module have a ``try``: file and line, module."""
    for path, one in module.named_modules():
        if type(one).__module__.startswith("torch."):
            continue
        code = getattr(inspect.unwrap(type(one).forward), "__code__", None)
        try:
            tree = ast.parse(textwrap.dedent(inspect.getsource(code))) if code else ast.Module([], [])
        except (OSError, SyntaxError):
            continue
        for node in ast.walk(tree):
            if isinstance(node, ast.Try) and code:
                name = type(one).__name__
                line = code.co_firstlineno + node.lineno - 1
                yield f"{short(code.co_filename)}:{line}", f"{path} ({name})" if path else name
