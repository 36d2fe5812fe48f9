"""The two tools of the ``onnx`` package that are C++: its checker, and its converter to newer opsets.

Either can end the process that calls it when a file is made to do harm, so strangers' models meet them in a process of
their own (:mod:`qdebug.doors.confined`).
"""

from __future__ import annotations

from pathlib import Path

import onnx
from onnx import ModelProto, version_converter

from qdebug.errors import ModelError


def check(file: Path) -> None:
    """Hold a file that was written against the specification.

    Raises:
        ModelError: ``onnx.checker`` refuses it.
    """
    try:
        onnx.checker.check_model(str(file))
    except onnx.checker.ValidationError as error:
        raise ModelError(
            f"onnx.checker refuses the written model: {_first(error).rstrip('.')}",
            do="Does onnx.checker.check_model accept the original?",
        ) from None


def convert(proto: ModelProto, opset: int) -> ModelProto:
    """A model at a newer opset of ONNX's own operators. Its notes and other domains may be lost.

    Raises:
        ModelError: the converter refuses the model.
    """
    try:
        # The converter refuses files older than what it knows a rule for, and newer ones that lost an operator.
        return version_converter.convert_version(proto, opset)
    except Exception as error:  # noqa: BLE001 - it raises whatever its C++ does
        now = max((one.version for one in proto.opset_import if one.domain in ("", "ai.onnx")), default=1)
        raise ModelError(
            f"The file is of opset {now}, this needs {opset}, and onnx cannot convert it: {_first(error)}",
            do=f"Export the model again with opset {opset}, or choose formats that need less (int8 per tensor).",
        ) from None


def _first(error: Exception) -> str:
    return str(error).strip().partition("\n")[0]
