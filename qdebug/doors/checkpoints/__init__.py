"""Checkpoints of language models that are quantized already: float weights, and the grids that they came from.

Knows how each tool lays codes, scales and zero points in safetensors files; nothing of the models themselves.
"""

from qdebug.doors.checkpoints.read import METHODS, Checkpoint, read_checkpoint
from qdebug.doors.checkpoints.shards import Shards
from qdebug.doors.checkpoints.stored import StoredLinear, reals

__all__ = ["METHODS", "Checkpoint", "Shards", "StoredLinear", "read_checkpoint", "reals"]
