"""What is in the figures: the counts, the limits, the colours."""

import math

import plotly.graph_objects as go
import pytest

from qdebug.figures import (
    Candidate,
    before_after,
    channel_ranges,
    colours,
    error_parts,
    error_split,
    mean_shift,
    share_bars,
    tensor_histogram,
    tradeoff,
)  # fmt: skip
from tests.figures.values import detail, error, float_view, ranges, score, shares, view


def every_figure(dark):
    return [
        tensor_histogram(view(), "weights", dark=dark),
        tensor_histogram(float_view(), "weights", dark=dark),
        tensor_histogram(view(dynamic=True), "activations", dark=dark, log=False),
        channel_ranges(ranges([1, 2, 48], outliers=(2,), ratio=48.0), dark=dark),
        before_after(ranges([1, 48]), ranges([1, 1]), dark=dark),
        error_split(error_parts(error(), error()), dark=dark),
        mean_shift(detail(), dark=dark),
        share_bars(shares(a=0.7, b=0.3), {"a": "int8"}, "accuracy", dark=dark, worst=("a",)),
        tradeoff((Candidate("w8a8", score(), "now", "int8"),), dark=dark),
        tradeoff((Candidate("w4", score(9.0, float_=4.0, name="perplexity", higher=False), "now", "int4"),), dark=dark),
    ]


@pytest.mark.parametrize("dark", [False, True])
def test_every_figure_states_its_finding_and_names_its_axes(dark):
    for figure in every_figure(dark):
        assert isinstance(figure, go.Figure)
        assert len(figure.layout.title.text) > 10
        assert figure.layout.font.color == colours.INK.on(dark)
        assert figure.to_json()


def test_figures_that_measure_have_units_on_their_axes():
    figure = share_bars(shares(a=1.0), {}, "accuracy", dark=False)
    assert figure.layout.xaxis.title.text.endswith("%")
    figure = tradeoff((Candidate("w8a8", score(), "now", "int8"),), dark=False)
    assert "kB" in figure.layout.xaxis.title.text
    assert figure.layout.yaxis.title.text == "accuracy, %"


def test_the_histogram_shows_every_count_and_colours_what_is_clipped():
    figure = tensor_histogram(view(), "weights", dark=False)
    bars, grid, low, high, extreme = figure.data
    assert tuple(bars.y) == (1, 10, 40, 10)
    assert list(bars.x) == [-1.5, -0.5, 0.5, 1.5]
    cut = [colour == colours.CLIPPING.light for colour in bars.marker.color]
    assert cut == [True, False, False, True]
    assert [row[4] for row in bars.customdata] == ["clipped", "kept", "kept", "clipped"]
    assert sorted({x for x in grid.x if x is not None}) == [-1.0, -0.5, 0.0, 0.5, 1.0]
    assert grid.line.color == colours.MARK["p8"].light
    assert (low.x[0], high.x[0]) == (-1.0, 1.0)
    assert list(extreme.x) == [-2.0]
    assert figure.layout.dragmode == "select"
    assert figure.layout.selectdirection == "h"


def test_a_cast_has_no_grid_and_nothing_clipped():
    figure = tensor_histogram(float_view(), "weights", dark=False)
    assert set(figure.data[0].marker.color) == {colours.PLAIN.light}
    assert len(figure.data) == 2


def test_a_dynamic_tensor_shows_no_clip_lines():
    assert len(tensor_histogram(view(dynamic=True), "activations", dark=False).data) == 3


def test_channels_are_sorted_and_outliers_marked():
    figure = channel_ranges(ranges([1, 8, 2], outliers=(1,), ratio=4.0), dark=False)
    bars = figure.data[0]
    assert list(bars.base) == [-8, -2, -1]
    assert list(bars.y) == [16, 4, 2]
    assert list(bars.marker.color) == [colours.TROUBLE.light, colours.PLAIN.light, colours.PLAIN.light]
    marks = [note for note in figure.layout.annotations if colours.TROUBLE_MARK in note.text]
    assert len(marks) == 1


