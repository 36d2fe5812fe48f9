"""llama.cpp's block formats, bit for bit as ggml's reference code makes and reads them."""

from qdebug.quantize.ggml.gguf import GgufBlocks, decode, encode
from qdebug.quantize.ggml.reading import dequantize
from qdebug.quantize.ggml.rows import quantize_rows

__all__ = ["GgufBlocks", "decode", "dequantize", "encode", "quantize_rows"]
