"""Where the channels that a linear layer writes are read by others, with nothing in between but what factors pass."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import torch

from qdebug.graph.layers import Layer
from qdebug.graph.moves import Numbers, moved, source_of
from qdebug.graph.patterns import BENT, NormSite, word
from qdebug.graph.program import Program

Shapes = Mapping[int, tuple[int, ...]]


@dataclass(frozen=True, slots=True)
class Flow:
    """A linear layer and those that read channels of its output, each channel perhaps several times.

    Attributes:
        writer: the layer.
        readers: the layers that read the channels, all in the same value.
        channels: for each channel that they read, the writer's output channel that it is a multiple, or a sum, of.
        refused: why they cannot share factors, or None.
        said: steps of what a batch normalization has said of the writer's outputs.
    """

    writer: Layer
    readers: tuple[Layer, ...]
    channels: tuple[int, ...]
    refused: str | None
    said: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class _End:
    """A way that ends: at a reader, or at what no factor comes through; ``found`` are the channels that took it."""

    found: frozenset[int]
    reader: Layer | None = None
    channels: tuple[int, ...] = ()
    refused: str | None = None


def flows(program: Program, layers: Sequence[Layer], shapes: Shapes) -> tuple[Flow, ...]:
    """Every linear layer whose output others read, in the order of the graph; see :func:`qdebug.graph.moves.moved`.

    Args:
        program: the program.
        layers: its layers.
        shapes: of all values, by step index.
    """
    readers = {layer.step: layer for layer in layers if layer.kind != "embedding"}
    found: list[Flow] = []
    for writer in layers:
        if writer.kind == "matmul" and writer.step in shapes:
            shape = shapes[writer.step]
            ends = list(_ends(program, writer.step, torch.arange(shape[-1]).expand(shape), readers, shapes))
            found += _joined(program, writer, ends)
    return tuple(found)


def _ends(program: Program, at: int, numbers: Numbers, readers: Mapping[int, Layer], shapes: Shapes) -> Iterator[_End]:
    """Follow channels from a step's value to where they end."""
    taken = _channels(numbers)
    if at == program.output or at in program.outputs.values():
        yield _End(taken, refused="the output in between is the model's own")
    for user in program.consumers[at]:
        reader = readers.get(user)
        if reader is not None and reader.x == at:
            yield _read(reader, numbers, taken)
            continue
        further = moved(program, program.steps[user], at, numbers, shapes)
        if isinstance(further, str):
            yield _End(taken, refused=further)
        else:
            yield from _ends(program, user, further, readers, shapes)


def _channels(numbers: Numbers) -> frozenset[int]:
    parts = numbers if isinstance(numbers, tuple) else (numbers,)
    return frozenset(number for part in parts for number in part.unique().tolist())


def _read(reader: Layer, numbers: Numbers, taken: frozenset[int]) -> _End:
    if reader.kind != "matmul" or isinstance(numbers, tuple):
        return _End(taken, refused=f"{reader.name} is no linear layer")
    rows = numbers.reshape(-1, numbers.shape[-1])
    if not torch.equal(rows.amin(0), rows.amax(0)):
        return _End(taken, refused=f"{reader.name} reads several of its channels as one")
    return _End(taken, reader, tuple(rows[0].tolist()))


def _joined(program: Program, writer: Layer, ends: Sequence[_End]) -> list[Flow]:
    """Readers of one value together, with the first reason that its channels cannot be divided."""
    groups: dict[int, list[_End]] = {}
    for end in ends:
        if end.reader is not None:
            groups.setdefault(end.reader.x, []).append(end)
    found = []
    for group in groups.values():
        readers = tuple(end.reader for end in group if end.reader is not None)
        others = [end for end in ends if end not in group and end.found & group[0].found]
        refused = next((end.refused for end in others if end.refused), None)
        if others and refused is None:
            refused = f"other layers read some of the channels that {writer.name} writes"
        refused = refused or _owned(program, writer, readers)
        found.append(Flow(writer, readers, group[0].channels, refused, program.norms.get(writer.step, ())))
    return found


def _owned(program: Program, writer: Layer, readers: Sequence[Layer]) -> str | None:
    """Why weights cannot be changed; None where they can."""
    for layer in (writer, *readers):
        if layer.weight not in program.state:
            return f"the weight of {layer.name} is computed in the graph, not stored"
        if len(program.consumers[layer.weight]) > 1:
            return f"the weight of {layer.name} is shared with another operator"
    if writer.bias is not None and (writer.bias not in program.state or len(program.consumers[writer.bias]) > 1):
        return f"the bias of {writer.name} is shared with another operator, or computed in the graph"
    return None


def unplaced(
    program: Program, layers: Sequence[Layer], shapes: Shapes, norms: Sequence[NormSite], found: Sequence[Flow]
) -> dict[str, str]:
    """Why factors of a layer's input channels have no place to go to, by the names of layers that are in no site.

    Args:
        program: the program.
        layers: its layers.
        shapes: of all values, by step index.
        norms: normalizations and the layers that read them.
        found: linear layers and those that read them.
    """
    placed = {layer.name for site in norms for layer in site.layers}
    placed |= {layer.name for flow in found for layer in flow.readers}
    return {layer.name: _origin(program, layer, layers, shapes) for layer in layers if layer.name not in placed}


def _origin(program: Program, layer: Layer, layers: Sequence[Layer], shapes: Shapes) -> str:
    """What stands before a layer that takes no factors."""
    if layer.kind == "embedding":
        return "an embedding reads no channels"
    if layer.kind == "conv":
        return "a convolution: only linear layers are given factors here (cross-layer equalization treats convolutions)"
    writers, at = {one.step: one for one in layers}, layer.x
    while True:
        step = program.steps[at]
        if step.kind == "input":
            return "it reads the model's own input"
        if program.constant[at]:
            return "it reads a constant"
        if at in writers:
            return _lost(program, writers[at], writers, shapes)
        before = source_of(program, step)
        if before is None:
            return f"no factor comes through {BENT.get(step.op) or word(step)}"
        at = before


def _lost(program: Program, writer: Layer, readers: Mapping[int, Layer], shapes: Shapes) -> str:
    """Why the channels of a layer do not reach one that lies behind it."""
    if writer.kind != "matmul" or writer.step not in shapes:
        return f"it reads {writer.name}, which is no linear layer"
    shape = shapes[writer.step]
    ends = _ends(program, writer.step, torch.arange(shape[-1]).expand(shape), readers, shapes)
    return next((end.refused for end in ends if end.refused), f"it does not read the channels of {writer.name}")
