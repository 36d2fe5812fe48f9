"""Formats against each other, drawn: what the titles say, and that every bar and mark stands where its number is."""

import math
import re
from itertools import pairwise

import pytest
from msgspec import structs

from qdebug.figures import code_points, colours, crest_figure, error_bars, rate_figure
from qdebug.figures.crest import crest_finding
from qdebug.figures.formats import at_rate, near_four, ranking_finding, rate_finding
from qdebug.figures.points import points_finding
from qdebug.formats import FORMATS
from tests.figures.values import comparison, crest_view, row


def words(text):
    return text.replace("\u00a0", " ")


def test_near_four_bits():
    rows = (row("int8", 8.0), row("nf4", 4.5), row("int4", 4.0), row("apot4", 4.75), row("q4_1", 4.76),
            row("kmeans4", 3.99), row("int5", 4.2), row("binary", 4.2), row("mxfp4", 4.2, None))  # fmt: skip
    assert [one.notation for one in near_four(rows)] == ["nf4", "int4", "apot4"]


def test_which_serves_best_near_four_bits():
    best, plain, last = row("nvfp4", 4.5, 21.0), row("int4-pc", 4.1, 15.5), row("q4_0", 4.5, 12.0)
    assert words(ranking_finding(comparison(best, plain, last))) == (
        "Near 4 bits nvfp4 keeps most: 21.0 dB, 5.5 more than int4-pc"
    )
    binary = row("binary-pc", 4.6, 30.0)  # its codes have one bit, whatever its scales add
    assert words(ranking_finding(comparison(best, last, binary))).endswith("9.0 more than q4_0"), (
        "the next, not the worst"
    )
    token = row("int4-tok", 4.1, 20.0)
    assert words(ranking_finding(comparison(best, token, last))).endswith("1.0 more than int4-tok")
    assert words(ranking_finding(comparison(plain, last))) == "Near 4 bits int4-pc keeps most: 15.5 dB"
    assert words(ranking_finding(comparison(row("nf4", 4.5, 0.0), row("int4-pc", 4.0, -3.0)))) == (
        "Near 4 bits nf4 keeps most: 0.0 dB, 3.0 more than int4-pc"
    )


def test_what_has_no_error_is_said_to_have_none():
    exact = row("int4", 4.0, None)
    assert ranking_finding(comparison(exact, row("int8", 8.0, None))) == "These values have no error in any format"
    assert ranking_finding(comparison(exact, row("nf4", 4.5, 20.0))) == (
        "Near 4 bits int4 keeps these values without an error"
    )
    assert ranking_finding(comparison(row("fp16", 16.0, None), row("int8", 8.0))) == (
        "No format takes about four bits here: rows are short, and scales weigh"
    )
    assert ranking_finding(comparison()) == "No format takes about four bits here: rows are short, and scales weigh"


def test_what_a_rotation_or_the_limit_leaves_to_gain():
    gains = comparison(row("int4", 4.0, 10.0, 15.0), row("nf4", 4.5, 20.0, 20.5))
    assert words(rate_finding(gains)) == "A rotation first would gain 5.0 dB for int4"
    from_zero = comparison(row("int4", 4.0, 0.0, 5.0))
    assert words(rate_finding(from_zero)) == "A rotation first would gain 5.0 dB for int4"
    near = comparison(row("int4", 4.0, 20.0, 20.5), row("nf4", 4.5, 21.0, 10.0))
    assert words(rate_finding(near)) == "int4 is 4.0 dB from what any code could keep of independent values"
    passes = comparison(row("int4", 4.0, 25.0))
    assert rate_finding(passes).startswith("int4 passes the limit for independent values")
    assert rate_finding(comparison(row("int4", 4.0), limit=())) == "SQNR against bits per value"
    assert rate_finding(comparison(row("int4", 4.0, None))) == "SQNR against bits per value"
    assert rate_finding(comparison()) == "SQNR against bits per value"


def test_the_limit_between_its_points():
    limit = ((0.0, 0.0), (4.0, 24.0), (8.0, 48.0))
    assert [at_rate(limit, bits) for bits in (0.0, 1.0, 4.0, 6.0, 8.0, 9.0)] == [0.0, 6.0, 24.0, 36.0, 48.0, 48.0]


