"""A small file cannot exhaust the machine.

The compute process gets a limit; each bomb is opened in it, by its path or as an upload. Meanwhile the memory of that
process and of the readers it starts is watched, and somebody else goes on asking about a model of their own.
"""

from __future__ import annotations

import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks.promises.blasts import files, graphs
from benchmarks.promises.blasts.bomb import LARGEST, Bomb
from benchmarks.promises.promise import Allowance, Outcome, Promise
from benchmarks.promises.served import Served, family, served
from benchmarks.promises.traps import files as good
from qdebug.errors import QDebugError
from qdebug.jobs import Client, GetScan, GetScore, Inspect, Open, Verb
from qdebug.recipes import parse_plan, preset, set_layers
from qdebug.results import ModelRef

BOMBS = (*graphs.BOMBS, *files.BOMBS)
CAP = 2000
"""MB that the compute process may take."""
READER = 2800
"""MB that a reader may: what Python and torch take up, half a GiB, and eight times a small file's size or what a small
archive may unfold to."""
SLACK = 1.1
OTHERS = 10
"""Users who are active in a soak."""
ANSWER, BOMB = 20.0, 60.0
"""Seconds for an answer to somebody else, and for the bomb's own error."""


def keep(allowance: Allowance) -> Outcome:
    """Open every bomb, again with other details in a soak."""
    broken: list[str] = []
    peaks, waits, tried = [0, 0], [0.0], 0
    users = 1 if allowance.times <= len(BOMBS) else OTHERS
    with served({"QDEBUG_MEMORY_MB": str(CAP)}) as app, tempfile.TemporaryDirectory(prefix="qdebug-bombs-") as place:
        room = Path(place)
        model, data = good.saved(room, good.small(), "own.onnx"), good.data(room)
        texts = files.tiny(room)
        ref = ModelRef(model=str(model), data=str(data))
        app.client.get(GetScore(ref=ref, recipe=preset("w8a8")), timeout=120)
        for number in allowance.rounds():
            bomb = BOMBS[number % len(BOMBS)]
            with tempfile.TemporaryDirectory(dir=room) as folder:
                path = bomb.make(Path(folder), number // len(BOMBS))
                assert path.is_dir() or path.stat().st_size <= LARGEST, f"{bomb.name} is no small file"
                with _watched(app.client.pid) as seen, _others(app.client, ref, users, number) as others:
                    fault, took = _opened(bomb, path, app, (model, data, texts))
            told = [fault] if fault else []
            if took > BOMB:
                told.append(f"it takes {took:.0f} s")
            for what, peak, most in zip(("the compute process", "a reader"), seen, (CAP, READER), strict=True):
                if peak > SLACK * most:
                    told.append(f"{what} takes {peak:,} MB, more than {most:,} MB and a tenth")
            if max(others) > ANSWER:
                told.append(f"somebody else waits {max(others):.1f} s for an answer")
            if app.client.restarts:
                told.append("the compute process has ended")
            broken += [f"{bomb.name} (number {number}): {one}" for one in told]
            peaks = [max(pair) for pair in zip(peaks, seen, strict=True)]
            waits, tried = [*waits, *others], tried + 1
    waits.sort()
    return Outcome(
        tried, tuple(broken),
        {"MB of the compute process": peaks[0], "MB of a reader": peaks[1], "users beside": users,
         "answers to others": len(waits), "slowest s": waits[-1]},
    )  # fmt: skip


def _opened(bomb: Bomb, path: Path, app: Served, own: tuple[Path, Path, Path]) -> tuple[str, float]:
    """What is wrong about how a bomb was answered, and the seconds until that."""
    from qdebug.recipes import load

    model, data, texts = own
    start = time.monotonic()
    given = str(app.upload(path)) if bomb.sent else str(path)
    asked: Verb | None = None
    match bomb.kind:
        case "model":
            whole = ModelRef(model=given, data=str(data))
            asked = Inspect(ref=ModelRef(model=given)) if bomb.sent else Open(ref=whole)
        case "data":
            asked = Open(ref=ModelRef(model=str(model), data=given))
        case "texts":
            asked = Open(ref=ModelRef(model=str(texts), data=given))
        case "checkpoint":
            asked = GetScan(path=given, formats=("int8",))
    try:
        if asked is None:
            load(path)
        else:
            app.client.get(asked, timeout=BOMB + 10, asker="bomb")
    except QDebugError:
        pass
    except Exception as error:  # noqa: BLE001 - a fault of ours is what is looked for
        return f"a fault: {type(error).__name__}: {str(error)[:200]}", time.monotonic() - start
    return "", time.monotonic() - start


@contextmanager
def _watched(pid: int) -> Iterator[list[int]]:
    """The most memory, in MB, that the process has held meanwhile, and that any that it has started has."""
    seen, over = [0, 0], threading.Event()
    Path(f"/proc/{pid}/clear_refs").write_text("5")  # the peak is that from now on

    def watch() -> None:
        while not over.wait(0.02):
            for child in family(pid)[1:]:
                seen[1] = max(seen[1], peak(child))

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        yield seen
    finally:
        over.set()
        watcher.join()
        seen[0] = peak(pid)


def peak(pid: int) -> int:
    """MB of memory that a process has held at most; 0 where it is gone."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) // 1000 for line in lines if line.startswith("VmHWM")), 0)


@contextmanager
def _others(client: Client, ref: ModelRef, users: int, number: int) -> Iterator[list[float]]:
    """Others who ask one question after another, each a new one; gives the seconds that each waited."""
    waits: list[float] = []
    over = threading.Event()

    def ask(user: int) -> None:
        turn = 0
        while not over.is_set() or not turn:
            group = 1 + (number * 10_007 + user * 101 + turn) % 10**6
            recipe = set_layers(preset("w8a8"), {"*": parse_plan(f"w{2 + turn % 7}g{group}a8")})
            start = time.monotonic()
            try:
                client.get(GetScore(ref=ref, recipe=recipe), timeout=3 * ANSWER, asker=f"user {user}")
            except QDebugError as error:
                if type(error).__name__ == "WorkerError":
                    waits.append(3 * ANSWER)
            waits.append(time.monotonic() - start)
            turn += 1
            over.wait(0.05)

    threads = [threading.Thread(target=ask, args=(user,)) for user in range(users)]
    for thread in threads:
        thread.start()
    try:
        yield waits
    finally:
        over.set()
        for thread in threads:
            thread.join()


PROMISE = Promise(
    name="bombs", says="A small file cannot exhaust the machine", unit="bombs", test="tests/promises/test_bombs.py",
    short=len(BOMBS), long=10 * len(BOMBS), keep=keep,
)  # fmt: skip
