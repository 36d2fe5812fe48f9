"""Jobs begun and cancelled: ``python -m benchmarks.promises.cancel.trials``; all its children are its own."""

from __future__ import annotations

import json
import os
import random
import sys
import tempfile
import threading
import time
import traceback
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from benchmarks.promises.cancel.jobs import Job

LONGEST = 60.0
"""Seconds after a cancel until a job counts as deaf to it."""

ENDING = 0.5
"""Seconds after a cancel in which a job may come to its own end: it was done but for the last steps."""

WONDER = 1.0
"""Seconds after a cancel until somebody asks where the job is."""

LATEST = 5.0
"""Seconds after its begin that a job is cancelled at most; sooner where it has ended by then."""

_ENDED = "it went on to its end"


class Heard(NamedTuple):
    """What came of a cancel.

    Attributes:
        said: ``cancelled``, ``early`` where the job had ended before or was about to, else what it did instead.
        seconds: from the cancel to its end.
        where: what it was doing when it had not ended after :data:`WONDER` seconds.
    """

    said: str
    seconds: float = 0.0
    where: str = ""


def cancelled(job: Job, after: float) -> Heard:
    """Begin a job, cancel it after so many seconds, and wait for its thread."""
    from qdebug.engine import Work
    from qdebug.errors import Cancelled

    work, said = Work(), []

    def run() -> None:
        try:
            job(work)
            said.append(_ENDED)
        except Cancelled:
            said.append("cancelled")
        except BaseException as error:  # noqa: BLE001 - whatever it is, it is told
            said.append(f"{type(error).__name__}: {error}")

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    thread.join(after)
    if said:
        return Heard("early" if said[0] == _ENDED else said[0])
    start = time.monotonic()
    work.cancel()
    thread.join(WONDER)
    where = _place(thread)
    thread.join(LONGEST - WONDER)
    slow = time.monotonic() - start
    if said and said[0] == _ENDED and slow < ENDING:
        return Heard("early", slow)
    return Heard(said[0] if said else "it does not hear", slow, where)


def _place(thread: threading.Thread) -> str:
    """The innermost calls of a thread, the last one first; empty where it has ended."""
    frame = sys._current_frames().get(thread.ident or 0)
    calls = traceback.extract_stack(frame)[::-1] if frame and thread.is_alive() else []
    own = [call for call in calls if "qdebug" in call.filename]
    return " < ".join(f"{Path(call.filename).name}:{call.lineno}" for call in [*calls[:2], *own[:4]])


def children(of: int) -> list[int]:
    """Living processes that a process, or one of its children, has started."""
    parents: dict[int, int] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                state, parent = (entry / "stat").read_text().rsplit(") ", 1)[1].split()[:2]
            except OSError:
                continue
            if state != "Z":
                parents[int(entry.name)] = int(parent)
    found, new = [], [of]
    while new:
        new = [one for one, parent in parents.items() if parent in new]
        found += new
    return found


def left(of: int, seconds: float) -> list[str]:
    """Command lines of the children that do not go within so many seconds."""
    until = time.monotonic() + seconds
    while (there := children(of)) and time.monotonic() < until:
        time.sleep(0.05)
    return [_command(one) for one in there]


def _command(process: int) -> str:
    try:
        return Path(f"/proc/{process}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace").strip()
    except OSError:
        return "a process that is gone by now"


def main(times: int, seed: str, seconds: float | None, jobs: str, leaving: float) -> dict[str, object]:
    """Try; what ``jobs`` (``module:function``) lists is gone through in a drawn order."""
    from qdebug.jobs.handlers import SessionHandlers

    module, _, function = jobs.partition(":")
    listed: dict[str, Callable[[random.Random], Job]] = getattr(import_module(module), function)(SessionHandlers())
    dice, until = random.Random(seed), None if seconds is None else time.monotonic() + seconds
    took, broken, longest, early = [], [], {}, 0
    where: dict[str, str] = {}
    names: list[str] = []
    after = dict.fromkeys(listed, 0.7)
    while len(took) < times and not (until and took and time.monotonic() > until):
        names = names or dice.sample(sorted(listed), len(listed))
        name = names.pop()
        said, slow, place = cancelled(listed[name](dice), dice.uniform(0.05, after[name]))
        if said == "early":
            early, after[name] = early + 1, after[name] / 2
            continue
        took.append(slow)
        if slow > longest.get(name, 0.0):
            longest[name], where[name] = slow, place
        after[name] = min(1.25 * after[name], LATEST)  # until cancels come in all of what it does
        if said != "cancelled":
            broken.append(f"{name}: {said} ({slow:.1f} s after the cancel)")
        broken += [f"{name}: left behind: {one}" for one in left(os.getpid(), leaving)]
    return {"took": took, "longest": longest, "where": where, "broken": broken, "early": early}


if __name__ == "__main__":
    asked = json.loads(sys.argv[1])
    with tempfile.TemporaryDirectory(prefix="qdebug-promise-", ignore_cleanup_errors=True) as place:
        for name in ("WORKSPACE", "EXPORTS", "UPLOADS", "RUNTIME"):
            os.environ[f"QDEBUG_{name}"] = str(Path(place, name.lower()))
        answer = json.dumps(main(**asked))
    print(answer, flush=True)
    os._exit(0)  # what hears of no cancel may still be on its way to its end
