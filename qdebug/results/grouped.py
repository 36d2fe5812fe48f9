"""What differs from group to group of the data: the ranges of activations, and what calibrating on some groups does."""

from __future__ import annotations

from qdebug.results.base import Result
from qdebug.results.subgroups import Key


class GroupRange(Result, frozen=True, kw_only=True):
    """What a tensor's values do in one group.

    Attributes:
        low: the smallest value.
        high: the largest.
        inner_low: the value that 0.1 % of the values lie below, right to within a bin of 2048 or more.
        inner_high: the value that 0.1 % lie above, likewise.
        std: standard deviation.
        outside: share of the values beyond the recipe's calibrated range by more than half a step; None where there is
            no such range.
    """

    low: float
    high: float
    inner_low: float
    inner_high: float
    std: float
    outside: float | None = None

    @property
    def width(self) -> float:
        """From the smallest value to the largest, zero included as in every calibrated range."""
        return max(self.high, 0.0) - min(self.low, 0.0)


class GroupedTensor(Result, frozen=True, kw_only=True):
    """A layer's input, group by group.

    Attributes:
        name: the layer; of several that read the same values, the first.
        groups: in the order of :attr:`GroupRanges.groups`.
        clip_min: the lower end of the recipe's calibrated range; None where there is none.
        clip_max: the upper end, likewise.
    """

    name: str
    groups: tuple[GroupRange, ...]
    clip_min: float | None = None
    clip_max: float | None = None

    @property
    def drift(self) -> float:
        """The widest group's width over the narrowest's; 1 where a group has none."""
        widths = [one.width for one in self.groups]
        return max(widths) / min(widths) if min(widths) > 0 else 1.0


class GroupRanges(Result, frozen=True, kw_only=True):
    """How far the layers' inputs reach in each group of the evaluation data, in the float model with a recipe's fixes.

    Attributes:
        recipe: its digest.
        key: what parts the data: ``group``, or ``class`` where they name no groups.
        groups: the groups' names, numbers in their order; none where the data tell of no two.
        samples: how many samples each has.
        tensors: in the order of the graph.
        left_out: why nothing was parted, in a sentence; mostly empty.
        seconds: what it took.
    """

    recipe: str
    key: Key
    groups: tuple[str, ...]
    samples: tuple[int, ...]
    tensors: tuple[GroupedTensor, ...]
    left_out: str = ""
    seconds: float


class CalibrationWay(Result, frozen=True, kw_only=True):
    """One choice of calibration samples.

    Attributes:
        name: ``all``, ``uniform``, ``skewed``, ``only 5``, or ``chosen``.
        counts: samples of each group.
        metric: the quantized model's metric, the mean over draws.
        low: the lowest of any draw.
        high: the highest.
        by_group: the metric of each group of the evaluation data, the mean over draws.
    """

    name: str
    counts: tuple[int, ...]
    metric: float
    low: float
    high: float
    by_group: tuple[float, ...]

    @property
    def samples(self) -> int:
        """How many in all."""
        return sum(self.counts)


class GroupCalibration(Result, frozen=True, kw_only=True):
    """A recipe calibrated on some groups or on others.

    Attributes:
        recipe: its digest.
        metric: the metric's name.
        higher_is_better: whether a fall of the metric is a loss.
        float_value: the float model's metric.
        key: what parts the data.
        groups: the calibration data's groups, in their order.
        evaluated: the evaluation data's groups, in theirs.
        float_by_group: the float model's metric of each of these.
        ways: those with all groups first.
        draws: how many times samples were drawn where there was a choice.
        left_out: why nothing was measured, in a sentence; mostly empty.
        seconds: what it took.
    """

    recipe: str
    metric: str
    higher_is_better: bool
    float_value: float
    key: Key
    groups: tuple[str, ...]
    evaluated: tuple[str, ...]
    float_by_group: tuple[float, ...]
    ways: tuple[CalibrationWay, ...]
    draws: int
    left_out: str = ""
    seconds: float
