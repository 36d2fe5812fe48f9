"""What all results share."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

Writer = Callable[[Any], str]
"""Writes a value out, as text or as HTML."""

_WRITERS: dict[type, tuple[Writer, Writer]] = {}


class Result(msgspec.Struct, frozen=True, kw_only=True):
    """A plain, frozen value; ``msgspec.to_builtins`` makes JSON of it.

    In a notebook or a terminal a value shows itself as :func:`show_as` says; where nothing is said, by its fields.
    """

    def __repr__(self) -> str:
        writers = _WRITERS.get(type(self))
        return writers[0](self) if writers else super().__repr__()

    def _repr_html_(self) -> str | None:
        """What a notebook shows; None leaves it to the text."""
        writers = _WRITERS.get(type(self))
        return writers[1](self) if writers else None


def show_as(kind: type[Result], text: Writer, page: Writer) -> None:
    """Have values of a kind show themselves. Rooms that draw say how; results know no drawing.

    Args:
        kind: the class, not its subclasses.
        text: writes one for a terminal.
        page: writes one as HTML, self-contained and without a script.
    """
    _WRITERS[kind] = text, page


def path(names: tuple[str, ...], first: int) -> str:
    """Names of layers as people read them: the first few, which write some values, → those that read them."""
    return " → ".join(", ".join(part) for part in (names[:first], names[first:]) if part)
