"""Files that deployment tools read. Each target says what it could not say."""

from qdebug.export.onnx import write_onnx

__all__ = ["write_onnx"]
