"""A model as a flat list of steps that the engine can walk."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, Literal

import torch
from blake3 import blake3
from torch import Tensor

from qdebug.graph.filed import plain


@dataclass(frozen=True, slots=True)
class Ref:
    """Stands in a step's arguments for the value of another step."""

    index: int


@dataclass(frozen=True, slots=True)
class Step:
    """One node of the graph.

    Attributes:
        index: position in the program; what it reads stands before it.
        kind: ``input`` (a user input), ``state`` (a parameter, buffer or constant) or ``op``.
        name: the input's name, the state's key, or the node's name in the exported graph.
        op: operator name such as ``aten.conv2d.default``; empty for inputs and states.
        target: what to call.
        args, kwargs: with :class:`Ref` in the place of values.
        module: path of the module it came from.
        is_view: its result may share memory with what it reads.
    """

    index: int
    kind: Literal["input", "state", "op"]
    name: str
    op: str = ""
    target: Callable[..., Any] | None = None
    args: tuple[Any, ...] = ()
    kwargs: Mapping[str, Any] = field(default_factory=dict)
    module: str = ""
    is_view: bool = False

    @property
    def inputs(self) -> tuple[int, ...]:
        """Indices of the steps it reads, each once, in order. Costs a walk; hot paths use ``Program.sources``."""
        return tuple(dict.fromkeys(refs((self.args, self.kwargs))))


@dataclass(frozen=True)
class Program:
    """A captured model. Never changed after it is built.

    Attributes:
        steps: all steps, in an order that can be executed.
        inputs: index of each user input, by name.
        output: index of the value that is scored.
        state: tensors by step index.
        batch: samples per batch where the graph was captured at a fixed size; None where any number will do.
        outputs: index of each of the model's outputs, by name, where they have names.
        stored: grids (``qdebug.quantize.QParams``) that came with the model, where it was quantized already, by the
            step whose value they belong to.
        everywhere: of those, the activations that all their readers see so, not layers alone.
        norms: where a batch normalization was folded into a layer, by the layer's step: states that hold what it said
            of the layer's outputs, their mean (β) and standard deviation (the magnitude of γ). No step reads them.
    """

    steps: tuple[Step, ...]
    inputs: Mapping[str, int]
    output: int
    state: Mapping[int, Tensor]
    batch: int | None = None
    outputs: Mapping[str, int] = field(default_factory=dict)
    stored: Mapping[int, Any] = field(default_factory=dict)
    everywhere: frozenset[int] = frozenset()
    norms: Mapping[int, tuple[int, int]] = field(default_factory=dict)

    @property
    def scored(self) -> str:
        """The name of the output that is scored; empty where outputs have none."""
        return next((name for name, index in self.outputs.items() if index == self.output), "")

    def rebuilt(self, steps: Sequence[Step], state: Mapping[int, Tensor], moved: Mapping[int, int]) -> Program:
        """The program with other steps, of which ``moved`` tells the new place of each old one that is left."""
        return replace(
            self,
            steps=tuple(steps),
            state=state,
            inputs={name: moved[index] for name, index in self.inputs.items()},
            outputs={name: moved[index] for name, index in self.outputs.items()},
            output=moved[self.output],
            stored={moved[index]: grid for index, grid in self.stored.items() if index in moved},
            everywhere=frozenset(moved[index] for index in self.everywhere if index in moved),
            norms={
                moved[layer]: (moved[mean], moved[deviation])
                for layer, (mean, deviation) in self.norms.items()
                if layer in moved and mean in moved and deviation in moved
            },
        )

    @cached_property
    def sources(self) -> tuple[tuple[int, ...], ...]:
        """For each step, the indices of the steps it reads."""
        return tuple(step.inputs for step in self.steps)

    @cached_property
    def consumers(self) -> tuple[tuple[int, ...], ...]:
        """For each step, the indices of the steps that read it."""
        users: list[list[int]] = [[] for _ in self.steps]
        for step in self.steps:
            for index in step.inputs:
                users[index].append(step.index)
        return tuple(tuple(one) for one in users)

    @cached_property
    def constant(self) -> tuple[bool, ...]:
        """For each step, whether its value depends on no user input."""
        flags: list[bool] = []
        for step in self.steps:
            flags.append(step.kind == "state" or (step.kind == "op" and all(flags[i] for i in step.inputs)))
        return tuple(flags)

    def alike(self, inputs: Collection[str]) -> frozenset[int]:
        """The steps whose values are the same for every sample where these inputs are; constants are among them."""
        found: set[int] = set()
        for step in self.steps:
            if step.name in inputs if step.kind == "input" else found.issuperset(self.sources[step.index]):
                found.add(step.index)
        return frozenset(found)

    @cached_property
    def state_keys(self) -> Mapping[int, bytes]:
        """A content hash of every state tensor, by step index."""
        return {index: tensor_key(tensor) for index, tensor in self.state.items()}

    @cached_property
    def static_keys(self) -> tuple[bytes, ...]:
        """For each step, a hash of everything but the values it reads: operator and static arguments."""
        return tuple(
            hashlib.blake2b(
                f"{s.kind} {s.op or s.name} {_spell((s.args, dict(s.kwargs)))}".encode(), digest_size=16
            ).digest()
            for s in self.steps
        )

    @cached_property
    def digest(self) -> str:
        """Sixteen hex digits that name graph and weights."""
        total = hashlib.blake2b(digest_size=8)
        for step in self.steps:
            total.update(self.static_keys[step.index])
            total.update(self.state_keys.get(step.index, b""))
        total.update(str(self.output).encode())
        return total.hexdigest()


def tensor_key(tensor: Tensor) -> bytes:
    """A hash of a tensor's dtype, shape and content (16 bytes). BLAKE3 costs a tenth of BLAKE2 on large weights."""
    whole = plain(tensor).detach().cpu().contiguous()
    digest = blake3(f"{whole.dtype} {tuple(whole.shape)}".encode())
    digest.update(whole.view(-1).view(torch.uint8).numpy().data if whole.numel() else b"")
    return digest.digest(16)


def refs(template: Any) -> Iterator[int]:
    """The indices of all references in an argument template, in order."""
    if isinstance(template, Ref):
        yield template.index
    elif isinstance(template, (tuple, list)):
        for item in template:
            yield from refs(item)
    elif isinstance(template, Mapping):
        for item in template.values():
            yield from refs(item)


def moved_template(template: Any, moved: Mapping[int, int]) -> Any:
    """An argument template whose references point to where the steps have been moved."""
    if isinstance(template, Ref):
        return Ref(moved[template.index])
    if isinstance(template, (tuple, list)):
        return type(template)(moved_template(item, moved) for item in template)
    if isinstance(template, Mapping):
        return {key: moved_template(item, moved) for key, item in template.items()}
    return template


def _spell(template: Any) -> str:
    """A text that is equal for equal argument templates, whatever objects they are made of."""
    if isinstance(template, Ref):
        return f"%{template.index}"
    if isinstance(template, (tuple, list)):
        return f"[{','.join(_spell(item) for item in template)}]"
    if isinstance(template, Mapping):
        return f"{{{','.join(f'{key}:{_spell(item)}' for key, item in template.items())}}}"
    if isinstance(template, torch.nn.Module):
        return str(getattr(template, "code", type(template).__name__))
    return repr(template)
