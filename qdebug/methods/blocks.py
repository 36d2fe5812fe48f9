"""A program's blocks: stretches of it that are rounded together."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

from qdebug.graph import Layer, Program, prune

MOST_LAYERS = 12
"""Layers of a block. A stretch of more is taken apart: rounding a network as a whole fits it to the calibration data
(Li et al. 2021, table 1)."""
_SIZES = ("aten.sym_size.int",)


@dataclass(frozen=True)
class Block:
    """A stretch of a program of which a single value is read.

    Attributes:
        reads: steps outside whose values it reads; not the program's inputs, nor constants.
        target: its last step.
        steps: what to execute, in order.
        layers: the layers among them.
    """

    reads: tuple[int, ...]
    target: int
    steps: tuple[int, ...]
    layers: tuple[Layer, ...]

    @property
    def name(self) -> str:
        """What people are told of it."""
        first, last = self.layers[0].name, self.layers[-1].name
        return f"the block {first} to {last}" if len(self.layers) > 1 else f"{first} by itself"


def blocks_of(
    program: Program, layers: Sequence[Layer], known: Collection[int] = (), most: int = MOST_LAYERS
) -> tuple[Block, ...]:
    """The blocks that hold layers, in order.

    The program is cut wherever a single value is alive: a residual branch or an attention makes one block with what it
    is added to, and where layers simply follow one another each is a block with what stands behind it. Neighbours that
    belong to the same repeated module, such as ``blocks.3`` of ``blocks.3.expand``, are one block. A block of more than
    ``most`` layers is taken apart into its layers.

    Args:
        program: the program.
        layers: those to round.
        known: steps of further layers.
        most: layers of a block.
    """
    live = prune.needed(
        program.steps, (program.output,), lambda step: program.sources[step.index], lambda step: (step.index,)
    )
    steps = [i for i in sorted(live) if program.steps[i].kind == "op" and not program.constant[i]]
    free = _free(program, steps, {*known, *(layer.step for layer in layers)})
    found: list[Block] = []
    for stretch in _joined(_with_layers(_stretches(program, steps, free), layers), layers, most):
        held = _held(stretch, layers)
        if len(held) > most:
            found.extend(_block(program, (layer.step,), free, (layer,)) for layer in held)
        else:
            found.append(_block(program, stretch, free, held))
    return tuple(found)


def _free(program: Program, steps: Sequence[int], known: Collection[int]) -> frozenset[int]:
    """Steps whose values are at hand everywhere: no layer has a part in them, or they are only sizes.

    An attention's mask is computed from the inputs and read in each block, and so is the number of samples.
    """
    free: set[int] = set()
    computed = set(steps)
    for step in steps:
        plain = all(source in free or source not in computed for source in program.sources[step])
        if program.steps[step].op in _SIZES or (plain and step not in known):
            free.add(step)
    return frozenset(free)


def _stretches(program: Program, steps: Sequence[int], free: frozenset[int]) -> list[tuple[int, ...]]:
    """Steps cut behind each at which no other computed value is alive; free ones are left out."""
    own = [step for step in steps if step not in free]
    last = {source: step for step in own for source in program.sources[step]}
    stretches: list[tuple[int, ...]] = []
    begun: list[int] = []
    reach = -1
    for step in own:
        begun.append(step)
        # No earlier value is read behind this step, and its own is one tensor.
        if reach <= step and all(program.steps[reader].op != "getitem" for reader in program.consumers[step]):
            stretches.append(tuple(begun))
            begun = []
        reach = max(reach, last.get(step, -1))
    return [*stretches, tuple(begun)] if begun else stretches


def _with_layers(stretches: Iterable[tuple[int, ...]], layers: Sequence[Layer]) -> list[tuple[int, ...]]:
    """Stretches without a layer put to those before them; to the first one, at the beginning."""
    found: list[tuple[int, ...]] = []
    for stretch in stretches:
        if found and not (_held(found[-1], layers) and _held(stretch, layers)):
            found[-1] += stretch
        else:
            found.append(stretch)
    return found if found and _held(found[-1], layers) else []


def _joined(stretches: Sequence[tuple[int, ...]], layers: Sequence[Layer], most: int) -> list[tuple[int, ...]]:
    """Neighbours joined whose layers all belong to one module of :func:`_units`."""
    units = _units(layers)
    found: list[tuple[int, ...]] = list(stretches[:1])
    for stretch in stretches[1:]:
        both = _held(found[-1] + stretch, layers)
        modules = {units[layer.step] for layer in both}
        if len(modules) == 1 and None not in modules and len(both) <= most:
            found[-1] += stretch
        else:
            found.append(stretch)
    return found


def _units(layers: Sequence[Layer]) -> dict[int, str | None]:
    """By each layer's step the innermost numbered module (``blocks.3``) that it shares with a neighbour, else None."""
    shared: dict[int, str | None] = {layer.step: None for layer in layers}
    for one, two in pairwise(layers):
        common = [a for a, b in zip(_modules(one.name), _modules(two.name), strict=False) if a == b]
        if common:
            for layer in (one, two):
                known = shared[layer.step]
                shared[layer.step] = common[-1] if known is None or len(common[-1]) > len(known) else known
    return shared


def _modules(name: str) -> list[str]:
    """The numbered modules that a layer lies in, from the outside in."""
    parts = name.split(".")
    return [".".join(parts[: end + 1]) for end in range(len(parts) - 1) if parts[end].isdigit()]


def _block(program: Program, steps: tuple[int, ...], free: frozenset[int], layers: tuple[Layer, ...]) -> Block:
    """The block of these steps, with the free ones that they need."""
    own = set(steps)
    for step in range(steps[-1], -1, -1):
        if step in free and not own.isdisjoint(program.consumers[step]):
            own.add(step)
    reads = {
        source
        for step in own
        for source in program.sources[step]
        if source not in own and not program.constant[source] and program.steps[source].kind != "input"
    }
    return Block(tuple(sorted(reads)), steps[-1], tuple(sorted(own)), layers)


def _held(steps: Sequence[int], layers: Sequence[Layer]) -> tuple[Layer, ...]:
    own = set(steps)
    return tuple(layer for layer in layers if layer.step in own)
