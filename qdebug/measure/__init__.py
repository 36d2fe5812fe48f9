"""From tensors to results: error splits, channel ranges, findings, predictions and metrics with intervals."""

from qdebug.measure.channels import channel_limits, channel_ranges
from qdebug.measure.compare import compare
from qdebug.measure.findings import tensor_findings, weight_findings
from qdebug.measure.grid import grid
from qdebug.measure.meter import Meter, meter
from qdebug.measure.output import OutputAccumulator
from qdebug.measure.own import OwnMetric
from qdebug.measure.predictions import Predictions, predictions
from qdebug.measure.split import SplitAccumulator, error_split, off_grid_split
from qdebug.measure.subgroups import Partition, subgroups
from qdebug.measure.versus import versus, versus_groups

__all__ = [
    "Meter", "OutputAccumulator", "OwnMetric", "Partition", "Predictions", "SplitAccumulator", "channel_limits",
    "channel_ranges", "compare",
    "error_split", "grid", "meter", "off_grid_split", "predictions", "subgroups", "tensor_findings", "versus",
    "versus_groups", "weight_findings",
]  # fmt: skip
