"""The rows of a table as texts, as the lines of a ``.jsonl`` are."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from typing import Any

from qdebug.doors.datasets import Table
from qdebug.doors.huggingface.texts import Text
from qdebug.errors import DataError

CHARACTERS = 2**26
"""After so many characters of text no further row is read."""


def read_rows(
    table: Table, most: int | None = None, classes: Collection[str] = (), check: Callable[[], None] = lambda: None
) -> list[Text]:
    """The texts of a table's first rows.

    Columns are those of a ``.jsonl``: ``messages`` or ``text``, and ``target``, ``label`` and ``group`` where they are
    there. A class with a name that the model has too goes by its name, any other by its number.

    Args:
        table: the table.
        most: rows that are wanted at most; None for as many as have :data:`CHARACTERS` characters.
        classes: what the model calls its classes.
        check: called between rows; raises where the work is to stop.

    Raises:
        FileError: a file of the table is damaged.
        DataError: it has no such column, or a row's is empty or of another kind.
    """
    messages = table.column("messages", kinds=("messages",))
    text = None if messages else table.column("text", kinds=("text",))
    if messages is None and text is None:
        raise table.lacks("text", "text")
    target, group = table.column("target", kinds=("text",)), table.column("group", kinds=("text", "class", "number"))
    label = table.column("label", "labels", kinds=("class", "number", "text"))
    names = table.features[label].classes if label else ()
    by_name = names if set(names) <= set(classes) else ()
    columns = [name for name in (messages or text, target, label, group) if name]
    found: list[Text] = []
    held = 0
    for at, row in enumerate(table.rows(columns, check)):
        one = _text(row, at, messages, text, target, table)
        said = None if label is None else _label(row[label], by_name)
        in_group = None if group is None else str(row[group])
        found.append(Text(at, one.text, one.messages, one.target, said, in_group, unit="row"))
        held += len(one.text) + sum(len(str(part["content"])) for part in one.messages)
        if (most is not None and len(found) >= most) or held >= CHARACTERS:
            break
    return found


def _text(
    row: dict[str, Any], at: int, messages: str | None, text: str | None, target: str | None, table: Table
) -> Text:
    if messages is not None:
        parts = tuple(_messages(row[messages]))
        if not parts:
            raise DataError("A row has no message", file=table.place, row=at, do="Leave the row out.")
        return Text(at, "", parts)
    assert text is not None
    said, answer = row[text], None if target is None else row[target]
    if not isinstance(said, str) or not said.strip():
        raise DataError("A row's text is empty", file=table.place, row=at, do="Leave the row out: dataset.filter(…).")
    return Text(at, said, target=answer)


def _messages(value: object) -> Iterator[dict[str, Any]]:
    """The messages of a row; what a structure has as nothing is left out, as templates ask whether it is there."""
    for one in value if isinstance(value, list) else ():
        if isinstance(one, dict) and isinstance(one.get("role"), str) and "content" in one:
            yield {name: part for name, part in one.items() if part is not None or name == "content"}


def _label(value: object, names: tuple[str, ...]) -> int | str | None:
    if isinstance(value, bool) or not isinstance(value, (int, str)) or value == -1:  # -1: no class is known
        return None
    return names[value] if isinstance(value, int) and 0 <= value < len(names) else value
