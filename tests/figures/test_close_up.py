"""The figures of a closer look: what is drawn is what was counted, and the title says what it shows."""

import math

import numpy as np
import pytest

from qdebug.figures import close_up, colours
from qdebug.figures.closeup import channel_ridges, error_spectrum, output_scatter, weight_matrix
from qdebug.figures.closeup.matrix import block_note, matrix_finding
from qdebug.figures.closeup.ridges import ridges_finding, shown_note
from qdebug.figures.closeup.scales import Axis, amount, mixed, signed
from qdebug.figures.closeup.scatter import scatter_finding, scatter_note
from qdebug.figures.closeup.spectrum import spectrum_finding, spectrum_note
from qdebug.measure.cells import packed, packed_counts
from qdebug.results import ChannelRidges, ErrorSpectrum, OutputScatter, Ridge, WeightMatrix


def ridge(channel, width, *, clip=1.0, few=False, sqnr_db=20.0):
    seen = {"counts": (), "values": (-width, 0.0, width)} if few else {"counts": (1, 4, 2), "values": ()}
    return Ridge(
        channel=channel, low=-width, high=width, **seen,
        clip_min=None if clip is None else -clip, clip_max=clip, sqnr_db=sqnr_db, codes=7,
    )  # fmt: skip


def ridges(*widths, fill=(0.25, 0.5), scales=0, total=None, **changes):
    chosen = tuple(ridge(channel, width, **changes) for channel, width in enumerate(widths))
    return ChannelRidges(
        layer="fc", format="int8", is_float=False, total=total or len(chosen), evenly=chosen, worst=chosen[:1],
        scales=scales, fill=fill,
    )  # fmt: skip


