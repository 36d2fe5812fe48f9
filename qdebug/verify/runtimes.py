"""Who runs a model: a runtime in this process, or for a stranger's model one in a process with walls."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

import numpy as np
from onnx import ModelProto

from qdebug.engine import Work
from qdebug.session import Session
from qdebug.verify import onnx_runtime, openvino
from qdebug.verify.onnx_runtime import Event


class Opened(Protocol):
    """A model in ONNX Runtime, see :class:`qdebug.verify.onnx_runtime.Session`."""

    nodes: tuple[tuple[str, str], ...]
    operators: Counter[str]
    version: str

    def run(self, feeds: Mapping[str, np.ndarray], wanted: Sequence[str] | None = None) -> dict[str, np.ndarray]:
        """Outputs by name."""
        ...

    def timed(self, feeds: Mapping[str, np.ndarray]) -> float:
        """Seconds of a run."""
        ...

    def end_profile(self) -> tuple[Event, ...]:
        """What has been run, node by node."""
        ...


class Compiled(Protocol):
    """A model in OpenVINO, see :class:`qdebug.verify.openvino.Model`."""

    kernels: dict[str, int]
    by_node: dict[str, str]
    version: str

    def run(self, feeds: Mapping[str, np.ndarray]) -> np.ndarray:
        """The output that is scored."""
        ...


class Runtimes(Protocol):
    """Both runtimes. Arguments and errors are those of the classes named above."""

    def onnx_runtime(self, model: ModelProto | Path, *, threads: int = 0, profile: Path | None = None) -> Opened:
        """A model in ONNX Runtime."""
        ...

    def openvino(self, path: Path, scored: str, *, rewriting: bool = True) -> Compiled:
        """A model in OpenVINO."""
        ...


class Here:
    """Both runtimes in this process."""

    def onnx_runtime(self, model: ModelProto | Path, *, threads: int = 0, profile: Path | None = None) -> Opened:
        """A model in ONNX Runtime."""
        return onnx_runtime.Session(model, threads=threads, profile=profile)

    def openvino(self, path: Path, scored: str, *, rewriting: bool = True) -> Compiled:
        """A model in OpenVINO."""
        return openvino.Model(path, scored, rewriting=rewriting)


@contextmanager
def runtimes(session: Session, work: Work) -> Iterator[Runtimes]:
    """What runs the models of a session; whatever was started for it has ended afterwards."""
    if not session.subject.is_strange:
        yield Here()
        return
    from qdebug.verify.apart import Apart

    with Apart(session.info().name, work.check) as apart:
        yield apart
