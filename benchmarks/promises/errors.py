"""Errors as people meet them: what each class says, and what a browser is sent when something goes wrong.

Each class of :mod:`qdebug.errors` is provoked once and held against ``errors.txt``, which a person has read. Then a
session makes mistakes in the app, over a server and a compute process with faults of ours planted in them
(:mod:`benchmarks.promises.faulty_server`); every message that is sent to it is searched for tracebacks, for the paths
of the server's folders, and for what the faults had in their texts.
"""

from __future__ import annotations

import random
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks._app import ROOT
from benchmarks._screen import served
from benchmarks._visitor import Visitor, visit
from benchmarks.promises.faulty_worker import SECRET
from benchmarks.promises.promise import Allowance, Outcome, Promise
from benchmarks.promises.provoked import MARK, lacking, messages
from qdebug.jobs import stop_worker

GOLDEN = Path(__file__).with_name("errors.txt")
TRACES = ("Traceback (most recent", 'File "', '.py"', "site-packages")
FOLDERS = ("QDEBUG_WORKSPACE", "QDEBUG_UPLOADS", "QDEBUG_EXPORTS")
SAID = (
    "This is no ONNX model, or it is damaged",  # a damaged file was dropped
    "There is no .onnx file",  # something else was
    "that the model has no input for",  # data for another model were
    "The address names a model that nobody has opened here",
    "There is no such file",  # on the Scan screen
    "asks for 99 bits",  # a preset that does not exist
    "qdebug failed in GetSensitivity",  # a fault of ours in the compute process
    "The compute process ",
    "This app has encountered an error",  # a fault of ours in the web process
)
"""What the session has to have been told, a part of each box."""


@dataclass
class Searched:
    """What was sent, searched.

    Attributes:
        hidden: what must not be in it.
        messages: how many messages there were.
        broken: a sentence for each that held something of it.
    """

    hidden: Sequence[str]
    messages: int = 0
    broken: list[str] = field(default_factory=list)

    def hear(self, message: bytes) -> None:
        """Search one message."""
        self.messages += 1
        for one in self.hidden:
            if (at := message.find(one.encode())) >= 0:
                self.broken.append(f"message {self.messages} has {one!r}: {message[max(0, at - 40) : at + 80]!r}")


def keep(allowance: Allowance) -> Outcome:
    """Each class of error once, then the session's mistakes, as often as there are times left."""
    broken, tried, sent, boxes = list[str](), 0, 0, 0
    with tempfile.TemporaryDirectory() as text:
        found = messages(Path(text))
    golden = dict(line.split(" | ", 1) for line in GOLDEN.read_text("utf-8").splitlines())
    for name in found.keys() | golden.keys():
        tried += 1
        if found.get(name) != golden.get(name):
            broken.append(f"{name} says {found.get(name)!r}, and {GOLDEN.name} {golden.get(name)!r}")
        broken += [f"{name}: {fault}" for fault in lacking(name, found.get(name, ""))]
    while tried < allowance.times and not (sent and allowance.spent()):
        heard, problems = visited(allowance.dice(tried))
        tried, sent, boxes = tried + len(SAID), sent + heard.messages, boxes + len(problems)
        broken += heard.broken
        broken += [f"nobody was told: {one}" for one in SAID if not any(one in problem for problem in problems)]
    return Outcome(tried, tuple(broken), {"messages searched": sent, "errors shown": boxes})


def visited(dice: random.Random) -> tuple[Searched, list[str]]:
    """What a session is sent that makes every mistake and meets every fault, and the boxes that it was shown."""
    with tempfile.TemporaryDirectory() as text:
        folder = Path(text).resolve()
        heard = Searched((*TRACES, SECRET, str(folder), str(ROOT), sys.prefix))
        variables = {name: str(folder / name.lower()) for name in FOLDERS}
        with served(folder / "log", folder / "run", "benchmarks.promises.faulty_server", **variables) as address:
            problems = visit(_mistaken(address, heard, dice))
        stop_worker(folder / "run")
    return heard, problems


async def _mistaken(address: str, heard: Searched, dice: random.Random) -> list[str]:
    """What two sessions are shown: one that drops files on the dialog, one that goes about."""
    dropping, going = Visitor(address, heard.hear), Visitor(address, heard.hear)
    whole = MARK.network
    async with dropping.inside(model="m0123456789abcdef"):
        await dropping.until("open")
        await dropping.press("open")
        await dropping.drop("open-files", {"cut.onnx": whole[: dice.randrange(100, len(whole) - 100)]})
        await dropping.told(SAID[0])
        await dropping.drop("open-files", {"notes.txt": b"no model"})
        await dropping.drop("open-files", {"net.onnx": whole})
        await dropping.drop("open-data-file", {"other.npz": MARK.data.replace(b"net_x.npy", b"net_y.npy")})
        await dropping.press("open-go")
        await dropping.told(SAID[2])
    async with going.inside():
        await going.until("side-preset")
        await going.type("side-preset", "w99a99")
        await going.go("scan", 1)
        await going.type("scan-path", "/nowhere/at all/model.safetensors")
        await going.press(next(key for key in going.widgets if "Look" in key))
        await going.told(SAID[4])
        for screen, words in (("sensitivity", SAID[6]), ("calibration", SAID[8]), ("fixes", SAID[7])):
            await going.go(screen, 1)
            await going.told(words)
    return [*dropping.problems, *going.problems]


PROMISE = Promise(
    "errors", "Errors say what, where, limit, next step", "messages", "tests/promises/test_errors.py", 19, 1900, keep
)
