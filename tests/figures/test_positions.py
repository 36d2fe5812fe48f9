"""The error along a sequence, drawn: what the title says is what is seen."""

import pytest

from qdebug.figures.positions import outstanding, position_errors, position_finding
from qdebug.results import PositionErrors, PositionSide


def side(relative, power):
    errors = [part * each for part, each in zip(relative, power, strict=True)]
    total = sum(errors) or 1.0
    return PositionSide(
        share=tuple(one / total for one in errors), relative=tuple(relative),
        low=tuple(0.9 * one for one in relative), high=tuple(1.1 * one for one in relative),
    )  # fmt: skip


def found(alone, whole=None, power=None):
    power = power or [1.0] * len(alone)
    return PositionErrors(
        layer="up", recipe="", positions=tuple(range(len(alone))), counts=(9,) * len(alone), power=tuple(power),
        alone=side(alone, power), whole=side(whole or alone, power), n=9,
    )  # fmt: skip


def said(one):
    return position_finding(one).replace("\u00a0", " ")


EVEN = [0.01] * 16
CASES = [
    (found(EVEN, power=[100.0] + [1.0] * 15),
     "Position 0 carries 87 % of the error: an attention sink, its output has 100× the usual power"),
    (found([0.26] + [0.01] * 15), "Position 0 carries 63 % of the error, 10× an even share"),
    (found([0.01] * 15 + [0.26]), "Position 15 carries 63 % of the error, 10× an even share"),
    (found([0.01] * 8 + [0.04] * 8),
     "The error grows along the sequence, from 1.00 % to 4.00 % of the output's power"),
    (found([0.04] * 8 + [0.01] * 8), "The error falls along the sequence, from 4.00 % to 1.00 % of the output's power"),
    (found(EVEN), "No position stands out: the error is 1.00 % of the output's power"),
    (found([*EVEN[:-1], 0.011]), "No position stands out: the error is 1.00 % to 1.10 % of the output's power"),
    (found(EVEN, whole=[0.26] + [0.01] * 15),
     "With all before it quantized, position 0 carries 63 % of the error, 10× an even share"),
    (found([0.0] * 16, whole=EVEN),
     "With all before it quantized, no position stands out: the error is 1.00 % of the output's power"),
    (found([0.0] * 16), "No error at any position"),
]  # fmt: skip


@pytest.mark.parametrize(("one", "expected"), CASES)
def test_the_title_says_which_position_stands_out_or_how_the_error_goes(one, expected):
    assert said(one) == expected


def test_few_positions_do_not_stand_out_by_being_few():
    assert outstanding(side([0.3, 0.2, 0.2, 0.3], [1.0] * 4)) is None
    assert outstanding(side([0.9, 0.01, 0.01], [1.0] * 3)) == 0
    assert outstanding(side([0.5], [1.0])) is None


@pytest.mark.parametrize("dark", [False, True])
def test_both_lines_their_bands_and_the_shares_are_drawn(dark):
    one = found([0.26] + [0.01] * 15, whole=[0.5] + [0.1] * 15)
    figure = position_errors(one, dark=dark)
    lines = {trace.name: trace for trace in figure.data if trace.name}
    assert lines["this layer alone quantized"].y[1] == pytest.approx(20.0)
    assert lines["all before it quantized too"].y[1] == pytest.approx(10.0)
    assert lines["all before it quantized too"].customdata[1][0] == "10.0"
    bars = figure.data[-1]
    assert sum(bars.y) == pytest.approx(100.0) and bars.yaxis == "y2"
    assert len(set(bars.marker.color)) == 2 and "position 0" in figure.layout.annotations[0].text
    assert not position_errors(found(EVEN), dark=dark).layout.annotations


def test_a_layer_without_an_error_of_its_own_has_the_whole_drawn():
    figure = position_errors(found([0.0] * 16, whole=EVEN), dark=False)
    assert [trace.name for trace in figure.data if trace.name] == ["all before it quantized too"]
    assert figure.data[-1].y[0] == pytest.approx(100 / 16)
    assert not any(position_errors(found([0.0] * 16), dark=False).data[-1].y)
