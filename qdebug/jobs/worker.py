"""The compute process: ``python -m qdebug.jobs.worker --runtime DIR``. It owns models, engine and cache."""

from __future__ import annotations

import argparse
import contextlib
import faulthandler
import logging
import os
import sys
import threading
from collections.abc import Callable, Sequence
from pathlib import Path

from qdebug.jobs import logs
from qdebug.jobs.folders import MIB, megabytes
from qdebug.jobs.runtime import Runtime
from qdebug.jobs.server import Server
from qdebug.jobs.table import Handlers, Table
from qdebug.machine import memory_limit

_log = logging.getLogger(__name__)


def _real_handlers() -> Handlers:
    from qdebug.jobs.handlers import SessionHandlers

    return SessionHandlers()


def main(argv: Sequence[str] | None = None, make_handlers: Callable[[], Handlers] = _real_handlers) -> int:
    """Serve one runtime directory until nobody is connected any more.

    Args:
        argv: the command line's arguments.
        make_handlers: makes what answers the questions.

    Returns:
        The exit status; 0 too where another compute process serves the directory already.
    """
    parser = argparse.ArgumentParser(prog="python -m qdebug.jobs.worker", description="The compute process of qdebug.")
    parser.add_argument("--runtime", type=Path, required=True, metavar="DIR", help="where clients find this process")
    parser.add_argument("--linger", type=float, default=30.0, metavar="S", help="seconds to wait for clients that left")
    parser.add_argument(
        "--build", default="", metavar="HEX", help="the build whose clients are served; this one's if not given"
    )
    options = parser.parse_args(argv)
    logs.write_lines()
    faulthandler.enable()
    _bound_memory()
    runtime = Runtime(options.runtime, options.build)
    claim = runtime.claim()
    if claim is None:
        _log.info("another compute process serves %s", runtime.folder)
        return 0
    with claim:
        handlers = make_handlers()
        server = Server(Table(handlers), runtime.build, options.linger)
        # Listen first, then import torch: a client that only wants the samples' cards need not wait for it.
        runtime.write(server.endpoint)
        _log.info("listening on port %d", server.endpoint.port)
        if warm := getattr(handlers, "warm", None):
            threading.Thread(target=warm, daemon=True).start()
        server.serve()
        runtime.endpoint.unlink(missing_ok=True)
        _log.info("nobody is connected, or was told to stop: ending")
    return 0


def _bound_memory() -> None:
    """Take no more memory than ``$QDEBUG_MEMORY_MB``, or nine tenths of what there is.

    A model that asks for more meets an error then. Without a limit the system would give it away without having it,
    and end this process, or another, when it is used.
    """
    try:
        import resource
    except ImportError:  # Windows
        return
    os.environ.setdefault("ARROW_DEFAULT_MEMORY_POOL", "system")  # Arrow's own takes a GiB of the limit in advance
    most = megabytes("QDEBUG_MEMORY_MB", memory_limit() * 9 // 10 // MIB) * MIB
    hard = resource.getrlimit(resource.RLIMIT_DATA)[1]
    with contextlib.suppress(OSError, ValueError):  # not every system has this one
        resource.setrlimit(resource.RLIMIT_DATA, (most if hard == resource.RLIM_INFINITY else min(most, hard), hard))


if __name__ == "__main__":
    status = main()
    sys.stderr.flush()
    # Lanes may still hold threads in the middle of an operation; nothing they do matters any more.
    os._exit(status)
