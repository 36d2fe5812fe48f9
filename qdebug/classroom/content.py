"""What a lesson says: Markdown with places for pictures and questions, read once. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from qdebug.places import app_script

ORDER = (
    "affine", "clipping", "symmetric", "granularity", "calibration", "dynamic", "equalization", "bias", "outliers",
    "rounding", "formats", "mixture", "deployed", "training", "groups",
)  # fmt: skip
"""The lessons by their files' names, in the order that they are meant to be taken in."""
_FIELDS = {"title", "minutes", "model", "recipe", "goal"}
_PLACE = re.compile(r"<!-- (draw|ask): ([a-z0-9_]+) -->\n")
_STEPS = re.compile(r"<!-- (hint|why) -->\n")
_SLOT = re.compile(r"\{([a-z][a-z0-9_]*)\}")


@dataclass(frozen=True, slots=True)
class Words:
    """Markdown, to be shown as it is."""

    text: str


@dataclass(frozen=True, slots=True)
class Draw:
    """The place of a picture that the lesson's code draws."""

    name: str


@dataclass(frozen=True, slots=True)
class Ask:
    """A question. In its texts ``{name}`` stands for what is computed with the answer."""

    name: str
    question: str
    hint: str
    why: str


@dataclass(frozen=True, slots=True)
class Lesson:
    """A lesson as it is written.

    Attributes:
        slug: its file's name.
        title: what it is about; ``goal`` what one can do after it, in ``minutes``.
        model: the sample it looks at; ``recipe`` the preset that it starts from.
        parts: in the order of the page.
    """

    slug: str
    title: str
    minutes: int
    model: str
    recipe: str
    goal: str
    parts: tuple[Words | Draw | Ask, ...]

    @property
    def number(self) -> int:
        """Its place among the lessons, from 1."""
        return ORDER.index(self.slug) + 1

    @property
    def questions(self) -> tuple[Ask, ...]:
        """The questions alone."""
        return tuple(part for part in self.parts if isinstance(part, Ask))


def folder() -> Path:
    """Where the lessons lie."""
    return app_script().parent / "pages" / "lessons"


@cache
def lesson(slug: str) -> Lesson:
    """One of :data:`ORDER`."""
    return parse(slug, (folder() / f"{slug}.md").read_text("utf-8"))


def lessons() -> tuple[Lesson, ...]:
    """All, in their order."""
    return tuple(lesson(slug) for slug in ORDER)


def parse(slug: str, text: str) -> Lesson:
    """Read a lesson.

    Raises:
        ValueError: its head lacks a field or has one too many, or a question lacks its hint or its reason.
    """
    _, head, body = text.split("---\n", 2)
    fields = dict(line.split(": ", 1) for line in head.splitlines())
    if set(fields) != _FIELDS:
        raise ValueError(f"lesson {slug} has the fields {sorted(fields)}, not {sorted(_FIELDS)}")
    start, *places = _PLACE.split(body)
    parts: list[Words | Draw | Ask] = [Words(start.strip())]
    for kind, name, following in zip(places[::3], places[1::3], places[2::3], strict=True):
        parts += [Draw(name), Words(following.strip())] if kind == "draw" else [_question(slug, name, following)]
    return Lesson(
        slug=slug, title=fields["title"], minutes=int(fields["minutes"]), model=fields["model"],
        recipe=fields["recipe"], goal=fields["goal"], parts=tuple(part for part in parts if part != Words("")),
    )  # fmt: skip


def _question(slug: str, name: str, text: str) -> Ask:
    question, *steps = _STEPS.split(text)
    found = dict(zip(steps[::2], steps[1::2], strict=True))
    if set(found) != {"hint", "why"}:
        raise ValueError(f"question {name} of lesson {slug} has {sorted(found)}, not a hint and a reason")
    return Ask(name, question.strip(), found["hint"].strip(), found["why"].strip())


def filled(text: str, values: Mapping[str, str]) -> str:
    """A question's text with what was computed in its slots.

    Raises:
        KeyError: nothing was computed for a slot.
    """
    return _SLOT.sub(lambda slot: values[slot[1]], text)