def test_which_of_the_four_bit_pairs_wins():
    nv = crest_view(16, 4.0, gain_db=-0.4, names=("nvint4", "nvfp4"))
    assert words(crest_finding((crest_view(), nv))) == (
        "Measured here, mxint4 beats mxfp4 by 1.5 dB and nvfp4 beats nvint4 by 0.4 dB"
    )
    assert crest_finding((crest_view(gain_db=None), crest_view(names=("mxint8", "mxfp8_e4m3")))) == (
        "How uneven the blocks are"
    )
    assert crest_finding(()) == "How uneven the blocks are"


def test_steps_between_code_points():
    assert points_finding((-1.0, 1.0)) == "2 code points"
    assert points_finding(()) == "0 code points"
    assert points_finding((-2.0, -1.0, 0.0, 1.0)) == "4 code points in units of the scale, all steps alike"
    assert (
        points_finding((0.0, 1.0, 4.0)) == "3 code points in units of the scale; the widest step is 3.0× the narrowest"
    )


def test_steps_of_nf4_are_those_between_neighbours():
    """Its levels are not symmetric: |−0.0911| and |0.0796| are no neighbours."""
    levels = FORMATS["nf4"].levels
    gaps = [high - low for low, high in pairwise(levels)]
    assert points_finding(levels).endswith(f"the widest step is {max(gaps) / min(gaps):.1f}× the narrowest")


ROWS = (row("int8", 8.1, 40.0, 38.0), row("fp16", 16.0, None), row("nf4", 4.5, 20.0, 21.5), row("int2", 2.1, -3.0))


@pytest.mark.parametrize("dark", [False, True])
def test_a_bar_per_format_in_the_colour_of_its_precision(dark):
    figure = error_bars(comparison(*ROWS), dark=dark, chosen=("nf4",))
    bars, diamonds = figure.data
    assert list(bars.y) == [one.notation for one in ROWS]
    assert list(bars.x) == [40.0, 40.0, 20.0, 0.0]
    assert list(bars.marker.color) == [colours.MARK[one].on(dark) for one in ("p8", "p16", "p4", "p2")]
    assert (list(diamonds.y), list(diamonds.x)) == (["int8", "nf4"], [38.0, 21.5])
    notes = [(note.y, note.text) for note in figure.layout.annotations]
    assert notes[::2] == [("int8", "40.0"), ("fp16", "no error"), ("nf4", "20.0"), ("int2", "−3.0"), (-0.95, "dB")]
    assert notes[1::2] == [("int8", "8.10"), ("fp16", "16.0"), ("nf4", "4.50"), ("int2", "2.10"), (-0.95, "bits")]
    assert list(figure.layout.yaxis.ticktext) == ["int8", "fp16", "<b>nf4</b>", "int2"]
    assert figure.layout.xaxis.range[1] > 40
    assert figure.layout.font.color == colours.INK.on(dark)
    assert figure.to_json()


def test_a_bar_tells_what_a_rotation_does():
    shown = {one[0]: list(one)[1:] for one in error_bars(comparison(*ROWS), dark=False).data[0].customdata}
    assert shown["int8"] == ["8.10", "40.0 dB", "38.0 dB (−2.0)"]
    assert shown["nf4"] == ["4.50", "20.0 dB", "21.5 dB (+1.5)"]
    assert shown["int2"][2] == "no error"
    exact = error_bars(comparison(row("int4", 4.0, None, 20.0)), dark=False).data[0].customdata[0]
    assert list(exact) == ["int4", "4.00", "no error", "20.0 dB"]
    odd = error_bars(comparison(row("int4"), rotation=1), dark=False).data[0].customdata[0]
    assert odd[3] == "not possible for rows of this length"


@pytest.mark.parametrize("dark", [False, True])
def test_sqnr_against_bits(dark):
    figure = rate_figure(comparison(*ROWS), dark=dark, chosen=("nf4",))
    limit, _, diamonds, circles = figure.data
    assert list(zip(limit.x, limit.y, strict=True)) == [(0.0, 0.0), (4.0, 24.0), (8.0, 48.0)]
    assert list(zip(diamonds.x, diamonds.y, strict=True)) == [(8.1, 38.0), (4.5, 21.5)]
    assert list(zip(circles.x, circles.y, strict=True)) == [(8.1, 40.0), (4.5, 20.0), (2.1, -3.0)]
    assert list(circles.marker.color) == [colours.MARK[one].on(dark) for one in ("p8", "p4", "p2")]
    assert list(circles.marker.size) == [7, 11, 7]
    assert figure.layout.yaxis.range[0] < -3
    assert figure.layout.yaxis.range[1] > 40
    assert [note.text for note in figure.layout.annotations] == ["limit for independent values", "<b>nf4</b>"]
    assert figure.layout.xaxis.title.text == "bits per value, scales included"


