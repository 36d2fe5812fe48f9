"""Weights on their grids as the tensors and configs that language-model runtimes load."""

from qdebug.export.checkpoints.compressed import Written, compressed_tensors
from qdebug.export.checkpoints.folder import write_folder
from qdebug.export.checkpoints.linears import decided_linear, linear_of
from qdebug.export.checkpoints.recipe import KINDS, write_checkpoint
from qdebug.export.checkpoints.words import awq, gptq

__all__ = [
    "KINDS", "Written", "awq", "compressed_tensors", "decided_linear", "gptq", "linear_of", "write_checkpoint",
    "write_folder",
]  # fmt: skip
