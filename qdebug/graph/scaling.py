"""Values whose channels share one scale: what writes them, what reads them, and why none can be chosen."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

from qdebug.graph.between import Lay, passage
from qdebug.graph.layers import Layer
from qdebug.graph.patterns import word
from qdebug.graph.program import Program, Step

_SUMS = ("aten.add.Tensor", "aten.sub.Tensor", "aten.add_.Tensor")


@dataclass(frozen=True, slots=True)
class Reader:
    """A layer that reads the values; ``spread`` neighbouring columns of its weight belong to each channel."""

    layer: Layer
    spread: int


@dataclass(frozen=True, slots=True)
class Cap:
    """A clamp on the way, such as ReLU6: exact for a scale where no value reaches an end that is not zero.

    Attributes:
        step: the clamp; it reads ``x``.
        x: what it reads.
        axis: of the channels in it.
        low, high: the ends.
    """

    step: int
    x: int
    axis: int
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class ScaleGroup:
    """All that has to be rescaled together: divide what the writers write, multiply what the readers read.

    One writer and one reader are a pair of layers; what is added to each other has to come with the same scales, and
    so a residual stream is one group, with every layer that writes into it and every layer that reads it.

    Attributes:
        writers: the layers whose output channels these are.
        readers: the layers whose input channels these are.
        vectors: steps of stored vectors that are divided as the outputs are: the writers' biases, and what their batch
            normalizations have said of them.
        channels: how many there are.
        caps: clamps on the way.
        shifts: whether a shift of a channel reaches all readers as it is, where the values are positive.
        refused: why no scales can be chosen, or None.
    """

    writers: tuple[Layer, ...]
    readers: tuple[Reader, ...]
    vectors: tuple[int, ...]
    channels: int
    caps: tuple[Cap, ...]
    shifts: bool
    refused: str | None

    @property
    def layers(self) -> tuple[Layer, ...]:
        """Writers, then readers, each once."""
        return tuple({one.step: one for one in (*self.writers, *(reader.layer for reader in self.readers))}.values())


@dataclass(eq=False)
class _Draft:
    writers: list[Layer]
    channels: int
    readers: list[Reader] = field(default_factory=list)
    caps: list[Cap] = field(default_factory=list)
    shifts: bool = True
    refused: str | None = None


def scale_groups(
    program: Program, layers: Sequence[Layer], shapes: Mapping[int, tuple[int, ...]]
) -> tuple[ScaleGroup, ...]:
    """Every group of layers that cross-layer equalization would want, in the order of the graph.

    Args:
        program: the program.
        layers: its layers.
        shapes: shapes of all values by step, of one and the same run.
    """
    found = _Walk(program, layers, shapes).drafts()
    return tuple(_finished(program, draft) for draft in found if draft.writers and draft.readers)


class _Walk:
    """Follows channels from step to step; a draft for each set of values that scale alike."""

    def __init__(self, program: Program, layers: Sequence[Layer], shapes: Mapping[int, tuple[int, ...]]) -> None:
        self._program, self._shapes = program, shapes
        self._layers = {layer.step: layer for layer in layers if layer.kind != "embedding"}
        self._at: dict[int, tuple[_Draft, Lay]] = {}
        self._ends = {program.output, *program.outputs.values()}

    def drafts(self) -> list[_Draft]:
        for step in self._program.steps:
            if step.kind != "op" or self._program.constant[step.index]:
                continue
            layer = self._layers.get(step.index)
            if layer is not None:
                self._read(layer)
                self._write(layer)
            elif step.op in _SUMS and len(self._moving(step)) > 1:
                self._sum(step)
            else:
                self._pass(step)
            if step.index in self._ends and step.index in self._at:
                self._refuse(step.index, "the output in between is the model's own")
        return list(dict.fromkeys(draft for draft, _ in self._at.values()))

    def _moving(self, step: Step) -> tuple[int, ...]:
        return tuple(index for index in self._program.sources[step.index] if not self._program.constant[index])

    def _refuse(self, index: int, reason: str) -> None:
        draft, _ = self._at[index]
        draft.refused = draft.refused or reason

    def _write(self, layer: Layer) -> None:
        shape = self._shapes.get(layer.step)
        if shape:
            axis = layer.channel_axis % len(shape)
            self._at[layer.step] = _Draft([layer], shape[axis]), Lay(axis)

    def _read(self, layer: Layer) -> None:
        for index in self._moving(self._program.steps[layer.step]):
            if index not in self._at:
                continue
            draft, lay = self._at[index]
            draft.readers.append(Reader(layer, lay.spread))
            if index != layer.x or lay.axis != layer.channel_axis % len(self._shapes[index]):
                self._refuse(index, f"{layer.name} does not read it channel by channel")

    def _sum(self, step: Step) -> None:
        """What is added shares its scales: two drafts become one."""
        sources = self._moving(step)
        known = [index for index in sources if index in self._at]
        if not known:
            return
        draft, lay = self._at[known[0]]
        whole = self._shapes.get(step.index)
        for index in sources:
            if index not in self._at:
                self._refuse(known[0], f"it is added to {self._origin(index)}, which no layer's output channels make")
            elif self._at[index][1] != lay or self._shapes[index] != whole:
                self._refuse(known[0], "values of different shape are added")
        for index in known[1:]:
            self._merge(draft, self._at[index][0])
        draft.shifts = False
        self._at[step.index] = draft, lay

    def _merge(self, draft: _Draft, other: _Draft) -> None:
        if other is draft:
            return
        draft.writers += other.writers
        draft.readers += other.readers
        draft.caps += other.caps
        draft.refused = draft.refused or other.refused
        self._at = {index: (draft if one is other else one, lay) for index, (one, lay) in self._at.items()}

    def _pass(self, step: Step) -> None:
        for index in self._moving(step):
            if index not in self._at:
                continue
            draft, lay = self._at[index]
            found = passage(self._program, step, index, lay, self._shapes)
            if found is None:
                self._refuse(index, f"its output branches (it also feeds {word(step)})")
                continue
            if found.refused:
                self._refuse(index, found.refused)
            if found.cap:
                draft.caps.append(Cap(step.index, index, lay.axis, *found.cap))
            draft.shifts = draft.shifts and found.shifts
            self._at[step.index] = draft, found.lay

    def _origin(self, index: int) -> str:
        step = self._program.steps[index]
        return f"the model's input {step.name}" if step.kind == "input" else word(step)


def _finished(program: Program, draft: _Draft) -> ScaleGroup:
    writers = tuple(sorted(draft.writers, key=lambda layer: layer.step))
    readers = tuple(sorted(draft.readers, key=lambda reader: reader.layer.step))
    biases = [layer.bias for layer in writers if layer.bias is not None]
    said = [index for layer in writers for index in program.norms.get(layer.step, ())]
    refused = draft.refused or _unfit(program, writers, readers, draft.channels)
    return ScaleGroup(
        writers, readers, tuple(dict.fromkeys([*biases, *said])), draft.channels, tuple(draft.caps), draft.shifts,
        refused,
    )  # fmt: skip


def _unfit(
    program: Program, writers: Collection[Layer], readers: Collection[Reader], channels: int
) -> str | None:  # fmt: skip
    """Why what the layers store cannot be rescaled."""
    for layer in (*writers, *(reader.layer for reader in readers)):
        if layer.weight not in program.state:
            return "a weight is computed in the graph, not stored"
        if len(program.consumers[layer.weight]) > 1:
            return f"the weight of {layer.name} is shared with another operator"
    for layer in writers:
        if layer.bias is not None and layer.bias not in program.state:
            return f"the bias of {layer.name} is computed in the graph, not stored"
        if layer.bias is not None and len(program.consumers[layer.bias]) > 1:
            return f"the bias of {layer.name} is shared with another operator"
        count = program.state[layer.weight].shape[layer.out_axis] * (layer.groups if layer.out_axis == 1 else 1)
        if program.state[layer.weight].dim() < 2 or count != channels:
            return f"{layer.name} writes {count} channels, not {channels}"
    for reader in readers:
        layer, shape = reader.layer, program.state[reader.layer.weight].shape
        count = shape[layer.in_axis] * (layer.groups if layer.in_axis == 1 else 1)
        if count != channels * reader.spread or (layer.kind == "conv" and reader.spread > 1):
            return f"{layer.name} reads {count} channels, not {channels}"
    return None
