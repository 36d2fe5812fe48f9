"""Steps added one by one while a graph is lowered; what depends on constants only is computed at once."""

from __future__ import annotations

import operator
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from qdebug.doors.onnx.body import Body
from qdebug.doors.onnx.folding import FAILURES, fold
from qdebug.doors.onnx.ir import Node
from qdebug.errors import ModelError
from qdebug.graph.calls import compiled, fill
from qdebug.graph.program import Program, Ref, Step, refs
from qdebug.graph.prune import pruned

#: Kernels whose result is what they read in another shape. The others are taken for what computes something, even where
#: they may hand back what they were given.
_MOVES = ("flatten", "Flatten", "Reshape", "Squeeze", "Unsqueeze", "Transpose", "Identity", "Slice", "Expand", "Split")
#: What is drawn anew at each run is never computed beforehand.
_RANDOM = ("RandomNormal", "RandomUniform", "Multinomial", "Bernoulli", "Dropout")


class Builder:
    """A program in the making.

    Attributes:
        opsets: opset version by domain.
        names: step index by the file's name of the value.
        elems: element type by the file's name of the value, 0 where unknown.
    """

    def __init__(self, opsets: Mapping[str, int]) -> None:
        self.opsets = opsets
        self.names: dict[str, int] = {}
        self.elems: dict[str, int] = {}
        self.inputs: dict[str, int] = {}
        self._steps: list[Step] = []
        self._state: dict[int, Tensor] = {}
        self._node = ""

    def begin(self, node: Node) -> None:
        """All steps from here on belong to a node."""
        self._node = node.name

    def input(self, name: str, elem: int) -> int:
        """An input of the model."""
        index = self._append("input", name)
        self.inputs[name] = self.names[name] = index
        self.elems[name] = elem
        return index

    def state(self, name: str, tensor: Tensor, module: str = "") -> int:
        """A stored tensor."""
        index = self._append("state", name, module=module)
        self._state[index] = tensor
        return index

    def at(self, node: Node, position: int) -> Ref | None:
        """A node's input, or None where it is left out."""
        if position >= len(node.inputs) or not node.inputs[position]:
            return None
        return Ref(self.names[node.inputs[position]])

    def constant(self, node: Node, position: int) -> Tensor | None:
        """The value of a node's input where it is known already."""
        ref = self.at(node, position)
        return None if ref is None else self._state.get(ref.index)

    def emit(self, target: Any, *args: Any, op: str = "", name: str = "", part: str = "", **kwargs: Any) -> Ref:
        """Add an operator on references and plain values.

        Where all references are to constants it is computed now, and the step is a constant itself.

        Args:
            target: what to call: torch's own operator, or a kernel with its name as ``op``.
            *args: its arguments.
            **kwargs: its keyword arguments.
            op: the step's operator name; torch's own name if empty.
            name: of the step; the node's with a word behind it if empty.
            part: tells apart the layers of a node that has several; it follows the node's name in ``module``.
        """
        name = name or f"{self._node}/{(op or str(target)).split('.')[1]}"
        if all(index in self._state for index in refs((args, kwargs))):
            folded = self._folded(target, args, kwargs, op, name)
            if folded is not None:
                return folded
        module = f"{self._node}/{part}" if part else self._node
        return Ref(
            self._append(
                "op", name, op=op or str(target), target=target, args=args, kwargs=kwargs, module=module,
                is_view=_is_view(target, op),
            )
        )  # fmt: skip

    def pick(self, several: Ref, place: int, name: str) -> Ref:
        """One of the values of a step that has several."""
        return self.emit(operator.getitem, several, place, op="getitem", name=name)

    def called(self, ref: Ref, name: str) -> Ref:
        """The last step under a new name; a step that has been used already keeps its own."""
        if ref.index == len(self._steps) - 1 and self._steps[ref.index].kind != "input":
            step = self._steps[ref.index]
            self._steps[ref.index] = replace(step, name=name)
        return ref

    def program(self, outputs: Mapping[str, int], batch: int | None = None, scored: str = "") -> Program:
        """The finished program; what no output needs is left out.

        Args:
            outputs: step index by name.
            batch: the number of samples, where it is fixed.
            scored: the output that is scored; the first if empty.
        """
        first = outputs[scored] if scored else next(iter(outputs.values()))
        whole = Program(tuple(self._steps), self.inputs, first, self._state, batch, outputs)
        return pruned(whole)

    def is_constant(self, index: int) -> bool:
        """Whether a step's value is known."""
        return index in self._state

    def value(self, index: int) -> Tensor:
        """The value of a constant step."""
        return self._state[index]

    def step(self, ref: Ref) -> Step:
        """The step that computes a value, or is it."""
        return self._steps[ref.index]

    def _folded(self, target: Any, args: Sequence[Any], kwargs: Mapping[str, Any], op: str, name: str) -> Ref | None:
        if any(word in op for word in _RANDOM) or not getattr(target, "folds", True):
            return None
        if any(isinstance(value, Body) for value in kwargs.values()):  # how long a loop runs only running it tells
            return None
        probe = Step(0, "op", name, op=op, target=target, args=tuple(args), kwargs=kwargs)
        try:
            value = fold(compiled(probe), self._state, fill([list(args), dict(kwargs)], self._state), op)
        except ModelError as error:
            raise ModelError(error.what, do=error.do, **{"node": self._node, **error.where}) from error
        except FAILURES as error:
            words = str(error).strip().partition("\n")[0] or type(error).__name__
            raise ModelError(
                f"{op or target} failed: {words.rstrip(chr(46))}", layer=self._node,
                do="The file's own constants do not fit each other: write it again.",
            ) from error  # fmt: skip
        if not isinstance(value, Tensor):
            return None
        return Ref(self.state(name, value, module=self._node))

    def _append(self, kind: Any, name: str, **fields: Any) -> int:
        index = len(self._steps)
        self._steps.append(Step(index=index, kind=kind, name=name, **fields))
        return index


def _is_view(target: Any, op: str) -> bool:
    if isinstance(target, torch._ops.OpOverload):
        return any(one.alias_info is not None for one in target._schema.returns)
    return op == "getitem" or op.removeprefix("onnx.").split("-")[0] in _MOVES
