"""What calibration data do: how many are enough, which samples set the ranges, what leaves them."""

from __future__ import annotations

from qdebug.results.base import Result


class CalibrationPoint(Result, frozen=True, kw_only=True):
    """A number of calibration samples, drawn several times.

    Attributes:
        samples: how many.
        metrics: the quantized model's metric, of each subset; one where all samples are taken.
        widths: of each subset, the calibrated ranges' widths as a share of those from all samples: the median over
            tensors; empty where nothing has a calibrated range.
        narrowest: as ``widths``, the smallest over tensors.
    """

    samples: int
    metrics: tuple[float, ...]
    widths: tuple[float, ...]
    narrowest: tuple[float, ...]

    @property
    def mean(self) -> float:
        """Mean of the metric over subsets."""
        return sum(self.metrics) / len(self.metrics)

    @property
    def low(self) -> float:
        """The lowest metric of any subset."""
        return min(self.metrics)

    @property
    def high(self) -> float:
        """The highest metric of any subset."""
        return max(self.metrics)


class CalibrationCurve(Result, frozen=True, kw_only=True):
    """The metric and the ranges against the number of calibration samples.

    Attributes:
        recipe: its digest.
        metric: the metric's name.
        float_value: the float model's, on the same data.
        higher_is_better: whether a fall of the metric is a loss.
        points: by rising number of samples; the last is all of them.
        subsets: how many times each number but the last was drawn. Those of one draw are nested.
        n: evaluation samples that the metric is of.
        tolerance: how far from the last point still counts as settled, in the metric's unit.
        enough: the smallest number of samples from which on every subset is within the tolerance of the last point.
        calibrated: how many tensors have a range from calibration data.
        seconds: what it took.
    """

    recipe: str
    metric: str
    float_value: float
    higher_is_better: bool
    points: tuple[CalibrationPoint, ...]
    subsets: int
    n: int
    tolerance: float
    enough: int
    calibrated: int
    seconds: float


class Extreme(Result, frozen=True, kw_only=True):
    """One end of what calibration saw of a tensor.

    Attributes:
        value: the farthest value.
        sample: the sample it is in, counted from 0; None where several share it, or every sample has the same values.
        runner_up: the farthest value of all other samples.
    """

    value: float
    sample: int | None
    runner_up: float


class Coverage(Result, frozen=True, kw_only=True):
    """A tensor's calibrated range, and what stays within.

    Attributes:
        name: the layer whose input it is, or the value's name.
        between: whether it is a value between layers.
        clip_min: the lower end of the calibrated range.
        clip_max: the upper end.
        low: the lower end of what calibration saw; None where zero, which every range holds, is lower.
        high: the upper end, likewise.
        narrower: how much narrower what calibration saw would be without the sample that widens it most, as a share.
        outside_calibration: share of the calibration data's values that are clipped (farther out than half a step).
        outside: share of the evaluation data's.
        reach: how far beyond the range the evaluation data go, in multiples of its width; 0 where they stay within.
        farthest: the evaluation sample that goes farthest, counted from 0; None where all stay within.
    """

    name: str
    between: bool
    clip_min: float
    clip_max: float
    low: Extreme | None
    high: Extreme | None
    narrower: float
    outside_calibration: float
    outside: float
    reach: float
    farthest: int | None


class Picture(Result, frozen=True, kw_only=True):
    """A sample's input as an image: ``height`` × ``width`` pixels of ``channels`` bytes (1 or 3), row by row."""

    height: int
    width: int
    channels: int
    pixels: bytes


class SettingSample(Result, frozen=True, kw_only=True):
    """A calibration sample that sets ends of ranges.

    Attributes:
        sample: its place in the calibration data, from 0.
        label: its label, if it has a single one; else empty.
        limits: how many ends it sets.
        tensors: the tensors that it sets an end of.
        narrower: the most that what calibration saw of any of them would shrink without it, as a share.
        narrowest: that tensor.
        picture: its first input that is an image.
    """

    sample: int
    label: str
    limits: int
    tensors: tuple[str, ...]
    narrower: float
    narrowest: str
    picture: Picture | None = None


class RangeSetters(Result, frozen=True, kw_only=True):
    """Which calibration samples set the ranges, and how far evaluation data leave them.

    Attributes:
        recipe: its digest.
        tensors: every tensor with a range from calibration data, in the order of the graph.
        samples: the samples that set most ends, most first; no more than a dozen.
        setters: how many samples set any end.
        limits: how many ends a single sample sets.
        n_calib: calibration samples.
        n_eval: evaluation samples.
        seconds: what it took.
    """

    recipe: str
    tensors: tuple[Coverage, ...]
    samples: tuple[SettingSample, ...]
    setters: int
    limits: int
    n_calib: int
    n_eval: int
    seconds: float
