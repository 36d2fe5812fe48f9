"""Sessions that look at models of their own at the same time: does any of them hear of another's?

Each uploads a model and data whose every name and one value carry a mark (:mod:`benchmarks.promises.watermarks`) and
goes through the screens. Every message that the server sends to it is searched for the marks of all others, and for its
own: a search that does not find what is there would find nothing.
"""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks._screen import served
from benchmarks._visitor import Visitor, visit
from benchmarks.promises.promise import Allowance, Outcome, Promise
from benchmarks.promises.watermarks import Mark, drawn
from qdebug.jobs import stop_worker

SCREENS = ("fixes", "layers", "diagnosis", "sensitivity", "formats", "calibration", "compare", "export")
PRESETS = ("w8a8", "w8a8-pc", "w4a8-pc", "w4g8a16", "w6a8", "w2a8")


@dataclass
class Heard:
    """What one session was sent.

    Attributes:
        mine: its own mark.
        others: the marks of all others.
        messages: how many there were.
        named: how many had its own names.
        valued: how many had its own value.
        broken: a sentence for each message with another's mark.
    """

    mine: Mark
    others: Collection[Mark]
    messages: int = 0
    named: int = 0
    valued: int = 0
    broken: list[str] = field(default_factory=list)

    def hear(self, message: bytes) -> None:
        """Search one message."""
        self.messages += 1
        self.named += any(one in message for one in self.mine.names)
        self.valued += any(one in message for one in self.mine.numbers)
        self.broken += [
            f"{self.mine.word} was sent something of {other.word}: message {self.messages}, {len(message)} bytes"
            for other in self.others
            if other.is_in(message)
        ]


def keep(allowance: Allowance) -> Outcome:
    """As many sessions at once as there are times; each goes through the screens until the time is over."""
    dice = allowance.dice()
    marks = [drawn(dice) for _ in range(allowance.times)]
    with tempfile.TemporaryDirectory() as text:
        folder = Path(text)
        variables = {"QDEBUG_WORKSPACE": str(folder / "workspace"), "QDEBUG_UPLOADS": str(folder / "uploads")}
        with served(folder / "log", folder / "run", **variables) as address:
            heard, broken = visit(_together(address, marks, allowance))
        stop_worker(folder / "run")
    broken += [sentence for one in heard for sentence in one.broken]
    broken += [f"{one.mine.word} has not heard of itself: {one}" for one in heard if not (one.named and one.valued)]
    figures = {"messages searched": sum(one.messages for one in heard),
               "with marks of their own": sum(one.named for one in heard)}  # fmt: skip
    return Outcome(len(heard), tuple(broken), figures)


async def _together(address: str, marks: Sequence[Mark], allowance: Allowance) -> tuple[list[Heard], list[str]]:
    """What each was sent, and what went wrong."""
    heard = [Heard(mark, [other for other in marks if other != mark]) for mark in marks]
    inside = asyncio.Barrier(len(marks))
    ends = await asyncio.gather(
        *(_stay(address, one, inside, allowance, place) for place, one in enumerate(heard)), return_exceptions=True
    )
    wrong = [end if isinstance(end, list) else [f"{type(end).__name__}: {end}"] for end in ends]
    return heard, [f"{one.mine.word}: {text}" for one, texts in zip(heard, wrong, strict=True) for text in texts]


async def _stay(address: str, heard: Heard, inside: asyncio.Barrier, allowance: Allowance, place: int) -> list[str]:
    """One session's visit, once through all screens at least; the problems that it was shown."""
    visitor, dice = Visitor(address, heard.hear), allowance.dice(place + 1)
    try:
        async with visitor.inside():
            await visitor.until("open")
            await visitor.press("open")
            await visitor.drop("open-files", {f"{heard.mine.word}.onnx": heard.mine.network})
            await visitor.drop("open-data-file", {f"{heard.mine.word}.npz": heard.mine.data})
            await visitor.press("open-go")
            await visitor.until("shares", gone="open-go")
            await inside.wait()
            # In short, each goes to the first, which holds exact values, and all together to all of them.
            short = (SCREENS[0], SCREENS[1 + place % (len(SCREENS) - 1)]) if allowance.until is None else ()
            while True:
                for screen in short or dice.sample(SCREENS, len(SCREENS)):
                    await visitor.go(screen)
                    if screen == "export" and "export-write" in visitor.widgets:
                        await visitor.press("export-write")
                        await visitor.rest()
                await visitor.type("side-preset", dice.choice(PRESETS))
                await visitor.rest()
                if short or allowance.spent():
                    break
    except BaseException:
        await inside.abort()  # nobody waits for somebody who does not come
        raise
    return visitor.problems


PROMISE = Promise(
    "privacy", "No session sees another's data", "sessions at once", "tests/promises/test_privacy.py", 8, 30, keep
)
