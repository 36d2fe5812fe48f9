"""How a room gets on: who has done which lesson, and which questions are hard. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from qdebug.classroom import Answered, Participant
from qdebug.classroom.content import Lesson
from qdebug.figures.numbers import percent, three
from qdebug.figures.text import escaped, plural

Known = Mapping[tuple[str, str], Answered]
DONE, BEGUN = "✓", "…"


@dataclass(frozen=True, slots=True)
class Hardness:
    """How a question went.

    Attributes:
        lesson: its lesson's title.
        right, asked: how many have it right, of how many that tried.
        tries: how many answers these gave on average.
        wrong: what those who have it wrong gave most often; empty where nobody has.
    """

    lesson: str
    right: int
    asked: int
    tries: float
    wrong: str


def state_of(one: Lesson, known: Known) -> str:
    """Done, begun, or neither."""
    found = [known.get((one.slug, ask.name)) for ask in one.questions]
    if all(answered is not None and answered.right for answered in found):
        return DONE
    return BEGUN if any(found) else ""


def hardness(lessons: Sequence[Lesson], answers: Sequence[Known]) -> list[Hardness]:
    """Every question that somebody has tried, in the order of the lessons."""
    rows = []
    for one in lessons:
        for ask in one.questions:
            given = [found for known in answers if (found := known.get((one.slug, ask.name)))]
            if given:
                wrong = Counter(found.given for found in given if not found.right)
                rows.append(
                    Hardness(
                        one.title, sum(found.right for found in given), len(given),
                        sum(found.tries for found in given) / len(given),
                        wrong.most_common(1)[0][0] if wrong else "",
                    )
                )  # fmt: skip
    return rows


def finding(lessons: Sequence[Lesson], answers: Sequence[Known]) -> str:
    """How far the room is, in a sentence."""
    if not answers:
        return "Nobody is in yet"
    furthest = Counter(one.number for known in answers for one in lessons if state_of(one, known) == DONE)
    most = max((number for number, many in furthest.items() if many > len(answers) / 2), default=0)
    rest = f"most have done lesson {most}" if most else "most have not done the first lesson yet"
    return f"{plural(len(answers), 'participant')}; {rest}"


def people_html(lessons: Sequence[Lesson], people: Sequence[Participant], answers: Sequence[Known]) -> str:
    """A row for everybody, a column for every lesson. Names are escaped."""
    heads = "".join(f'<th title="{escaped(one.title)}">{one.number}</th>' for one in lessons)
    rows = "".join(
        f"<tr><td>{escaped(who.name)}</td>"
        + "".join(f"<td>{_mark(state_of(one, known))}</td>" for one in lessons)
        + "</tr>"
        for who, known in zip(people, answers, strict=True)
    )
    return f'<table class="q-room"><thead><tr><th>Name</th>{heads}</tr></thead><tbody>{rows}</tbody></table>'


def _mark(mark: str) -> str:
    said = {DONE: "done", BEGUN: "begun", "": "not begun"}[mark]
    return f'<span role="img" aria-label="{said}">{mark}</span>' if mark else ""


def hardness_html(rows: Sequence[Hardness]) -> str:
    """The questions in a table. Answers are escaped."""
    lines = "".join(
        f"<tr><td>{escaped(row.lesson)}</td><td>{percent(row.right / row.asked)}</td><td>{row.asked}</td>"
        f"<td>{three(row.tries)}</td><td>{escaped(row.wrong)}</td></tr>"
        for row in rows
    )
    heads = ("Question of", "right", "answered by", "tries each", "most given wrong answer")
    head = f"<tr>{''.join(f'<th>{one}</th>' for one in heads)}</tr>"
    return f'<table class="q-room"><thead>{head}</thead><tbody>{lines}</tbody></table>'
