"""Answers that changed as markup: cards where samples are pictures, a table elsewhere. All names are escaped."""

from __future__ import annotations

from dataclasses import dataclass

from qdebug.figures import numbers
from qdebug.figures.colours import TROUBLE_MARK
from qdebug.figures.comparison import direction_words, margin_words
from qdebug.figures.picture import data_uri
from qdebug.figures.text import escaped
from qdebug.results import FlippedSample, Flips
from qdebug.web.core import words

SPACE = "␣"
"""What a single space is shown as."""
READ = 16
"""Characters of what was read that are shown where there is little room."""


@dataclass(frozen=True, slots=True)
class _Answer:
    """One side's answer: its text (empty for outputs that are no class), a figure beside it, whether it is wrong."""

    text: str
    figure: str
    wrong: bool

    @property
    def marked(self) -> str:
        mark = f'<span class="q-mark">{TROUBLE_MARK}</span> ' if self.wrong else ""
        return mark + escaped(SPACE if self.text == " " else self.text)

    @property
    def tone(self) -> str:
        return ' class="q-wrong"' if self.wrong else ""


def flips_html(found: Flips, *, from_float: bool = False) -> str:
    """A page of changed answers; with ``from_float`` A is the float model and B what became of it."""
    if any(row.picture for row in found.rows):
        cards = "".join(_card(row, found, from_float=from_float) for row in found.rows)
        return f'<div class="q-flips">{cards}</div>'
    return _narrow_table(found) if from_float else _table(found)


def _card(row: FlippedSample, found: Flips, *, from_float: bool) -> str:
    shown = ""
    if row.picture is not None:
        alt = f"evaluation sample {row.sample}"
        shown = f'<img class="q-picture" src="{data_uri(row.picture)}" alt="{alt}" width="56" height="56">'
    if row.target is not None:
        head = f"{_right(found)} {row.target}"
    else:
        head = f"{numbers.percent(row.moved)} {'of pixels' if found.unit == 'image' else 'moved'}"
    head += f" · {escaped(row.group)}" if row.group else ""
    change = direction_words(row.direction, found.unit, found.reference, from_float=from_float)
    title = f"sample {row.sample}: {change}"
    said = _arrow(*_answers(row)) if from_float else "".join(
        f'<span class="q-answer"><i>{letter}</i> {f"<b{one.tone}>{one.marked}</b>" if one.text else ""} '
        f"<small>{one.figure}</small></span>"
        for letter, one in zip("AB", _answers(row), strict=True)
    )  # fmt: skip
    return (
        f'<figure class="q-flip" title="{title}">{shown}<figcaption><span class="q-quiet">{head}</span>{said}'
        f'<span class="q-quiet">sample {row.sample}</span></figcaption></figure>'
    )


def _arrow(one: _Answer, two: _Answer) -> str:
    """From float to quantized in one line; of outputs that are no class, the figures alone."""
    before, after = (f"<b{each.tone}>{each.marked}</b>" if each.text else each.figure for each in (one, two))
    sure = f"<small>{one.figure} → {two.figure}</small>" if one.text else ""
    return f'<span class="q-answer">{before} → {after}</span><span class="q-answer">{sure}</span>'


def _right(found: Flips) -> str:
    """What the right answer is called."""
    if found.reference == "float":
        return "float"
    return "next" if found.unit == "token" else "label"


def _answers(row: FlippedSample) -> tuple[_Answer, _Answer]:
    texts = (row.text.a, row.text.b) if row.text else (_class(row.a), _class(row.b))
    wrong = (False, False) if row.target is None else (row.a != row.target, row.b != row.target)
    one, two = (_Answer(*parts) for parts in zip(texts, margin_words(row), wrong, strict=True))
    return one, two


def _class(value: int | None) -> str:
    return "" if value is None else "NaN" if value < 0 else str(value)


def _table(found: Flips) -> str:
    """Rows of text where there is any, of numbers elsewhere."""
    read, grouped = any(row.text for row in found.rows), any(row.group for row in found.rows)
    classes = any(row.target is not None for row in found.rows)
    head = ["sample", *(["read"] if read else []), *([_right(found), "A", "", "B", ""] if classes else
            ["error A", "error B", "moved"]), *(["group"] if grouped else [])]  # fmt: skip
    cells = "".join(f'<th scope="col"{_kind(text)}>{text}</th>' for text in head)
    body = "".join(_line(row, read=read, grouped=grouped) for row in found.rows)
    return words.scrolling(f'<table class="q-setters q-flipped"><tr>{cells}</tr>{body}</table>', tall=True)


def _narrow_table(found: Flips) -> str:
    """From float to quantized, for where there is little room: the end of what was read, both answers in a cell."""
    tokens = any(row.position is not None for row in found.rows)
    classes = any(row.target is not None for row in found.rows)
    read = any(row.text for row in found.rows)
    head = [*(["read"] if read else []), *([_right(found), "float → quantized", "margins"] if classes else
            ["error", "moved"]), "sample · token" if tokens else "sample"]  # fmt: skip
    cells = "".join(f'<th scope="col"{_kind(text)}>{text}</th>' for text in head)
    body = "".join(_narrow_line(row, read=read) for row in found.rows)
    return words.scrolling(f'<table class="q-setters q-flipped"><tr>{cells}</tr>{body}</table>', tall=True)


def _narrow_line(row: FlippedSample, *, read: bool) -> str:
    cells = []
    if read:
        text = row.text.before if row.text else ""
        short = text if len(text) <= READ else "…" + text[1 - READ :]
        cells.append(f'<td class="q-read" title="{escaped(text)}">{escaped(short)}</td>')
    one, two = _answers(row)
    if row.target is None:
        cells += [f"<td>{one.figure} → {two.figure}</td>", f"<td>{numbers.percent(row.moved)}</td>"]
    else:
        right = _Answer(row.text.target if row.text else _class(row.target), "", wrong=False)
        answers = " → ".join(f"<span{each.tone}><code>{each.marked}</code></span>" for each in (one, two))
        cells += [f"<td><code>{right.marked}</code></td>", f"<td>{answers}</td>",
                  f"<td><small>{one.figure} → {two.figure}</small></td>"]  # fmt: skip
    cells.append(f"<td>{row.sample}{'' if row.position is None else f' · {row.position}'}</td>")
    return f"<tr>{''.join(cells)}</tr>"


def _kind(title: str) -> str:
    return ' class="q-read"' if title == "read" else ""


def _line(row: FlippedSample, *, read: bool, grouped: bool) -> str:
    cells = [f"<td>{row.sample}{'' if row.position is None else f', token {row.position}'}</td>"]
    if read:
        cells.append(f'<td class="q-read">{escaped(row.text.before) if row.text else ""}</td>')
    if row.target is None:
        cells += [f"<td>{text}</td>" for text in (*margin_words(row), numbers.percent(row.moved))]
    else:
        right = _Answer(row.text.target if row.text else _class(row.target), "", wrong=False)
        cells.append(f"<td><code>{right.marked}</code></td>")
        for one in _answers(row):
            cells.append(f"<td{one.tone}><code>{one.marked}</code></td><td><small>{one.figure}</small></td>")
    if grouped:
        cells.append(f"<td>{escaped(row.group)}</td>")
    return f"<tr>{''.join(cells)}</tr>"