def matrix(rows=4, columns=6, block=(1, 1), cell="largest", **changes):
    drawn = np.random.default_rng(0).normal(size=(-(-rows // block[0]), -(-columns // block[1]))).astype(np.float32)
    values = {
        "layer": "fc", "format": "int4 g32", "cell": cell, "rows": rows, "columns": columns, "height": block[0],
        "width": block[1], "before": packed(drawn), "after": packed(drawn * 2), "error": packed(drawn / 4),
        "sqnr_db": 20.0, "half_rows": rows // 2, "half_columns": columns // 2, "worst_row": (1, 0.1),
        "worst_column": (2, 0.1),
    }  # fmt: skip
    return WeightMatrix(**(values | changes))


def spectrum(error=(0.5, 0.8, 1.0), noise=(0.4, 0.7, 1.0), **changes):
    values = {
        "layer": "fc", "format": "int4", "shape": (3, 9), "error": error, "weight": tuple(0.9 for _ in error),
        "noise": noise, "exact": True, "rank": 2,
    }  # fmt: skip
    return ErrorSpectrum(**(values | changes))


def scatter(slope=1.0, offset=0.0, shift=0.0, **changes):
    counts = np.zeros((4, 4), np.int64)
    counts[1, 2], counts[3, 3] = 1, 1000
    values = {
        "layer": "fc", "in_place": False, "low": -2.0, "high": 2.0, "stretch": None, "cells": packed_counts(counts),
        "slope": slope, "offset": offset, "shift": shift, "deviation": 1.0, "sqnr_db": 20.0, "n": 1001, "of": 1001,
        "samples": 8, "left_out": 0,
    }  # fmt: skip
    return OutputScatter(**(values | changes))


ALL = (
    ridges(1.0, 0.5), ridges(300.0, 1.0, 0.5, few=True), ridges(0.0, clip=None, fill=None), matrix(),
    matrix(9, 9, (4, 2), "mean"),
    spectrum(), spectrum(error=(), noise=()), scatter(), scatter(stretch=0.01), scatter(slope=None, offset=None),
    scatter(low=0.0, high=0.0, n=0),
)  # fmt: skip


@pytest.mark.parametrize("dark", [False, True])
@pytest.mark.parametrize("found", ALL)
def test_each_states_its_finding_and_names_its_axes(found, dark):
    figure = close_up(found, dark=dark)
    assert len(figure.layout.title.text) > 10
    assert figure.layout.font.color == colours.INK.on(dark)
    titles = [axis.title.text for axis in (*figure.select_xaxes(), *figure.select_yaxes())]
    assert len([title for title in titles if title]) == 2
    assert figure.to_json()


def test_a_ridge_has_a_step_for_each_bin_and_its_limits_beside_it():
    figure = channel_ridges(ridges(1.0, 0.5), dark=False)
    first, second, spans, limits = figure.data
    assert list(first.x) == pytest.approx([-1, -1, -1 / 3, -1 / 3, 1 / 3, 1 / 3, 1, 1, -1])
    assert first.y[3] == first.y[4] == max(first.y) == 1.7
    assert min(second.y) == -1
    assert list(spans.x)[:2] == [-1.0, 1.0]
    assert [x for x in limits.x if x is not None] == [-1, -1, 1, 1] * 2
    assert limits.line.color == colours.CLIPPING.light
    assert "7 different values" in first.text
    assert list(figure.layout.yaxis.ticktext) == ["0", "1"]


def test_few_values_are_ticks_and_a_wide_channel_stretches_the_axis():
    figure = channel_ridges(ridges(300.0, 1.0, 0.5, few=True), dark=False)
    assert "stretched" in figure.layout.xaxis.title.text
    assert [x for x in figure.data[0].x if x is not None][-1] == pytest.approx(math.asinh(300.0))
    assert [x for x in figure.data[1].x if x is not None][-1] == pytest.approx(math.asinh(1.0))
    assert "0" in figure.layout.xaxis.ticktext
    assert "100" in figure.layout.xaxis.ticktext
    assert "Each tick is a value" in shown_note(ridges(1.0, few=True), "evenly")


@pytest.mark.parametrize(("found", "said"), [
    (ridges(1.0, 0.5), "One range for all channels: half of them fill less than 50.0 % of it"),
    (ridges(1.0, 0.5, fill=(0.6, 0.9)), "One range serves all channels: the narrowest fills 60.0 % of it"),
    (ridges(1.0, 0.25, scales=1), "Each channel has limits of its own; the widest is 4.0× the narrowest"),
    (ridges(1.0, 0.25, scales=12), "Each channel has 12 scales of its own; the widest is 4.0× the narrowest"),
    (ridges(1.0, 0.0, scales=1), "Each channel has limits of its own"),
    (ridges(1.0, 0.5, fill=None, clip=None),
     "The channels have no clip limits in int8: the widest is 2.0× the narrowest"),
])  # fmt: skip
def test_ridges_say_how_channels_fill_their_limits(found, said):
    assert ridges_finding(found).replace("\u00a0", " ") == said


def test_channels_that_are_not_shown_are_told_of():
    assert shown_note(ridges(1.0, 0.5, total=512), "evenly").startswith("2 of 512 channels, evenly from the widest")
    assert shown_note(ridges(1.0, 0.5), "evenly").startswith("All 2 channels, widest at the top")
    assert shown_note(ridges(1.0, 0.5), "worst").startswith("1 of 2 channels, with the lowest SQNR")
    assert "widest scale" in shown_note(ridges(1.0, scales=4), "evenly")
    assert "clip limits" not in shown_note(ridges(1.0, fill=None, clip=None), "evenly")


def test_before_and_after_share_a_scale_of_colours_and_the_difference_has_its_own():
    found = matrix(9, 9, (4, 2))
    figure = weight_matrix(found, dark=False)
    before, after, error = figure.data
    assert (before.coloraxis, after.coloraxis, error.coloraxis) == ("coloraxis", "coloraxis", "coloraxis2")
    assert np.asarray(before.z) == pytest.approx(found.before.values)
    assert figure.layout.coloraxis.cmax == -figure.layout.coloraxis.cmin
    assert figure.layout.coloraxis.cmax == pytest.approx(float(np.abs(found.after.values).max()))
    assert figure.layout.coloraxis2.cmax == pytest.approx(float(np.abs(found.error.values).max()))
    assert list(error.x) == [0, 2, 4, 6, 8]
    assert list(error.y) == [0, 4, 8]
    assert "4 × 2 values" in error.hovertemplate
    assert "largest value" in error.hovertemplate
    assert "in blocks of 4 × 2; of each block its value of largest magnitude" in block_note(found)
    assert "its mean" in block_note(matrix(9, 9, (4, 2), "mean"))
    assert "each a cell" in block_note(matrix())


@pytest.mark.parametrize(("found", "said"), [
    (matrix(100, 60), "The error is spread over the whole matrix: half of it lies in 50 of 100 output channels"),
    (matrix(100, 60, half_rows=3), "Half of the squared error lies in 3 of 100 output channels"),
    (matrix(100, 60, half_columns=9), "Half of the squared error lies in 9 of 60 inputs"),
    (matrix(100, 60, worst_row=(17, 0.4)), "Output channel 17 alone holds 40.0 % of the squared error"),
    (matrix(100, 60, worst_column=(5, 0.3)), "Input 5 alone holds 30.0 % of the squared error"),
    (matrix(100, 60, sqnr_db=None), "Nothing is lost in int4 g32: before and after are the same"),
])  # fmt: skip
def test_the_matrix_says_where_the_error_lies(found, said):
    assert matrix_finding(found).replace("\u00a0", " ") == said


@pytest.mark.parametrize(("found", "said"), [
    (spectrum((0.5, 0.8, 1.0), (0.2, 0.4, 1.0)),
     "A correction of rank 2 would take away 80 % of the squared error; of noise 40 %"),
    (spectrum(), "The error is like noise: a correction of rank 2 would take away only 80 % of it"),
    (spectrum(rank=0), "The largest direction holds 50 % of the squared error, about as much as it would of noise"),
    (spectrum((0.9, 1.0), (0.4, 1.0), rank=0), "The largest direction holds 90 % of the squared error, more than it "
     "would of noise"),
    (spectrum((), ()), "Nothing is lost in int4: there is no error to take apart"),
    (spectrum((), (), shape=(90000, 4096), too_large=True),
     "A weight of 90,000 × 4,096 values is too large to be taken apart here"),
])  # fmt: skip
def test_the_spectrum_says_what_a_correction_would_win(found, said):
    assert spectrum_finding(found).replace("\u00a0", " ") == said


def test_the_spectrum_draws_shares_in_percent_and_marks_its_rank():
    figure = error_spectrum(spectrum(), dark=False)
    error, weight, noise, rank = figure.data
    assert list(error.y) == [50.0, 80.0, 100.0]
    assert list(weight.y) == pytest.approx([90.0] * 3)
    assert noise.line.dash == "dot"
    assert (list(rank.x), list(rank.y)) == ([2], [80.0])
    assert figure.layout.yaxis.title.text.endswith("%")
    long = spectrum(tuple(step / 99 for step in range(1, 100)), tuple(step / 99 for step in range(1, 100)))
    assert error_spectrum(long, dark=False).layout.xaxis.type == "log"
    assert "the first 3 of 2,000 ranks, at least" in spectrum_note(spectrum(exact=False, shape=(2000, 3000)))
    assert "no low-rank correction" in spectrum_note(spectrum(rank=0))


@pytest.mark.parametrize(("found", "said"), [
    (scatter(), "Outputs keep their scale and their mean: slope 1.00, offset 0"),
    (scatter(0.93, -0.02), "Outputs shrink: slope 0.930, offset −0.0200"),
    (scatter(1.1, 0.3, 0.3), "Outputs grow and shift: slope 1.10, offset +0.300"),
    (scatter(0.999, 0.2, 0.2), "Outputs shift by +0.200 on average: slope 0.999, offset +0.200"),
    (scatter(None, None), "The float output is one value throughout"),
    (scatter(sqnr_db=None), "Nothing changes: the outputs are those of the float model"),
])  # fmt: skip
def test_the_scatter_says_what_became_of_slope_and_mean(found, said):
    assert scatter_finding(found) == said


def test_the_scatter_counts_on_a_log_scale_and_draws_both_lines():
    figure = output_scatter(scatter(0.5, 0.25), dark=False)
    cells, equal, fitted = figure.data
    drawn = np.asarray(cells.z, float)
    assert (drawn[1, 2], drawn[3, 3]) == pytest.approx((0.0, 3.0))
    assert np.isnan(drawn).sum() == 14
    assert list(cells.x) == [-1.5, -0.5, 0.5, 1.5]
    assert cells.meta == {"x": None, "y": None, "counts": True}
    assert list(cells.colorbar.ticktext) == ["1", "10", "100", "1,000"]
    assert cells.customdata[3][3] == "1,000 values: float 1.50, quantized 1.50"
    assert list(equal.x) == list(equal.y) == [-2.0, 2.0]
    assert list(fitted.y) == pytest.approx([0.5 * x + 0.25 for x in fitted.x])
    assert "it alone" in figure.layout.yaxis.title.text
    assert "all before it" in output_scatter(scatter(in_place=True), dark=False).layout.yaxis.title.text


def units_of(figure):
    """In what units the series say that they are drawn."""
    return {trace.meta[axis] for trace in figure.data for axis in "xy"}


def test_a_stretched_scatter_bends_the_line_and_keeps_real_numbers_on_its_axes():
    found = scatter(0.5, 0.25, low=-100.0, high=100.0, stretch=0.1)
    figure = output_scatter(found, dark=False)
    axis = Axis(0.1)
    for x, y in zip(figure.data[2].x, figure.data[2].y, strict=True):
        assert axis.value(y) == pytest.approx(0.5 * axis.value(x) + 0.25)
    assert units_of(figure) == {0.1}
    assert set(figure.layout.xaxis.ticktext) >= {"−100", "0", "100"}
    assert "stretched" in scatter_note(found)
    assert "1,001 of 5,000 values" in scatter_note(scatter(of=5000))
    assert "3 values with NaN or Inf left out" in scatter_note(scatter(left_out=3))


@pytest.mark.parametrize("dark", [False, True])
def test_colours_run_evenly_from_the_ground_and_stand_for_no_precision(dark):
    stops = signed(dark)
    places = [place for place, _ in stops]
    assert places == sorted(set(places))
    assert (places[0], places[-1]) == (0.0, 1.0)
    assert dict(stops)[0.5] == colours.GROUND.on(dark)
    assert (stops[0][1], stops[-1][1]) == (colours.NEGATIVE.on(dark), colours.INK.on(dark))
    assert amount(dark)[-1][1] == colours.INK.on(dark)
    assert not {colours.NEGATIVE.on(dark)} & {tone.on(dark) for tone in colours.MARK.values()}
    assert mixed("#000000", "#ffffff", 0.5) == "#808080"
