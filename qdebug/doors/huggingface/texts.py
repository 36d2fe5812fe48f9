"""Files of text: ``.jsonl`` with a text or a conversation in each line, and plain text."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from qdebug.errors import DataError, FileError

KINDS = (".jsonl", ".txt", ".md", ".text")
_MOST = 2**28


@dataclass(frozen=True)
class Text:
    """One text.

    Attributes:
        line: where it begins in its file, from 1.
        text: the text; empty where ``messages`` say it.
        messages: a conversation, each with ``role`` and ``content``.
        target: what should be answered.
        label: its class, by number or name.
        group: the subgroup that it belongs to.
        unit: what ``line`` counts; the rows of a table are counted from 0.
    """

    line: int
    text: str
    messages: tuple[dict[str, Any], ...] = ()
    target: str | None = None
    label: int | str | None = None
    group: str | None = None
    unit: str = "line"

    @property
    def at(self) -> dict[str, int]:
        """Where it is, for errors."""
        return {self.unit: self.line}


def read_texts(file: Path) -> list[Text]:
    """All texts of a file: of a ``.jsonl`` a line each, of plain text the paragraphs (empty lines divide them).

    Raises:
        FileError: there is no such file, it is larger than 256 MiB, or no UTF-8.
        DataError: a line is no JSON object with ``text`` or ``messages``, or there is no text at all.
    """
    if not file.is_file():
        raise FileError("There is no such file", file=file, do="Check the path.")
    if file.stat().st_size > _MOST:
        raise FileError(
            f"The file has {file.stat().st_size} bytes, {_MOST} are the most", file=file, do="Give a part of it."
        )
    try:
        whole = file.read_text("utf-8-sig")
    except UnicodeDecodeError as error:
        raise FileError(f"This is no text in UTF-8, from byte {error.start} on", file=file, do="Convert it.") from None
    found = _lines(whole, file) if file.suffix.lower() == ".jsonl" else _paragraphs(whole)
    if not found:
        raise DataError("The file has no text", file=file, do="Give at least one line.")
    return found


def _paragraphs(whole: str) -> list[Text]:
    found, lines, begin = [], [], 1
    for at, line in enumerate([*whole.splitlines(), ""], 1):
        if line.strip():
            begin = begin if lines else at
            lines.append(line)
        elif lines:
            found.append(Text(begin, "\n".join(lines)))
            lines = []
    return found


def _lines(whole: str, file: Path) -> list[Text]:
    return [_line(line, at, file) for at, line in enumerate(whole.split("\n"), 1) if line.strip()]


def _line(line: str, at: int, file: Path) -> Text:
    try:
        found = json.loads(line)
    except (ValueError, RecursionError):
        raise DataError("A line is no JSON", file=file, line=at, do="Write one JSON object in each line.") from None
    if not isinstance(found, dict):
        raise DataError("A line is no JSON object", file=file, line=at, do='Write {"text": "…"} in each line.')
    messages = found.get("messages")
    if isinstance(messages, list) and messages and all(_is_message(one) for one in messages):
        return Text(at, "", tuple(messages), group=_word(found.get("group")))
    text, target, label = found.get("text"), found.get("target"), found.get("label")
    if not isinstance(text, str):
        what = "'text' that is no string" if "text" in found else "neither 'text' nor 'messages'"
        raise DataError(f"A line has {what}", file=file, line=at, do='Write {"text": "…"} in each line.')
    if not text.strip():
        raise DataError("A line's text is empty", file=file, line=at, do="Leave the line out.")
    if label is not None and (isinstance(label, bool) or not isinstance(label, (int, str))):
        raise DataError("A line's label is neither a number nor a name", file=file, line=at, do="Give the class.")
    if target is not None and not isinstance(target, str):
        raise DataError("A line's target is no text", file=file, line=at, do="Give the answer as a string.")
    return Text(at, text, target=target, label=label, group=_word(found.get("group")))


def _is_message(one: object) -> bool:
    return isinstance(one, dict) and isinstance(one.get("role"), str) and "content" in one


def _word(group: object) -> str | None:
    return None if group is None else str(group)
