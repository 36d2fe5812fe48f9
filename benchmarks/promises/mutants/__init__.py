"""A bad file gives one typed error; never a dead or hung app.

Most mutants are read in one process with the walls of the confined reader, one after the other, since starting a
process for each costs a thousand times what reading it does; what that costs is measured, and a few are sent through
the compute process as uploads, each with a process of its own.
"""

from __future__ import annotations

import os
import random
import select
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.promises.mutants.kinds import KINDS, ROUND
from benchmarks.promises.promise import Allowance, Outcome, Promise
from benchmarks.promises.served import Served, served

COMMAND = (sys.executable, "-P", "-m", "benchmarks.promises.mutants.child")
HUNG = 10.0
"""Seconds for one file."""
STARTING = 120.0
_SENT = 1000
"""One of so many mutants is sent as an upload too, and one of them kills the reader at most."""
BEHIND_WALLS = ("onnx", "npz")
"""Kinds that strangers may send: they are never read where others work."""


@dataclass
class Told:
    """What a reader has said."""

    broken: list[str] = field(default_factory=list)
    died: list[str] = field(default_factory=list)
    tried: int = 0
    opened: int = 0
    most: int = 0


def keep(allowance: Allowance) -> Outcome:
    """Read them, and send some as uploads; a fifth of the time is for these."""
    start = time.monotonic()
    until = None if allowance.until is None else start + 0.8 * (allowance.until - start)
    told = read(str(allowance.seed), allowance.times, until)
    took = time.monotonic() - start
    with served() as app:
        sent, waited, wrong = _sent(app, Allowance(allowance.times // _SENT, allowance.seed, allowance.until))
    return Outcome(
        told.tried + sent, (*told.broken, *wrong),
        {"opened": told.opened, "ms each": 1000 * took / max(told.tried, 1), "MiB at most": told.most,
         "readers that a file ended": len(told.died), "sent as uploads": sent, "ms for an upload": 1000 * waited},
    )  # fmt: skip


def read(seed: str, count: int, until: float | None = None, command: Sequence[str] = COMMAND) -> Told:
    """Have so many mutants read; a reader that dies or hangs is replaced, and goes on behind the file that ended it."""
    told = Told()
    place = 0
    with tempfile.TemporaryDirectory(prefix="qdebug-mutants-") as folder:
        while place < count and (until is None or time.monotonic() < until or not place):
            last = count if until is None else min(count, place + 20 * len(ROUND))
            place = _listen(seed, place, last, Path(folder), command, told)
    return told


def _listen(seed: str, first: int, last: int, folder: Path, command: Sequence[str], told: Told) -> int:
    """One reader; the place of the next mutant that nobody has read."""
    words = [*command, str(folder), str(os.getpid()), seed, str(first), str(last)]
    root = str(Path(__file__).parents[3])
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, (root, os.environ.get("PYTHONPATH"))))}
    with subprocess.Popen(
        words, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=environment, cwd="/"
    ) as process:
        assert process.stdout is not None
        place, patience, rest = first - 1, STARTING, b""
        while True:
            ready, _, _ = select.select([process.stdout], [], [], patience)
            part = os.read(process.stdout.fileno(), 1 << 16) if ready else b""
            if not part:
                break
            *lines, rest = (rest + part).split(b"\n")
            for line in lines:
                mark, _, text = line.decode("utf-8", "replace").partition(" ")
                if mark == ">":
                    place, patience = int(text), HUNG
                elif mark == "!":
                    told.broken.append(f"seed {seed}, mutant {text}")
                elif mark == ".":
                    most, opened = text.split()
                    told.most, told.opened = max(told.most, int(most)), told.opened + int(opened)
        hung = not ready
        process.kill()
        status = process.wait()
    told.tried += max(place + 1 - first, 0)
    if place < first:
        told.broken.append(f"seed {seed}: the reader of mutants does not start (status {status})")
        return last
    kind = ROUND[place % len(ROUND)]
    if hung:
        told.broken.append(f"seed {seed}, mutant {place} {kind}: it takes longer than {HUNG:.0f} s")
    elif status:
        told.died.append(f"seed {seed}, mutant {place} {kind}: status {status}")
        if kind not in BEHIND_WALLS:
            told.broken.append(f"{told.died[-1]}: it ends the process that reads it")
    return place + 1


def _sent(app: Served, allowance: Allowance) -> tuple[int, float, list[str]]:
    """Uploads of models and data: how many, seconds for each, and what was wrong."""
    from benchmarks.promises.traps import files
    from qdebug.errors import QDebugError
    from qdebug.jobs import Inspect, Open
    from qdebug.results import ModelRef

    broken: list[str] = []
    sent, longest, start = 0, 0.0, time.monotonic()
    pid = app.client.pid
    with tempfile.TemporaryDirectory(prefix="qdebug-sent-") as place:
        model = app.upload(files.saved(Path(place), files.small(), "own.onnx"))
        for number in allowance.rounds():
            dice = random.Random(f"{allowance.seed}/sent/{number}")
            kind = BEHIND_WALLS[number % 2]
            path = KINDS[kind].make(dice, Path(place))
            if kind == "onnx":
                request = Inspect(ref=ModelRef(model=str(app.upload(path, path.with_name("data.bin")))))
            else:
                request = Open(ref=ModelRef(model=str(model), data=str(app.upload(path))))
            begun = time.monotonic()
            try:
                app.client.get(request, timeout=60)
            except QDebugError as error:
                if not error.do:
                    broken.append(f"seed {allowance.seed}, upload {number} {kind}: {error}")
            except Exception as error:  # noqa: BLE001 - a fault of ours is what is looked for
                broken.append(f"seed {allowance.seed}, upload {number} {kind}: {error}"[:400])
            longest = max(longest, time.monotonic() - begun)
            sent += 1
    if app.client.restarts or app.client.pid != pid:
        broken.append(f"seed {allowance.seed}: an upload ended the compute process")
    if longest > HUNG:
        broken.append(f"seed {allowance.seed}: an upload took {longest:.1f} s")
    return sent, (time.monotonic() - start) / max(sent, 1), broken


PROMISE = Promise(
    name="mutants", says="A bad file gives one typed error; never a dead or hung app", unit="seeded mutants",
    test="tests/promises/test_mutants.py", short=13_000, long=250_000, keep=keep,
)  # fmt: skip
