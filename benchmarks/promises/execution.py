"""Opening a file never runs code from it.

Each trap (:mod:`benchmarks.promises.traps`) would leave a mark if somebody opened it without care, which is tried too:
a trap that is not armed proves nothing. Then it is opened by the library, by the command line, as an upload and by its
path in the app. A soak builds others out of the same parts.
"""

from __future__ import annotations

import contextlib
import io
import logging
import tempfile
import warnings
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np

from benchmarks.promises.promise import Allowance, Outcome, Promise
from benchmarks.promises.served import Served, served
from benchmarks.promises.traps import files, folders, programs, rebuilt
from benchmarks.promises.traps.trap import Trap
from qdebug.errors import QDebugError
from qdebug.jobs import GetScan, Inspect, Open, Verb
from qdebug.results import ModelRef

TRAPS = (*programs.TRAPS, *files.TRAPS, *folders.TRAPS)
Way = tuple[str, Callable[[], object]]


def keep(allowance: Allowance) -> Outcome:
    """Open every trap in every way; after the known ones come others, rebuilt."""
    broken: list[str] = []
    tried = ways = armed = 0
    with served() as app:
        for place in allowance.rounds():
            trap = TRAPS[place] if place < len(TRAPS) else rebuilt.drawn(allowance.dice(place))
            fired, faults, count = sprung(trap, app)
            armed += is_armed(trap)
            broken += [f"{trap.name} (seed {allowance.seed}, {place}), by {way}: its code ran" for way in fired]
            broken += [f"{trap.name} (seed {allowance.seed}, {place}): {fault}" for fault in faults]
            tried, ways = tried + 1, ways + count
    return Outcome(tried, tuple(broken), {"ways in": ways, "armed": armed})


def sprung(trap: Trap, app: Served, more: Sequence[Way] = ()) -> tuple[list[str], list[str], int]:
    """Open a trap in every way.

    Args:
        trap: what is opened.
        app: the compute process.
        more: ways beside the usual ones, for tests.

    Returns:
        The ways in which its code ran, faults that are no errors for people, and how many ways there were.
    """
    fired, faults = [], []
    with tempfile.TemporaryDirectory(prefix="qdebug-trap-") as room:
        mark, folder = Path(room, "mark"), Path(room, "in")
        folder.mkdir()
        path = trap.make(folder, mark)
        ways = [*_ways(trap, path, folder, app), *more]
        for name, way in ways:
            try:
                with _quiet():
                    way()
            except QDebugError:
                pass
            except BaseException as error:  # noqa: BLE001 - whatever it is, it is told
                faults.append(f"{name} fails with {type(error).__name__}: {str(error)[:200]}")
            if mark.exists():
                fired.append(name)
                mark.rmdir()
    return fired, faults, len(ways)


def is_armed(trap: Trap) -> bool:
    """Whether the trap runs its code when it is opened without care."""
    if trap.careless is None:
        return False
    with tempfile.TemporaryDirectory(prefix="qdebug-trap-") as room:
        mark, folder = Path(room, "mark"), Path(room, "in")
        folder.mkdir()
        path = trap.make(folder, mark)
        with _quiet(), contextlib.suppress(Exception):
            trap.careless(path)
        return mark.exists()


def _ways(trap: Trap, path: Path, folder: Path, app: Served) -> Iterator[Way]:
    """All ways in which somebody opens such a file."""
    import qdebug
    from qdebug.recipes import load, loads
    from qdebug.session import inspect

    model, data = files.saved(folder, files.small(), "own.onnx"), files.data(folder)

    def asked(request: Verb) -> Way:
        return f"the app's {type(request).__name__}", lambda: app.client.get(request, timeout=120)

    match trap.kind:
        case "model":
            yield "the library", lambda: qdebug.open(path, {"x": np.ones((2, 4), np.float32)})
            yield "a look of the library", lambda: inspect(path)
            yield "the command line", lambda: _typed("inspect", path, "--json")
            yield asked(Inspect(ref=ModelRef(model=str(path))))
            if path.is_file():
                beside = [one for one in folder.iterdir() if one not in (path, model, data) and one.is_file()]
                yield asked(Open(ref=ModelRef(model=str(app.upload(path, *beside)), data=str(data))))
        case "data" | "pictures":
            yield "the library", lambda: qdebug.open(model, path)
            yield "the command line", lambda: _typed("evaluate", model, "--data", path, "--json")
            yield asked(Open(ref=ModelRef(model=str(model), data=str(path))))
            if path.is_file():
                yield asked(Open(ref=ModelRef(model=str(app.upload(model)), data=str(app.upload(path)))))
        case "recipe":
            yield "the library", lambda: load(path)
            yield "a recipe's upload", lambda: loads(path.read_text(), file=path.name)
            yield "the command line", lambda: _typed("evaluate", model, "--data", data, "--recipe", path)
        case "checkpoint":
            yield "the library", lambda: qdebug.scan(path)
            yield "the command line", lambda: _typed("scan", path, "--json")
            yield asked(GetScan(path=str(path), formats=("int8",)))
            yield asked(Inspect(ref=ModelRef(model=str(app.upload(path)))))
        case "conversation":
            talk = folder / "talk.jsonl"
            talk.write_text('{"messages": [{"role": "user", "content": "a b c"}]}\n' * 20)
            yield "the library", lambda: qdebug.open(path, talk)
            yield "the command line", lambda: _typed("evaluate", path, "--data", talk)
            yield asked(Open(ref=ModelRef(model=str(path), data=str(talk))))
        case "metric":  # whoever starts the app or types the command may run their own file; the web may not
            for given in (model, app.upload(model)):
                yield asked(Open(ref=ModelRef(model=str(given), data=str(data), metric=f"{path}:judge")))


def _typed(*words: object) -> int:
    from qdebug.cli import main

    status = main([str(word) for word in words])
    if status not in (0, 2):
        raise RuntimeError(f"the command line ends with {status}")
    return status


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Without what libraries print of bad files."""
    before = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    try:
        with (
            warnings.catch_warnings(),
            contextlib.redirect_stdout(io.StringIO()),
            contextlib.redirect_stderr(io.StringIO()),
        ):
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(before)


PROMISE = Promise(
    name="execution", says="Opening a file never runs code from it", unit="crafted files",
    test="tests/promises/test_execution.py", short=len(TRAPS), long=len(TRAPS) + 150, keep=keep,
)  # fmt: skip
