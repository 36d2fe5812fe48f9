"""What a sweep and its workers say to each other: one JSON value a line, plain values only."""

from __future__ import annotations

from pathlib import Path

import msgspec

from qdebug.doors import SAMPLE_NAMES
from qdebug.doors.function import is_function
from qdebug.errors import BY_NAME, QDebugError, WorkerError
from qdebug.results import ModelRef
from qdebug.search.sweep.bench import Answer, Task


class Setup(msgspec.Struct, frozen=True):
    """The first line that a worker gets: what to open, and what that has to be."""

    ref: ModelRef
    identity: str


def located(ref: ModelRef) -> ModelRef:
    """A reference that means the same in another folder: paths from the root on, names of samples as is."""
    paths = {name: getattr(ref, name) for name in ("model", "data", "calib", "train")}
    metric = ref.metric
    if metric and is_function(metric):
        file, _, name = metric.rpartition(":")
        metric = f"{Path(file).resolve()}:{name}"
    return msgspec.structs.replace(
        ref,
        metric=metric,
        **{
            name: str(Path(path).resolve()) if path and Path(path).exists() and path not in SAMPLE_NAMES else path
            for name, path in paths.items()
        },
    )


class Ready(msgspec.Struct, frozen=True, tag=True):
    """The model is open."""


class Done(msgspec.Struct, frozen=True, tag=True):
    """A task is done."""

    answer: Answer


class Failed(msgspec.Struct, frozen=True, tag=True):
    """Something went wrong, in the words of an error."""

    kind: str
    what: str
    do: str
    where: dict[str, str]

    @staticmethod
    def of(error: Exception) -> Failed:
        """An error as a line."""
        if isinstance(error, QDebugError):
            return Failed(type(error).__name__, error.what, error.do, error.where)
        return Failed("WorkerError", f"A worker failed: {type(error).__name__}: {error}", "", {})

    def error(self) -> QDebugError:
        """The error again."""
        kind = BY_NAME.get(self.kind, WorkerError)
        return kind(self.what, **{**self.where, "do": self.do})


Said = Ready | Done | Failed

setup, task, said = msgspec.json.Decoder(Setup), msgspec.json.Decoder(Task), msgspec.json.Decoder(Said)


def line(value: Setup | Task | Said) -> bytes:
    """A value as a line."""
    return msgspec.json.encode(value) + b"\n"
