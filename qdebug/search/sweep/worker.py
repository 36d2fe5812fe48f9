"""A worker of a sweep: ``python -m qdebug.search.sweep.worker``. Tasks come in on its standard input, answers go out.

It ends as soon as its input does, in the middle of whatever it computes: no worker outlives its sweep.
"""

from __future__ import annotations

import os
import queue
import sys
import threading
from typing import BinaryIO

from qdebug.engine import Work
from qdebug.engine.memory import keep_freed_memory
from qdebug.engine.threads import one_thread
from qdebug.errors import DataError
from qdebug.search.sweep import wire
from qdebug.search.sweep.bench import Bench
from qdebug.search.sweep.samples import Samples, identity
from qdebug.session.opening import open_ref


def opened(setup: wire.Setup) -> Bench:
    """A bench for the model and the data of a setup.

    Raises:
        QDebugError: they cannot be opened, or are not what they were when the sweep began.
    """
    with one_thread():
        session = open_ref(setup.ref)
    samples = Samples(session.subject)
    if identity(session, samples) != setup.identity:
        raise DataError("The model or its data have changed since the sweep began", do="Start it again.")
    return Bench(session, samples)


def serve(lines: queue.SimpleQueue[bytes], out: BinaryIO) -> None:
    """Open what the first line says, then do the tasks of all others. Ends by an error, which is told."""
    try:
        bench = opened(wire.setup.decode(lines.get()))
        _say(out, wire.Ready())
        while True:
            _say(out, wire.Done(bench.measure(wire.task.decode(lines.get()), Work())))
    except Exception as error:  # noqa: BLE001 - whoever waits for the answer is told
        _say(out, wire.Failed.of(error))


def _say(out: BinaryIO, value: wire.Said) -> None:
    out.write(wire.line(value))
    out.flush()


def _read(given: BinaryIO, lines: queue.SimpleQueue[bytes]) -> None:
    for one in given:
        lines.put(one)
    os._exit(0)  # the sweep is over, or its process has died


def main() -> None:
    """Serve standard input until it ends."""
    keep_freed_memory()
    out = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # whatever else is printed is no answer
    lines: queue.SimpleQueue[bytes] = queue.SimpleQueue()
    threading.Thread(target=_read, args=(sys.stdin.buffer, lines), daemon=True).start()
    serve(lines, out)
    os._exit(1)


if __name__ == "__main__":
    main()
