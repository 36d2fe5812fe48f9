"""Numbers as people read them."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qdebug.figures import numbers
from qdebug.figures.text import listed, plain, plural, shorten


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0"), (1, "1.00"),
        (0.0412, "0.0412"), (0.99999, "1.00"), (9.996, "10.0"), (48.2, "48.2"), (-89.81, "−89.8"),
        (1234.5, "1,230"), (99951, "100,000"), (2.5e-6, "2.50×10⁻⁶"), (-3.4e38, "−3.40×10³⁸"), (None, "–"),
        (math.nan, "–"), (math.inf, "∞"), (-math.inf, "−∞"),
    ],
)  # fmt: skip
def test_three_significant_digits(value, text):
    assert numbers.three(value) == text


@given(st.floats(-1e300, 1e300))
def test_three_keeps_half_a_percent_and_never_a_hyphen(value):
    text = numbers.three(value)
    assert "-" not in text
    plain_text = text.replace("−", "-").replace(",", "")
    if "×10" in plain_text:
        mantissa, power = plain_text.split("×10")
        plain_text = f"{mantissa}e{power.translate(str.maketrans('⁻⁰¹²³⁴⁵⁶⁷⁸⁹', '-0123456789'))}"
    assert float(plain_text) == pytest.approx(value, rel=0.0051)


def test_signs():
    assert numbers.three(0.5, signed=True) == "+0.500"
    assert numbers.three(-0.5, signed=True) == "−0.500"
    assert numbers.three(0.0, signed=True) == "0"


@pytest.mark.parametrize(
    ("fraction", "text"),
    [(0, "0 %"), (0.48, "48 %"), (0.004, "0.4 %"), (0.0003, "<0.1 %"), (0.01, "1 %"), (1, "100 %")],
)
def test_shares_are_as_coarse_as_the_eye(fraction, text):
    assert numbers.share(fraction).replace(numbers.NBSP, " ") == text


@pytest.mark.parametrize(
    ("number", "text"),
    [(12, "12 B"), (1000, "1.00 kB"), (42_616, "42.6 kB"), (999_600, "1.00 MB"), (6_440_000_000, "6.44 GB")],
)
def test_sizes(number, text):
    assert numbers.size(number).replace(numbers.NBSP, " ") == text


@pytest.mark.parametrize(
    ("value", "text"), [(0.0004, "1 ms"), (0.012, "12 ms"), (0.21, "0.21 s"), (3.25, "3.2 s"), (200, "3 min 20 s")]
)
def test_durations(value, text):
    assert numbers.seconds(value).replace(numbers.NBSP, " ") == text


def test_metrics_have_their_own_units():
    assert numbers.metric_value("accuracy", 0.994).replace(numbers.NBSP, " ") == "99.4 %"
    assert numbers.metric_value("perplexity", 4.312) == "4.31"
    assert numbers.metric_value("sqnr_db", 23.14).replace(numbers.NBSP, " ") == "23.1 dB"
    assert numbers.metric_change("accuracy", -0.898) == ("−89.8", "points")
    assert numbers.metric_change("perplexity", 0.21) == ("+0.210", "")
    assert numbers.metric_change("sqnr_db", -3.0) == ("–", "")
    assert numbers.metric_value("sqnr_db", numbers.NO_ERROR_DB) == "no error"


def test_an_output_without_error_is_known_by_the_number_it_is_given():
    from qdebug.measure.compare import NO_ERROR_DB

    assert numbers.NO_ERROR_DB == NO_ERROR_DB


def test_names_are_shortened_in_the_middle():
    name = "transformer.blocks.11.attention.out_projection"
    short = shorten(name, 20)
    assert len(short) == 20
    assert "…" in short
    assert name.startswith(short.split("…")[0])
    assert name.endswith(short.split("…")[1])
    assert shorten("head", 20) == "head"


def test_words():
    assert plural(0, "layer") == "no layers"
    assert plural(1, "layer") == "1 layer"
    assert plural(1059, "flip") == "1,059 flips"
    assert listed(("a",)) == "a"
    assert listed(("a", "b", "c")) == "a, b and c"
    assert listed(("a", "b", "c", "d", "e")) == "a, b, c and 2 more"


def test_names_of_strangers_are_no_markup():
    assert "<" not in plain("<a href='x'>layer</a>")


@pytest.mark.parametrize(("value", "text"), [
    (540, "540"), (999_499, "999,499"), (999_500, "1.00 million"), (15_040_000, "15.0 million"),
    (2_260_000_000, "2.26 billion"),
])  # fmt: skip
def test_many(value, text):
    assert numbers.many(value).replace(numbers.NBSP, " ") == text


@pytest.mark.parametrize(("part", "text"), [
    (0.0, "100 %"), (2e-5, "99.998 %"), (0.031, "96.9 %"), (1e-9, "99.9999999 %"), (0.79, "21.0 %"), (1.0, "0.0 %"),
])  # fmt: skip
def test_what_is_left_is_never_rounded_up_to_all(part, text):
    assert numbers.all_but(part).replace(numbers.NBSP, " ") == text


@pytest.mark.parametrize(("part", "text"), [(0.0, "0 %"), (0.031, "3.1 %"), (0.79, "79 %"), (1.5e-5, "0.0015 %")])
def test_small_shares_have_two_digits(part, text):
    assert numbers.small_share(part).replace(numbers.NBSP, " ") == text


@pytest.mark.parametrize(
    ("value", "text"), [(4.12e-4, "412 µs"), (0.0123, "12.3 ms"), (1.04, "1.04 s"), (1e-3, "1.00 ms")]
)
def test_short_durations(value, text):
    assert numbers.duration(value).replace(numbers.NBSP, " ") == text