def test_one_channel_far_wider_than_the_others_leaves_them_to_be_seen():
    figure = channel_ranges(ranges([1, 480, 2, 0], outliers=(1,), ratio=320.0), dark=False)
    bars = figure.data[0]
    assert figure.layout.yaxis.type == "log"
    assert [base + y for base, y in zip(bars.base, bars.y, strict=True)] == [480, 2, 1, 0.5]
    assert set(bars.base) == {0.5}
    assert list(bars.customdata[0][1:]) == ["−480", "480"]
    assert [note.y for note in figure.layout.annotations if colours.TROUBLE_MARK in note.text] == [
        pytest.approx(math.log10(480))
    ]


def test_many_channels_share_bars_without_hiding_the_widest():
    widths = [1.0] * 1999 + [48.0]
    figure = channel_ranges(ranges(widths, outliers=(1999,), ratio=48.0), dark=False)
    assert len(figure.data[0].y) <= 192
    assert figure.data[0].base[0] + figure.data[0].y[0] == 48.0
    assert figure.data[0].marker.color[0] == colours.TROUBLE.light


def test_error_parts_add_up_to_one():
    parts = error_parts(error(sqnr_db=10.0), error(sqnr_db=13.0))
    assert sum(part.whole for part in parts) == pytest.approx(1.0)
    assert parts[0].whole == pytest.approx(2 * parts[1].whole, rel=0.01)
    assert parts[0].clipping == pytest.approx(0.25 * parts[0].whole)


def test_the_split_draws_clipping_and_rounding_in_their_colours():
    figure = error_split(error_parts(error(), None), dark=True)
    assert [bar.marker.color for bar in figure.data] == [colours.CLIPPING.dark, colours.ROUNDING.dark]
    assert [bar.x[0] for bar in figure.data] == pytest.approx([25.0, 75.0])


def test_share_bars_are_coloured_by_precision_sorted_and_marked():
    figure = share_bars(shares(a=0.2, b=0.8), {"a": "int8", "b": "int4 g32"}, "accuracy", dark=False, worst=("b",))
    bars = figure.data[0]
    assert list(bars.y) == ["b", "a"]
    assert list(bars.x) == pytest.approx([80.0, 20.0])
    assert list(bars.marker.color) == [colours.MARK["p4"].light, colours.MARK["p8"].light]
    marked = [note.y for note in figure.layout.annotations if colours.TROUBLE_MARK in note.text]
    assert marked == ["b"]
    unsorted = share_bars(shares(a=0.2, b=0.8), {}, "accuracy", dark=False, sort=False)
    assert list(unsorted.data[0].y) == ["a", "b"]


def test_many_layers_are_summed_up_without_loss():
    found = shares(**{f"l{index}": 1 / 40 for index in range(40)})
    figure = share_bars(found, {}, "accuracy", dark=False, most=24)
    assert len(figure.data[0].y) == 24
    assert figure.data[1].y[0] == "16 others"
    assert sum(figure.data[0].x) + sum(figure.data[1].x) == pytest.approx(100.0)


def test_a_layer_named_like_markup_stays_a_name():
    figure = share_bars(shares(**{"<b>x</b>": 1.0}), {}, "accuracy", dark=False)
    assert figure.layout.yaxis.ticktext[0] == "&lt;b&gt;x&lt;/b&gt;"
    assert "<b>x" not in figure.layout.title.text


def test_mean_shift_keeps_the_largest_of_every_block():
    shift = [0.0] * 1000
    shift[777] = -3.0
    figure = mean_shift(detail(shift=shift), dark=False)
    assert len(figure.data[0].y) <= 256
    assert min(figure.data[0].y) == -3.0
    assert 777 in list(figure.data[0].x)


def test_the_tradeoff_draws_float_and_every_candidate_with_its_interval():
    found = (Candidate("w4a8", score(0.5, size=500), "preset", "int4"), Candidate("w8a8", score(0.9), "now", "int8"))
    figure = tradeoff(found, dark=False)
    assert len(figure.data) == 3
    assert figure.data[0].x[0] == 4.0
    assert figure.data[1].marker.color == colours.MARK["p4"].light
    now = figure.data[2]
    assert now.error_y.visible
    assert now.error_y.array[0] == pytest.approx(0.1)  # the paired interval, not the value's own
    assert now.marker.symbol == "diamond"
