"""Layer-level answers."""

from __future__ import annotations

from qdebug.results.base import Result


class Finding(Result, frozen=True, kw_only=True):
    """Something odd that a person should know, tied to a place.

    Attributes:
        kind: a short stable name (``nan``, ``inf``, ``constant``, ``all-zero``, ``outlier-channels`` …).
        layer, tensor: where; tensor is ``weight``, ``activation``, ``output`` or ``data``.
        text: one sentence.
    """

    kind: str
    layer: str
    tensor: str
    text: str


class ErrorSplit(Result, frozen=True, kw_only=True):
    """What quantization does to one tensor.

    Attributes:
        format: the plan's label, such as ``int4 g32``.
        sqnr_db: signal to quantization noise in decibels; None where there is no error at all or no signal.
        mse: mean squared error, exactly ``clipping_mse + rounding_mse``.
        clipping_mse: the part from values outside the clip range (their whole error).
        rounding_mse: the part from values inside it.
        clipping_rate: fraction of values outside the clip range by more than half a step.
        used_codes, codes: how many of the format's codes occur (all scales taken together); 0 of 0 for floats.
        rmin, rmax: observed real limits.
        clip_min, clip_max: chosen real limits, over all scales.
        scale_min, scale_max: smallest and largest scale; 0 for floats.
    """

    format: str
    sqnr_db: float | None
    mse: float
    clipping_mse: float
    rounding_mse: float
    clipping_rate: float
    used_codes: int
    codes: int
    rmin: float
    rmax: float
    clip_min: float
    clip_max: float
    scale_min: float
    scale_max: float


class OutputError(Result, frozen=True, kw_only=True):
    """What quantization does to a layer's output.

    Attributes:
        sqnr_db: *local*: this layer quantized, its inputs float; None where there is no error.
        mean_shift: mean over output channels of |E[quantized] − E[float]|, in units of the output's standard deviation.
        cumulative_sqnr_db: everything upstream quantized too; None where not computed or no error.
    """

    sqnr_db: float | None
    mean_shift: float
    cumulative_sqnr_db: float | None = None


class InputCosines(Result, frozen=True, kw_only=True):
    """How far the channels of a layer's input go together.

    Attributes:
        layer: the layer.
        channels: those that are told of, at most 64 of ``total``.
        total: all channels.
        cosines: a row and a column for each of them; 1 on the diagonal.
        typical: root mean square of all cosines beside the diagonal.
        n: rows (tokens or positions) that they rest on.
    """

    layer: str
    channels: tuple[int, ...]
    total: int
    cosines: tuple[tuple[float, ...], ...]
    typical: float
    n: int


class LayerReport(Result, frozen=True, kw_only=True):
    """A row of the layer table. ``weight`` or ``activation`` is None where the layer has none to quantize."""

    name: str
    op: str
    weight: ErrorSplit | None
    activation: ErrorSplit | None
    output: OutputError


class LayerTable(Result, frozen=True, kw_only=True):
    """All rows, in graph order, for one recipe."""

    recipe: str
    rows: tuple[LayerReport, ...]
    seconds: float


class Histogram(Result, frozen=True, kw_only=True):
    """Counts of equal bins between ``low`` and ``high``; they sum to ``total``, the number of finite values.

    ``outliers`` are a few of the extreme values, to be drawn as marks of their own.
    """

    low: float
    high: float
    counts: tuple[int, ...]
    total: int
    outliers: tuple[float, ...] = ()


class Grid(Result, frozen=True, kw_only=True):
    """The real values that codes stand for (at most 257, for drawing) and the clip range; ``scales`` counts them.

    With several scales the points are those of the widest.
    """

    points: tuple[float, ...]
    clip_min: float
    clip_max: float
    scales: int


class ChannelRanges(Result, frozen=True, kw_only=True):
    """The range of each channel, in channel order.

    Attributes:
        low, high: smallest and largest value per channel.
        outliers: indices of outlier channels: absmax over 6 × the median of all channels' absmax.
        widest_ratio: widest absmax over the median (0 where the median is 0).
    """

    low: tuple[float, ...]
    high: tuple[float, ...]
    outliers: tuple[int, ...]
    widest_ratio: float


class TensorView(Result, frozen=True, kw_only=True):
    """One tensor of the chosen layer: everything its charts need. ``grid`` is None for floats."""

    histogram: Histogram
    grid: Grid | None
    channels: ChannelRanges
    error: ErrorSplit
    dynamic: bool = False


class LayerDetail(Result, frozen=True, kw_only=True):
    """The chosen layer.

    Attributes:
        name, op: the layer.
        recipe: digest of the recipe it was measured under.
        weight, activation: None where there is none.
        output: local and cumulative.
        shift: mean output error per output channel (quantized − float, local), in channel order.
        mse: mean squared error of a value of the output, local.
        text: the finding, in words.
        findings: what is odd here.
        plain: whether the finding is that nothing stands out.
    """

    name: str
    op: str
    recipe: str
    weight: TensorView | None
    activation: TensorView | None
    output: OutputError
    shift: tuple[float, ...]
    text: str
    findings: tuple[Finding, ...] = ()
    plain: bool = False
    mse: float = 0.0

    @property
    def mean_square_shift(self) -> float:
        """What of ``mse`` the channels' mean errors make."""
        return sum(one * one for one in self.shift) / len(self.shift) if self.shift else 0.0
