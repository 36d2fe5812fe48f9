"""A runtime behind walls: ``python -P -m qdebug.verify.apart.child TASK``. Asked through its input, it answers."""

from __future__ import annotations

import contextlib
import importlib
import os
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import BinaryIO

import msgspec
import numpy as np

from qdebug.doors.confined.walls import confine
from qdebug.errors import QDebugError
from qdebug.verify import onnx_runtime, openvino
from qdebug.verify.apart import wire

_SHORT = 1e-3
"""Seconds of a run that is done again to be timed."""
Answered = tuple[wire.Answer, Mapping[str, np.ndarray]]


class Served:
    """The models that are open, by the order in which they were asked for."""

    def __init__(self) -> None:
        self._open: list[onnx_runtime.Session | openvino.Model] = []

    def answer(self, asked: wire.Asked, arrays: Mapping[str, np.ndarray]) -> Answered:
        """What comes of a question.

        Raises:
            QDebugError: the runtime refuses the model, or fails on the arrays.
        """
        match asked:
            case wire.OpenSession(path, threads, profile):
                where = Path(profile) if profile else None
                session = onnx_runtime.Session(Path(path), threads=threads, profile=where)
                place = self._kept(session)
                return wire.Session(place, session.version, session.nodes, dict(session.operators)), {}
            case wire.OpenModel(path, scored, rewriting):
                model = openvino.Model(Path(path), scored, rewriting=rewriting)
                return wire.Model(self._kept(model), model.version, model.kernels, model.by_node), {}
            case wire.Run(place, wanted, timed):
                return self._run(self._open[place], wanted, timed, arrays)
            case wire.EndProfile(place):
                profiled = self._open[place]
                assert isinstance(profiled, onnx_runtime.Session)
                return wire.Profile(tuple((one.name, one.op, one.seconds) for one in profiled.end_profile())), {}

    def _run(
        self, opened: onnx_runtime.Session | openvino.Model, wanted: tuple[str, ...] | None, timed: bool,
        feeds: Mapping[str, np.ndarray],
    ) -> Answered:  # fmt: skip
        if isinstance(opened, openvino.Model):
            return wire.Ran(), {"": opened.run(feeds)}
        if timed:
            seconds = opened.timed(feeds)
            # the way here leaves caches cold, which shows in short runs only
            return wire.Ran(opened.timed(feeds) if seconds < _SHORT else seconds), {}
        # texts are no numbers, and nobody looks at them
        return wire.Ran(), {k: v for k, v in opened.run(feeds, wanted).items() if v.dtype.kind in "biuf"}

    def _kept(self, opened: onnx_runtime.Session | openvino.Model) -> int:
        self._open.append(opened)
        return len(self._open) - 1


def serve(asking: BinaryIO, answering: BinaryIO, answer: Callable[[wire.Asked, Mapping[str, np.ndarray]], Answered],
          most: int) -> None:  # fmt: skip
    """Answer until nobody asks any more."""
    while True:
        try:
            asked, arrays = wire.receive(asking, wire.Asked, most)  # type: ignore[arg-type]
        except EOFError:
            return
        try:
            told, found = answer(asked, arrays)
        except QDebugError as error:
            told, found = wire.Failed(error.what, error.do), {}
        except MemoryError:
            told, found = wire.Failed("", memory=True), {}
        wire.send(answering, told, found)


def main(words: list[str], answer: Callable[[wire.Asked, Mapping[str, np.ndarray]], Answered] | None = None) -> int:
    """Build the walls, then serve.

    Args:
        words: the command line: one JSON object, a :class:`wire.Task`.
        answer: what answers; by default the runtimes.
    """
    task = msgspec.json.decode(words[0], type=wire.Task)
    answering = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what a runtime prints is no answer
    with contextlib.suppress(ImportError):  # who opens a model is told
        importlib.import_module(task.kind)
    confine(task.limits, task.parent, threads=True)
    serve(sys.stdin.buffer, answering, answer or Served().answer, task.limits.memory)
    return 0


if __name__ == "__main__":
    status = main(sys.argv[1:])
    sys.stderr.flush()
    os._exit(status)
