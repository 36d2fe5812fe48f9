"""ONNX files: read, checked, and lowered to programs."""

from qdebug.doors.onnx.lowering import Lowered, lower_onnx
from qdebug.doors.onnx.quantized import Stored, unquantized
from qdebug.doors.onnx.read import OnnxFile, from_proto, newest, read_onnx
from qdebug.doors.onnx.write import to_proto

__all__ = [
    "Lowered", "OnnxFile", "Stored", "from_proto", "lower_onnx", "newest", "read_onnx", "to_proto", "unquantized",
]  # fmt: skip
