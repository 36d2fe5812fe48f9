"""The plain values that everything returns and that cross between processes: frozen, numbers and strings. Torch-free.

Errors are squared errors, ratios in decibels, sizes in bytes, times in seconds; accuracies and rates are fractions of
one, not percent.
"""

from qdebug.results.base import Result
from qdebug.results.calibration import (
    CalibrationCurve,
    CalibrationPoint,
    Coverage,
    Extreme,
    Picture,
    RangeSetters,
    SettingSample,
)
from qdebug.results.convergence import Convergence, RangeConvergence
from qdebug.results.costs import Bound, Cost, EnergyEstimate, LatencyEstimate, LayerEnergy, LayerLatency
from qdebug.results.diagnosis import Cause, Diagnosis, Remedy, Together, Trial
from qdebug.results.exported import Exported
from qdebug.results.formats import DISTRIBUTIONS, CrestPair, CrestView, FormatComparison, FormatRow, Values
from qdebug.results.layer import (
    ChannelRanges,
    ErrorSplit,
    Finding,
    Grid,
    Histogram,
    LayerDetail,
    LayerReport,
    LayerTable,
    OutputError,
    TensorView,
)
from qdebug.results.mixture import GreedyStep, Mixture, MixturePoint
from qdebug.results.model import LayerInfo, ModelInfo, ModelRef, Pattern, SampleCard, TensorSpec
from qdebug.results.score import Evaluation, Metric, Score, Share, Shares, Size, Subgroups, Verdict
from qdebug.results.sensitivity import Order, Sensitivity, SensitivityRow, SweepPlan, WholeRecipe
from qdebug.results.subgroups import Subgroup, worst_group
from qdebug.results.verified import (
    Agreement,
    Latency,
    LayerTime,
    RealMetric,
    Saturation,
    Timing,
    Verified,
    VerifiedTensor,
)
from qdebug.results.work import CacheStats, FixCard, FixSite, Progress, TargetCard

__all__ = [
    "Agreement", "Bound", "CacheStats", "CalibrationCurve", "CalibrationPoint", "Cause", "ChannelRanges",
    "Convergence", "Cost", "Coverage", "CrestPair", "CrestView", "Diagnosis", "DISTRIBUTIONS", "EnergyEstimate",
    "ErrorSplit", "Evaluation", "Exported", "Extreme", "Finding", "FixCard", "FixSite", "FormatComparison",
    "FormatRow", "GreedyStep", "Grid", "Histogram", "Latency", "LatencyEstimate", "LayerDetail", "LayerEnergy",
    "LayerInfo", "LayerLatency", "LayerReport", "LayerTable", "LayerTime", "Metric", "Mixture", "MixturePoint",
    "ModelInfo", "ModelRef", "Order", "OutputError", "Pattern", "Picture", "Progress", "RangeConvergence",
    "RangeSetters", "RealMetric", "Remedy", "Result", "SampleCard", "Saturation", "Score", "Sensitivity",
    "SensitivityRow", "SettingSample", "Share", "Shares", "Size", "Subgroup", "Subgroups", "SweepPlan", "TargetCard",
    "TensorSpec", "TensorView", "Timing", "Together", "Trial", "Values", "Verdict", "Verified", "VerifiedTensor",
    "WholeRecipe", "worst_group",
]  # fmt: skip
