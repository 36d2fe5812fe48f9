"""Hugging Face folders: a configuration, weights in safetensors, a tokenizer; read from the disk alone.

No code of a folder is ever run (``trust_remote_code`` is never given), and no pickle is read. Nothing is fetched but a
model that is asked for by its name on the hub.
"""

from qdebug.doors.huggingface.folder import Checkpoint, is_folder, open_checkpoint
from qdebug.doors.huggingface.hub import fetch, is_name
from qdebug.doors.huggingface.samples import Cut

__all__ = ["Checkpoint", "Cut", "fetch", "is_folder", "is_name", "open_checkpoint"]
