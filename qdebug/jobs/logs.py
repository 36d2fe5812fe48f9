"""The compute process's log: a line of JSON for each event, without a word of anybody's model. Torch-free.

A line holds the event's own words, numbers, and for a fault the class of the exception and where in the code it was
raised. What an exception or an event says of names, values and paths is left out: logs are sent around.
``$QDEBUG_LOG=plain`` writes everything in plain text instead, for one's own machine.
"""

from __future__ import annotations

import json
import logging
import os
import sys
import time
import traceback
from pathlib import Path

PLAIN = "%(asctime)s %(process)d %(levelname)s %(message)s %(said)s"
_DEEPEST = 12


class Lines(logging.Formatter):
    """One JSON object to an event: ``time``, ``process``, ``level``, ``room``, ``event``, and what it measured."""

    def format(self, record: logging.LogRecord) -> str:
        """The line."""
        arguments = record.args if isinstance(record.args, tuple) else ()
        line: dict[str, object] = {
            "time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(record.created)),
            "process": record.process,
            "level": record.levelname.lower(),
            "room": record.name,
            "event": str(record.msg),
            "numbers": [one for one in arguments if isinstance(one, int | float)],
            **getattr(record, "said", {}),
        }
        if record.exc_info and record.exc_info[1] is not None:
            line["exception"] = raised(record.exc_info[1])
        return json.dumps({key: value for key, value in line.items() if value != []})


class _Plain(logging.Formatter):
    """Everything, as text."""

    def format(self, record: logging.LogRecord) -> str:
        record.__dict__.setdefault("said", "")
        return super().format(record)


def raised(error: BaseException) -> list[dict[str, object]]:
    """An exception and those it came from: class, and the innermost places in the code; none of their texts."""
    found: list[dict[str, object]] = []
    while error is not None and len(found) < _DEEPEST:
        frames = traceback.extract_tb(error.__traceback__)[-_DEEPEST:]
        places = [f"{_module(frame.filename)}:{frame.lineno} {frame.name}" for frame in frames]
        found.append({"class": type(error).__name__, "at": places})
        error = error.__cause__ or error.__context__  # type: ignore[assignment]
    return found


def _module(file: str) -> str:
    """A source file's last parts: where Python lies on this machine is nobody else's to know."""
    return "/".join(Path(file).parts[-3:])


def write_lines() -> None:
    """Write this process's events to its standard error."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_Plain(PLAIN) if os.environ.get("QDEBUG_LOG") == "plain" else Lines())
    logging.basicConfig(level=logging.INFO, handlers=[handler])


def resident() -> int:
    """Bytes of this process that are in memory; 0 where the system does not say."""
    try:
        with open("/proc/self/statm", encoding="ascii") as file:
            return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, ValueError, IndexError):
        return 0
