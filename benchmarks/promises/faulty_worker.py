"""A compute process with faults of ours planted in it: one question raises, another ends the process."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

from qdebug.jobs import worker
from qdebug.jobs.handlers import SessionHandlers
from qdebug.jobs.verbs import GetFixes, GetSensitivity, Request

SECRET = "planted-secret"


class Faulty(SessionHandlers):
    """Answers as the real one does, but for two questions."""

    def answer(self, request: Request, work: Any) -> object:
        """The real answer, or a fault whose text holds a path and a secret."""
        if isinstance(request, GetSensitivity):
            raise ZeroDivisionError(f"{SECRET} in {Path(__file__).resolve()}")
        if isinstance(request, GetFixes):
            os._exit(1)
        return super().answer(request, work)


if __name__ == "__main__":
    status = worker.main(make_handlers=Faulty)
    sys.stderr.flush()
    os._exit(status)
