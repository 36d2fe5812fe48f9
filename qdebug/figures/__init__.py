"""Results drawn: plain values in, Plotly figures out. Every title states what the figure shows. Torch-free."""

from qdebug.figures.agreement import drift
from qdebug.figures.calibration import calibration_curve, coverage_bars, range_growth
from qdebug.figures.channels import before_after, channel_ranges
from qdebug.figures.closeup import close_up
from qdebug.figures.comparison import group_differences
from qdebug.figures.crest import crest_figure
from qdebug.figures.fixes import error_course, loss_course, tried_layers
from qdebug.figures.formats import error_bars, rate_figure
from qdebug.figures.grouped import calibration_map, group_course, range_lines, range_map
from qdebug.figures.histogram import tensor_histogram
from qdebug.figures.latency import latency_bars
from qdebug.figures.mixture import front_figure, map_figure
from qdebug.figures.points import code_points
from qdebug.figures.sampling import sampling_course
from qdebug.figures.settling import settling
from qdebug.figures.shares import share_bars
from qdebug.figures.shift import mean_shift
from qdebug.figures.split import error_parts, error_split
from qdebug.figures.subgroups import subgroup_changes
from qdebug.figures.tradeoff import Candidate, tradeoff
from qdebug.figures.waterfall import waterfall

__all__ = [
    "before_after", "calibration_curve", "calibration_map", "Candidate", "channel_ranges", "close_up",
    "code_points", "coverage_bars", "crest_figure", "drift", "error_bars", "error_course", "error_parts",
    "error_split", "front_figure", "group_course", "group_differences", "latency_bars", "loss_course", "map_figure",
    "mean_shift", "range_growth", "range_lines", "range_map", "rate_figure", "sampling_course", "settling",
    "share_bars", "subgroup_changes", "tensor_histogram", "tradeoff", "tried_layers", "waterfall",
]  # fmt: skip
