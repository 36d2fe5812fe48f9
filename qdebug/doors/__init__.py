"""The only readers of files: models, samples and data.

Importing the room brings no torch, so that a process which only runs somebody else's C++ starts quickly.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from qdebug.doors.dataset import Dataset, join_data
    from qdebug.doors.module import capture
    from qdebug.doors.npz import read_npz
    from qdebug.doors.pt2 import read_pt2
    from qdebug.doors.samples import SAMPLE_NAMES, Sample, cards, load_sample

_FROM = {
    "Dataset": "dataset", "join_data": "dataset", "capture": "module", "read_npz": "npz", "read_pt2": "pt2",
    "SAMPLE_NAMES": "samples", "Sample": "samples", "cards": "samples", "load_sample": "samples",
}  # fmt: skip
__all__ = [
    "SAMPLE_NAMES", "Dataset", "Sample", "capture", "cards", "join_data", "load_sample", "read_npz", "read_pt2",
]  # fmt: skip


def __getattr__(name: str) -> object:
    if name in _FROM:
        return getattr(importlib.import_module(f"qdebug.doors.{_FROM[name]}"), name)
    raise AttributeError(f"module 'qdebug.doors' has no attribute '{name}'")
