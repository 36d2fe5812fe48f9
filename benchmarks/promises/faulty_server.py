"""The app's server with a fault of ours planted in one screen, over a compute process with faults of its own."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from benchmarks.promises.faulty_worker import SECRET
from qdebug.jobs.client import connect
from qdebug.web import calibration
from qdebug.web.core import desk
from qdebug.web.serve import serve

WORKER = (sys.executable, "-m", "benchmarks.promises.faulty_worker")


def _fail(*given: Any) -> None:
    raise RuntimeError(f"{SECRET} in {Path(__file__).resolve()}")


if __name__ == "__main__":
    desk.connect = lambda: connect(command=WORKER)
    calibration.curve = _fail
    serve()
