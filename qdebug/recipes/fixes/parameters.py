"""The parameters of a fix as values, read from its class: what an option or a widget for each needs to know."""

from __future__ import annotations

import inspect
import re
from dataclasses import dataclass
from functools import cache
from types import UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

import msgspec

from qdebug.recipes.fixes.base import BaseFix

ParameterKind = Literal["bool", "int", "float", "choice", "other"]
_PLAIN: dict[object, ParameterKind] = {bool: "bool", int: "int", float: "float"}
_ENTRY = re.compile(r"^ {0,4}(?P<names>[a-z_][\w, ]*): (?P<text>\S.*)$")


@dataclass(frozen=True, slots=True)
class Parameter:
    """One field of a fix.

    Attributes:
        name: as on the command line.
        kind: ``other`` is what no simple widget can set.
        default: what it is if not said.
        choices: of a choice.
        low, high: the values it may have; None where they have no end.
        optional: whether it may be left out altogether (None).
        about: what it is, from the class' docstring.
    """

    name: str
    kind: ParameterKind
    default: Any
    choices: tuple[str | int, ...]
    low: float | None
    high: float | None
    optional: bool
    about: str


@cache
def parameters(kind: type[BaseFix]) -> tuple[Parameter, ...]:
    """The parameters of a fix in the order of its fields.

    Bounds are the type's own (``msgspec.Meta``). A number without any, whose default is not negative, is taken to be
    not negative either; a whole number that is positive, to be positive.
    """
    hints, said = get_type_hints(kind, include_extras=True), _said(kind)
    return tuple(
        _parameter(field.name, hints[field.name], field.default, said.get(field.name, ""))
        for field in msgspec.structs.fields(kind)
    )


def _parameter(name: str, hint: Any, default: Any, about: str) -> Parameter:
    low, high = None, None
    if get_origin(hint) is Annotated:
        hint, *notes = get_args(hint)
        for note in notes:
            if isinstance(note, msgspec.Meta):
                low, high = note.ge if note.gt is None else note.gt, note.le if note.lt is None else note.lt
    parts = get_args(hint) if get_origin(hint) in (Union, UnionType) else (hint,)
    optional, (first, *more) = type(None) in parts, [part for part in parts if part is not type(None)] or [hint]
    choices = get_args(first) if get_origin(first) is Literal else ()
    kind: ParameterKind = "other" if more else "choice" if choices else _PLAIN.get(first, "other")
    if kind in ("int", "float") and low is None and (default is None or default >= 0):
        low = 1 if kind == "int" and default else 0
    low, high = (None if end is None else float(end) for end in (low, high))
    return Parameter(name, kind, default, choices, low, high, optional, about)


def _said(kind: type[BaseFix]) -> dict[str, str]:
    """What the ``Attributes`` section of a docstring says, by name, each entry in one line."""
    _, _, section = inspect.cleandoc(kind.__doc__ or "").partition("Attributes:\n")
    found: dict[str, str] = {}
    names: list[str] = []
    for line in section.splitlines():
        if not line.strip():
            break
        if entry := _ENTRY.match(line):
            names = [name.strip() for name in entry["names"].split(",")]
            found |= dict.fromkeys(names, entry["text"].strip())
        else:
            found |= {name: f"{found[name]} {line.strip()}" for name in names}
    return found
