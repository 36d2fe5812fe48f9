"""Steps that nobody needs, left out."""

from __future__ import annotations

from dataclasses import replace

from qdebug.graph.program import Program, Step, moved_template


def pruned(program: Program) -> Program:
    """The same program without steps that no output depends on. Its inputs stay, used or not."""
    live = {program.output, *program.outputs.values(), *program.inputs.values()}
    for step in reversed(program.steps):
        if step.index in live:
            live.update(program.sources[step.index])
    moved = {old: new for new, old in enumerate(sorted(live))}
    if len(moved) == len(program.steps):
        return program

    def at_new_place(step: Step) -> Step:
        args, kwargs = moved_template(step.args, moved), moved_template(step.kwargs, moved)
        return replace(step, index=moved[step.index], args=args, kwargs=kwargs)

    state = {moved[index]: tensor for index, tensor in program.state.items() if index in moved}
    return program.rebuilt([at_new_place(program.steps[old]) for old in sorted(live)], state, moved)
