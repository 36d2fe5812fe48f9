"""The only readers of files: models, samples and data."""

from qdebug.doors.dataset import Dataset, join_data
from qdebug.doors.module import capture
from qdebug.doors.npz import read_npz
from qdebug.doors.pt2 import read_pt2
from qdebug.doors.samples import SAMPLE_NAMES, Sample, cards, load_sample

__all__ = [
    "SAMPLE_NAMES", "Dataset", "Sample", "capture", "cards", "join_data", "load_sample", "read_npz", "read_pt2",
]  # fmt: skip
