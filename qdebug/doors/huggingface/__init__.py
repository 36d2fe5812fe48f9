"""Hugging Face folders: a configuration, weights in safetensors, a tokenizer; read from the disk alone.

No code of a folder is ever run (``trust_remote_code`` is never given), no pickle is read, nothing is fetched.
"""

from qdebug.doors.huggingface.folder import Checkpoint, is_folder, open_checkpoint

__all__ = ["Checkpoint", "is_folder", "open_checkpoint"]
