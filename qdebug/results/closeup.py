"""A closer look at one layer: its channels, its weight before and after, the spectrum of the error, its output."""

from __future__ import annotations

from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from qdebug.results.base import Result

Look = Literal["channels", "matrix-largest", "matrix-mean", "spectrum", "output-alone", "output-in-place"]
"""What is looked at: the weight's channels; the weight as a matrix, each cell its value of largest magnitude or its
mean; the singular values of its error; the layer's output, it alone quantized or with all before it quantized too."""
LOOKS: tuple[Look, ...] = get_args(Look)
CellValue = Literal["largest", "mean"]


class Cells(Result, frozen=True, kw_only=True):
    """A small matrix of numbers, packed, so that the process that draws it holds bytes and no objects.

    Attributes:
        rows, columns: its sizes.
        unit: what a code stands for.
        codes: row by row, little-endian: int32 for counts, int16 for the rest.
        counts: whether these are counts.
    """

    rows: int
    columns: int
    unit: float
    codes: bytes
    counts: bool = False

    @property
    def values(self) -> NDArray[np.float32]:
        """The numbers ``[rows, columns]``; what is no count is exact to 1/65,534 of the largest magnitude."""
        codes = np.frombuffer(self.codes, "<i4" if self.counts else "<i2").astype(np.float32)
        return (codes * np.float32(self.unit)).reshape(self.rows, self.columns)


class Ridge(Result, frozen=True, kw_only=True):
    """One output channel of a weight.

    Attributes:
        channel: its index.
        low, high: its smallest and largest finite value.
        counts: of equal bins between them; none where the channel has few values.
        values: these, in ascending order; none where there are more than 32.
        clip_min, clip_max: the outermost limits of its scales; None where there is no grid.
        sqnr_db: of the channel alone; None where it has no error or is all zero.
        codes: how many different values it has after quantization.
    """

    channel: int
    low: float
    high: float
    counts: tuple[int, ...]
    values: tuple[float, ...]
    clip_min: float | None
    clip_max: float | None
    sqnr_db: float | None
    codes: int


class ChannelRidges(Result, frozen=True, kw_only=True, tag=True):
    """The distribution of the weight in some output channels.

    Attributes:
        layer: its name.
        format: the weight plan's label.
        is_float: whether the weight is left as it is.
        total: how many channels there are.
        evenly: channels at even distances in the order of their largest magnitude, widest first.
        worst: those with the lowest SQNR, lowest first; empty where no channel has an error.
        scales: how many scales a channel has; 0 without a grid, and where one scale serves the whole weight.
        fill: of all channels' largest magnitudes over the limit on their side, the smallest and the median; None
            without a grid.
    """

    layer: str
    format: str
    is_float: bool
    total: int
    evenly: tuple[Ridge, ...]
    worst: tuple[Ridge, ...]
    scales: int
    fill: tuple[float, float] | None


class WeightMatrix(Result, frozen=True, kw_only=True, tag=True):
    """A weight as ``[output channels, inputs]`` before and after quantization, and the difference, in blocks.

    Attributes:
        layer: its name.
        format: the weight plan's label.
        cell: what a block is shown as: its value of largest magnitude, with its sign, or its mean.
        rows, columns: of the whole matrix.
        height, width: of a block; those at the ends may be smaller.
        before, after: the weight, float and as the layer uses it, with what a fix keeps beside its codes.
        error: of after − before, reduced likewise by itself.
        sqnr_db: of the weight; None where nothing is lost.
        half_rows, half_columns: how few of them hold half of the squared error.
        worst_row, worst_column: the one with the largest part of it, and that part.
    """

    layer: str
    format: str
    cell: CellValue
    rows: int
    columns: int
    height: int
    width: int
    before: Cells
    after: Cells
    error: Cells
    sqnr_db: float | None
    half_rows: int
    half_columns: int
    worst_row: tuple[int, float]
    worst_column: tuple[int, float]


class ErrorSpectrum(Result, frozen=True, kw_only=True, tag=True):
    """How much of a weight's error, and of the weight, matrices of a low rank hold.

    Attributes:
        layer: its name.
        format: the weight plan's label.
        shape: of the matrix ``[output channels, inputs]``.
        error: part of the squared error that the best matrix of rank 1, 2 … takes away; empty where there is none.
        weight: the same of the weight itself.
        noise: the same of independent noise of that shape.
        exact: whether all ranks were computed; else those are lower bounds, from a randomized method.
        rank: the largest, up to 16, with which two factors hold at most half as many values as the weight; 0 where not
            even 1 does, and where no two factors can stand in for the layer's product.
        too_large: whether the weight has too many values to be taken apart.
    """

    layer: str
    format: str
    shape: tuple[int, int]
    error: tuple[float, ...]
    weight: tuple[float, ...]
    noise: tuple[float, ...]
    exact: bool
    rank: int
    too_large: bool = False


class OutputScatter(Result, frozen=True, kw_only=True, tag=True):
    """A layer's output values, float against quantized, counted in squares.

    Attributes:
        layer: its name.
        in_place: whether all before the layer is quantized too; else it alone is.
        low, high: what both axes span.
        stretch: where the largest value is far from most, squares are of equal size in ``asinh(value / stretch)``; None
            where they are in the value itself.
        cells: counts; rows are quantized values, columns float ones, both ascending.
        slope, offset: of the least-squares line ``quantized ≈ slope · float + offset``; None where the float output
            does not vary.
        shift: mean of quantized − float.
        deviation: standard deviation of the float values.
        sqnr_db: of the values that are counted; None where there is no error.
        n: values that are counted.
        of: values of the output in these samples.
        samples: how many samples.
        left_out: pairs with a NaN or Inf, which are not counted.
    """

    layer: str
    in_place: bool
    low: float
    high: float
    stretch: float | None
    cells: Cells
    slope: float | None
    offset: float | None
    shift: float
    deviation: float
    sqnr_db: float | None
    n: int
    of: int
    samples: int
    left_out: int


CloseUp = ChannelRidges | WeightMatrix | ErrorSpectrum | OutputScatter
