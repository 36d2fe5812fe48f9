"""Checkpoints as they lie on disk: which tensors there are, in which file, at which bytes. Nothing of them is loaded.

Importing the room brings no torch.
"""

from qdebug.doors.stored.find import find_checkpoint
from qdebug.doors.stored.kinds import GGML, SAFETENSORS, Kind
from qdebug.doors.stored.reading import Piece, are_whole, pieces
from qdebug.doors.stored.tensors import Checkpoint, StoredTensor

__all__ = [
    "GGML", "SAFETENSORS", "Checkpoint", "Kind", "Piece", "StoredTensor", "are_whole", "find_checkpoint", "pieces",
]  # fmt: skip
