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
from qdebug.results.clipping import ClipCurve
from qdebug.results.closeup import Cells, ChannelRidges, CloseUp, ErrorSpectrum, OutputScatter, Ridge, WeightMatrix
from qdebug.results.comparison import (
    ComparedSide,
    Comparison,
    Excerpt,
    FlippedSample,
    Flips,
    GroupDifference,
    LayerDifference,
    LayerSide,
    PairedDifference,
)
from qdebug.results.convergence import Convergence, RangeConvergence
from qdebug.results.costs import Bound, Cost, EnergyEstimate, LatencyEstimate, LayerEnergy, LayerLatency
from qdebug.results.course import CourseRow, ErrorCourse
from qdebug.results.diagnosis import Cause, Diagnosis, Remedy, Together, Trial
from qdebug.results.divergence import Divergence
from qdebug.results.exported import Exported
from qdebug.results.formats import DISTRIBUTIONS, CrestPair, CrestView, FormatComparison, FormatRow, Values
from qdebug.results.graph import GraphBlock, GraphEdge, GraphNode, ModelGraph
from qdebug.results.grouped import CalibrationWay, GroupCalibration, GroupedTensor, GroupRange, GroupRanges
from qdebug.results.layer import (
    ChannelRanges,
    ErrorSplit,
    Finding,
    Grid,
    Histogram,
    InputCosines,
    LayerDetail,
    LayerReport,
    LayerTable,
    OutputError,
    TensorView,
)
from qdebug.results.mixture import GreedyStep, Mixture, MixturePoint
from qdebug.results.model import AttentionInfo, LayerInfo, ModelInfo, ModelRef, Pattern, SampleCard, TensorSpec
from qdebug.results.positions import PositionErrors, PositionSide
from qdebug.results.ranges import InputRanges
from qdebug.results.routing import Routed
from qdebug.results.sampling import SampledStep, SamplerCard, Sampling
from qdebug.results.scan import AddedError, Scan, ScannedTensor, StoredStats
from qdebug.results.score import (
    CacheSize,
    Evaluation,
    Metric,
    OutputChange,
    Score,
    Share,
    Shares,
    Size,
    Subgroups,
    Verdict,
)
from qdebug.results.sensitivity import Order, Sensitivity, SensitivityRow, SweepPlan, WholeRecipe
from qdebug.results.subgroups import Subgroup, worst_group
from qdebug.results.trials import FixEstimate, FixTrial, Losses, TriedLayer
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
from qdebug.results.work import CacheStats, FixCard, FixParameter, FixSite, Progress, TargetCard

__all__ = [
    "AddedError", "Agreement", "AttentionInfo", "Bound", "CacheSize", "CacheStats", "CalibrationCurve",
    "CalibrationPoint", "CalibrationWay",
    "Cause", "Cells", "ChannelRanges", "ChannelRidges", "ClipCurve", "CloseUp", "ComparedSide", "Comparison",
    "Convergence", "Cost", "CourseRow", "Coverage", "CrestPair", "CrestView", "DISTRIBUTIONS", "Diagnosis",
    "Divergence", "EnergyEstimate", "ErrorCourse", "ErrorSpectrum", "ErrorSplit", "Evaluation", "Excerpt",
    "Exported", "Extreme", "Finding", "FixCard", "FixEstimate", "FixParameter", "FixSite", "FixTrial",
    "FlippedSample", "Flips", "FormatComparison", "FormatRow", "GraphBlock", "GraphEdge", "GraphNode", "GreedyStep",
    "Grid", "GroupCalibration", "GroupDifference", "GroupRange", "GroupRanges", "GroupedTensor", "Histogram",
    "InputCosines", "InputRanges", "Latency", "LatencyEstimate", "LayerDetail", "LayerDifference", "LayerEnergy",
    "LayerInfo", "LayerLatency", "LayerReport", "LayerSide", "LayerTable", "LayerTime", "Losses", "Metric",
    "Mixture", "MixturePoint", "ModelGraph", "ModelInfo", "ModelRef", "Order", "OutputChange", "OutputError",
    "OutputScatter", "PairedDifference", "Pattern", "Picture", "PositionErrors", "PositionSide", "Progress",
    "RangeConvergence", "RangeSetters", "RealMetric", "Remedy", "Result", "Ridge", "Routed", "SampleCard",
    "SampledStep", "SamplerCard", "Sampling", "Saturation", "Scan", "ScannedTensor", "Score", "Sensitivity",
    "SensitivityRow", "SettingSample", "Share", "Shares", "Size", "StoredStats", "Subgroup", "Subgroups",
    "SweepPlan", "TargetCard", "TensorSpec", "TensorView", "Timing", "Together", "Trial", "TriedLayer", "Values",
    "Verdict", "Verified", "VerifiedTensor", "WeightMatrix", "WholeRecipe", "worst_group",
]  # fmt: skip
