"""Whose process the ``onnx`` package's own C++ runs in: this one, or for a stranger's model one with walls."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from onnx import ModelProto

from qdebug.doors import native
from qdebug.doors.confined import check_confined, convert_confined


class Tools(Protocol):
    """The checker and the converter, see :mod:`qdebug.doors.native`; they raise what those raise."""

    def check(self, file: Path) -> None:
        """Hold a written file against the specification."""
        ...

    def convert(self, proto: ModelProto, opset: int) -> ModelProto:
        """A model at a newer opset."""
        ...


class Here:
    """In this process."""

    def check(self, file: Path) -> None:
        """See :func:`qdebug.doors.native.check`."""
        native.check(file)

    def convert(self, proto: ModelProto, opset: int) -> ModelProto:
        """See :func:`qdebug.doors.native.convert`."""
        return native.convert(proto, opset)


class Unchecked(Here):
    """In this process, without a look at what was written."""

    def check(self, file: Path) -> None:
        """Whoever gets the file looks at it."""


class Apart:
    """In a process of its own, which ends with the call.

    Args:
        name: the model's, for messages.
        stop: called while that process runs; raises where the work is to stop.
    """

    def __init__(self, name: str, stop: Callable[[], None]) -> None:
        self._name, self._stop = name, stop

    def check(self, file: Path) -> None:
        """See :func:`qdebug.doors.confined.check_confined`."""
        check_confined(file, self._stop)

    def convert(self, proto: ModelProto, opset: int) -> ModelProto:
        """See :func:`qdebug.doors.confined.convert_confined`."""
        return convert_confined(proto, opset, self._name, self._stop)