@pytest.mark.parametrize("dark", [False, True])
def test_blocks_by_crest_factor(dark):
    figure = crest_figure(crest_view(), dark=dark)
    bars, line = figure.data
    assert list(bars.x) == [1.5, 2.5, 3.5, 4.5]
    assert list(bars.y) == [0.0, 75.0, 25.0, 0.0]
    assert list(line.x) == [2.0, 2.0]
    assert line.line.color == colours.MARK["p4"].on(dark)
    assert list(line.customdata[0]) == ["mxint4", "mxfp4", "2.00", "25\u00a0%", "mxint4 +1.5 dB"]
    assert words(figure.layout.annotations[0].text) == "mxint4 | mxfp4 2.00: 25 % below"
    assert words(figure.layout.title.text) == "Blocks of 32: peak over RMS is 2.50 in the middle"
    assert tuple(figure.layout.xaxis.range) == (1, 4.0)
    assert figure.layout.annotations[0].xanchor == "left"
    late = crest_figure(crest_view(crossing=3.0), dark=dark)
    assert late.layout.annotations[0].xanchor == "right", "the words stay inside the figure"


@pytest.mark.parametrize(("crossings", "order"), [((1.5, 1.6), (1.5, 1.6)), ((3.0, 3.1), (3.1, 3.0))])
def test_no_line_runs_through_the_words_of_another(crossings, order):
    """Words to the right of their line: the left one stands on top, and the next line ends below it."""
    pairs = tuple(crest_view(crossing=one).pairs[0] for one in crossings)
    figure = crest_figure(structs.replace(crest_view(), pairs=pairs), dark=False)
    assert [(line.x[0], line.y[1]) for line in figure.data[1:]] == [(order[0], 1.0), (order[1], pytest.approx(0.86))]
    assert [note.y for note in figure.layout.annotations] == [1.0, pytest.approx(0.86)]


def test_crossings_that_no_block_reaches_are_left_out():
    figure = crest_figure(crest_view(crossing=7.55, names=("mxint8", "mxfp8_e4m3")), dark=False)
    assert len(figure.data) == 1
    assert not figure.layout.annotations
    unknown = crest_figure(crest_view(gain_db=None), dark=False)
    assert unknown.data[1].customdata[0][4] == "not known"


@pytest.mark.parametrize("dark", [False, True])
def test_a_tick_at_every_code_point(dark):
    figure = code_points((-1.0, 0.0, 2.0), "int4", dark=dark)
    assert [x for x in figure.data[0].x if x is not None] == [-1.0, -1.0, 0.0, 0.0, 2.0, 2.0]
    assert figure.data[0].line.color == colours.MARK["p4"].on(dark)
    assert figure.layout.xaxis.range[1] == pytest.approx(2.06)


def test_nothing_to_draw_is_drawn():
    empty = comparison(limit=())
    exact = comparison(row("int4", 4.0, None), limit=())
    worse = comparison(row("int2", 2.0, -5.0), row("ternary", 1.6, -9.0))
    blank = crest_view(counts=(0, 0, 0, 0))
    for figure in (
        error_bars(empty, dark=False), rate_figure(empty, dark=True), error_bars(exact, dark=False),
        rate_figure(exact, dark=False), error_bars(worse, dark=False), rate_figure(worse, dark=False),
        crest_figure(blank, dark=False), code_points((), "int4", dark=False),
    ):  # fmt: skip
        assert figure.to_json()
        for axis in (figure.layout.xaxis, figure.layout.yaxis):
            if axis.range is not None:
                assert all(map(math.isfinite, axis.range))
        assert figure.layout.xaxis.range[1] > figure.layout.xaxis.range[0]


@pytest.mark.parametrize("draw", [error_bars, rate_figure])
def test_no_title_holds_markup(draw):
    title = draw(comparison(*ROWS), dark=False).layout.title.text
    assert title
    assert not re.search(r"[<>&]", title)
