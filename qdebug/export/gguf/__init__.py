"""A recipe as a GGUF file: what llama.cpp loads."""

from qdebug.export.gguf.write import write_gguf

__all__ = ["write_gguf"]
