"""Models that run in another process and look like those that run in this one."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np
import onnx
from onnx import ModelProto

from qdebug.verify.apart import wire
from qdebug.verify.apart.limits import runtime_limits
from qdebug.verify.apart.process import COMMAND, Child
from qdebug.verify.onnx_runtime import Event


class Session:
    """As :class:`qdebug.verify.onnx_runtime.Session`, in a child."""

    def __init__(self, child: Child, asked: wire.OpenSession) -> None:
        self._child = child
        told, _ = child.ask(asked)
        if not isinstance(told, wire.Session):
            child.nonsense()
        self._place, self.version, self.nodes = told.place, told.version, told.nodes
        self.operators: Counter[str] = Counter(told.operators)

    def run(self, feeds: Mapping[str, np.ndarray], wanted: Sequence[str] | None = None) -> dict[str, np.ndarray]:
        """Outputs by name, all that are numbers or those wanted.

        Raises:
            ModelError: the runtime fails on them.
        """
        names = None if wanted is None else tuple(wanted)
        told, found = self._child.ask(wire.Run(self._place, names), feeds)
        if not isinstance(told, wire.Ran) or (names is not None and not set(found) <= set(names)):
            self._child.nonsense()
        return found

    def timed(self, feeds: Mapping[str, np.ndarray]) -> float:
        """Seconds of one run, without those that the way to the child takes.

        Raises:
            ModelError: the runtime fails on it.
        """
        told, _ = self._child.ask(wire.Run(self._place, timed=True), feeds)
        if not isinstance(told, wire.Ran) or not told.seconds > 0:
            self._child.nonsense()
        return told.seconds

    def end_profile(self) -> tuple[Event, ...]:
        """Stop profiling; what has been run since the session was made, node by node."""
        told, _ = self._child.ask(wire.EndProfile(self._place))
        if not isinstance(told, wire.Profile):
            self._child.nonsense()
        return tuple(Event(*one) for one in told.events)


class Model:
    """As :class:`qdebug.verify.openvino.Model`, in a child."""

    def __init__(self, child: Child, asked: wire.OpenModel) -> None:
        self._child = child
        told, _ = child.ask(asked)
        if not isinstance(told, wire.Model):
            child.nonsense()
        self._place, self.version = told.place, told.version
        self.kernels, self.by_node = told.kernels, told.by_node

    def run(self, feeds: Mapping[str, np.ndarray]) -> np.ndarray:
        """The output of a batch that is scored.

        Raises:
            ModelError: the runtime fails on it.
        """
        told, found = self._child.ask(wire.Run(self._place), feeds)
        if not isinstance(told, wire.Ran) or set(found) != {""}:
            self._child.nonsense()
        return found[""]


class Apart:
    """Both runtimes, each in a process of its own from when it is first asked for until the ``with`` ends.

    Args:
        name: the model's, for messages.
        check: called often; raises where the work is to stop, which ends the processes.
        command: what starts one.
    """

    def __init__(self, name: str, check: Callable[[], None], command: Sequence[str] = COMMAND) -> None:
        self._name, self._check, self._command = name, check, command
        self._children: dict[wire.Kind, Child] = {}
        self._written = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for child in self._children.values():
            child.end()

    def onnx_runtime(self, model: ModelProto | Path, *, threads: int = 0, profile: Path | None = None) -> Session:
        """A model in ONNX Runtime; one in memory is written for it.

        Raises:
            ModelError: the runtime refuses it, or the process in which it runs dies.
        """
        size = _size(model) if isinstance(model, Path) else model.ByteSize()
        child = self._child("onnxruntime", size)
        path = model if isinstance(model, Path) else self._write(model, child)
        return Session(child, wire.OpenSession(str(path.resolve()), threads, str(profile.resolve()) if profile else ""))

    def openvino(self, path: Path, scored: str, *, rewriting: bool = True) -> Model:
        """A model in OpenVINO.

        Raises:
            ModelError: as for :meth:`onnx_runtime`.
        """
        child = self._child("openvino", _size(path))
        return Model(child, wire.OpenModel(str(path.resolve()), scored, rewriting))

    def _child(self, kind: wire.Kind, size: int) -> Child:
        if kind not in self._children:
            self._children[kind] = Child(kind, self._name, runtime_limits(size), self._check, self._command)
        return self._children[kind]

    def _write(self, model: ModelProto, child: Child) -> Path:
        self._written += 1
        place = child.folder / str(self._written)
        place.mkdir()
        onnx.save(model, str(place / "model.onnx"), save_as_external_data=model.ByteSize() > 2**30)
        return place / "model.onnx"


def _size(path: Path) -> int:
    return sum(one.stat().st_size for one in path.parent.iterdir() if one.is_file())
