"""Results drawn: plain values in, Plotly figures out. Every title states what the figure shows. Torch-free."""

from qdebug.figures.channels import before_after, channel_ranges
from qdebug.figures.histogram import tensor_histogram
from qdebug.figures.shares import share_bars
from qdebug.figures.shift import mean_shift
from qdebug.figures.split import error_parts, error_split
from qdebug.figures.tradeoff import Candidate, tradeoff

__all__ = [
    "Candidate", "before_after", "channel_ranges", "error_parts", "error_split", "mean_shift", "share_bars",
    "tensor_histogram", "tradeoff",
]  # fmt: skip
