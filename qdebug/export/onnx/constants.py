"""Constants that nodes shall read instead of those they read, under the old names where nobody misses them."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable
from dataclasses import dataclass

from onnx import NodeProto

from qdebug.export.onnx.edit import Editor

Write = Callable[[str, str], None]
"""Adds what gives a value: its name, and what new names are made of."""


@dataclass(frozen=True)
class Replacement:
    """A new constant for a node.

    Attributes:
        node, position: who reads it, where; the position holds a value now.
        key: equal for constants that are the same.
        word: what it is called where the old name must stay, behind that name.
        write: adds it.
    """

    node: NodeProto
    position: int
    key: Hashable
    word: str
    write: Write


def replace_all(editor: Editor, wanted: Iterable[Replacement]) -> None:
    """Put constants in the place of others.

    The first new one takes the old one's name if all who read that read new ones now. Equal ones are written once.
    """
    by_value: dict[str, list[Replacement]] = {}
    for one in wanted:
        by_value.setdefault(one.node.input[one.position], []).append(one)
    # What is computed from constants goes first: it may be all that still reads a stored one.
    for value, group in sorted(by_value.items(), key=lambda one: editor.producer(one[0]) is None):
        taken = [(id(one.node), one.position) for one in group]
        free = value not in editor.outputs and all(
            (id(node), position) in taken for node in editor.readers(value) for position in _positions(node, value)
        )
        names: dict[Hashable, str] = {}
        if free:
            editor.vacate(value)
        for one in group:
            if one.key not in names:
                own = free and not names
                name = value if own else editor.fresh(f"{value}/{one.word}")
                one.write(name, value)
                names[one.key] = name
            if names[one.key] != value:
                editor.set_input(one.node, one.position, names[one.key])


def _positions(node: NodeProto, value: str) -> list[int]:
    """Where a node reads a value; −1 where a graph inside it does."""
    return [at for at, name in enumerate(node.input) if name == value] or [-1]
