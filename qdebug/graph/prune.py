"""Steps that nobody needs, left out."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import replace
from typing import TypeVar

from qdebug.graph.program import Program, Step, moved_template

Node = TypeVar("Node")
Name = TypeVar("Name", bound=Hashable)


def needed(
    nodes: Sequence[Node], outputs: Iterable[Name], reads: Callable[[Node], Iterable[Name]],
    writes: Callable[[Node], Iterable[Name]],
) -> set[Name]:  # fmt: skip
    """The values that outputs depend on, themselves among them.

    Args:
        nodes: of a graph in any form, each behind what it reads.
        outputs: names of values.
        reads: what a node reads.
        writes: what it writes.
    """
    found = set(outputs)
    for node in reversed(nodes):
        if not found.isdisjoint(writes(node)):
            found.update(reads(node))
    return found


def pruned(program: Program) -> Program:
    """The same program without steps that no output depends on. Its inputs stay, used or not."""
    ends = {program.output, *program.outputs.values(), *program.inputs.values()}
    live = needed(program.steps, ends, lambda step: program.sources[step.index], lambda step: (step.index,))
    moved = {old: new for new, old in enumerate(sorted(live))}
    if len(moved) == len(program.steps):
        return program

    def at_new_place(step: Step) -> Step:
        args, kwargs = moved_template(step.args, moved), moved_template(step.kwargs, moved)
        return replace(step, index=moved[step.index], args=args, kwargs=kwargs)

    state = {moved[index]: tensor for index, tensor in program.state.items() if index in moved}
    return program.rebuilt([at_new_place(program.steps[old]) for old in sorted(live)], state, moved)
