"""Recipes as ONNX files: codes in QuantizeLinear and DequantizeLinear, everything else as it was."""

from qdebug.export.onnx.write import write_onnx, write_unchanged

__all__ = ["write_onnx", "write_unchanged"]
