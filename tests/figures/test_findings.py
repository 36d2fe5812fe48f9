"""A title says what its figure shows."""

from msgspec.structs import replace

from qdebug.figures import Candidate
from qdebug.figures.channels import before_after_finding, channels_finding
from qdebug.figures.histogram import histogram_finding
from qdebug.figures.shares import share_bars, shares_finding, worst_finding
from qdebug.figures.shift import shift_finding
from qdebug.figures.split import error_parts, split_finding
from qdebug.figures.tradeoff import log_ticks, tradeoff_finding
from tests.figures.values import detail, error, float_view, ranges, score, shares, view


def words(text):
    return text.replace("\u00a0", " ")


def test_histogram():
    assert words(histogram_finding(view(), "weights")) == (
        "2.00 % of the weights are clipped, which makes 25.0 % of their error"
    )
    even = view(clipping_rate=0.0)
    assert histogram_finding(even, "weights") == "Nothing is clipped, and 200 of 256 codes are used"
    few = view(clipping_rate=0.0, used_codes=41)
    assert histogram_finding(few, "weights") == "Nothing is clipped, but only 41 of 256 codes are used"
    assert histogram_finding(float_view("fp32"), "weights") == "The weights are kept as they are"
    assert "bf16" in histogram_finding(float_view("bf16"), "weights")
    assert "at run time" in histogram_finding(view(dynamic=True), "activations")


def test_channels():
    assert channels_finding(ranges([1, 1, 48, 40], outliers=(2, 3), ratio=48.0)) == (
        "2 of 4 channels are outliers; the widest is 48× the median"
    )
    assert channels_finding(ranges([1, 1, 48], outliers=(2,), ratio=48.0)).startswith("1 of 3 channels is an outlier")
    assert channels_finding(ranges([1, 1.2], ratio=1.1)) == "The channels are even: the widest is 1.1× the median"
    assert channels_finding(ranges([1, 4, 1], ratio=4.0)) == "The widest of 3 channels is 4.0× the median"
    assert channels_finding(ranges([1])) == "There is one channel only"
    assert before_after_finding(ranges([48], ratio=48.0), ranges([1.2], ratio=1.2)) == (
        "Widest channel: 48× the median before, 1.2× after"
    )


def test_split():
    parts = error_parts(error(sqnr_db=10.0, clipping_mse=0.0, rounding_mse=1.0), error(sqnr_db=20.0))
    assert words(split_finding(parts)) == "Rounding of the weights makes 91 % of the error"
    clipped = error_parts(error(clipping_mse=0.9, rounding_mse=0.1), None)
    assert words(split_finding(clipped)) == "Clipping of the weights makes 90 % of the error"
    assert split_finding(error_parts(error(sqnr_db=None, mse=0.0, clipping_mse=0.0, rounding_mse=0.0), None)) == (
        "Nothing is lost here"
    )


def test_shares():
    found = shares(a=0.1, b=0.6, c=0.25, d=0.05)
    assert [row.name for row in found.leading] == ["b", "c"]
    assert words(shares_finding(found)) == "2 of 4 layers cause 85 % of the output error"
    assert words(worst_finding(found)) == "b alone causes 60 % of the output error, c 25 %"
    assert words(shares_finding(shares(a=1.0, b=0.0))) == "1 of 2 layers causes 100 % of the output error"
    flat = shares(**{f"l{index}": 0.1 for index in range(10)})
    assert shares_finding(flat).startswith("The error is spread out")
    assert worst_finding(flat).startswith("The error is spread out")
    assert shares_finding(shares(a=0.0, b=0.0)) == "No layer changes the output"
    assert shares(a=0.0).leading == ()


def test_predicted_shares_are_called_so_until_all_are_measured():
    rows = list(shares(a=0.4, b=0.6).rows)
    guesses = [replace(row, predicted=True, metric=None) for row in rows]
    said = "b alone causes 60 % of the output error, a 40 %"
    assert words(worst_finding(replace(shares(), rows=tuple(guesses)))) == f"Predicted: {said}"
    half = replace(shares(), rows=(guesses[0], rows[1]))
    assert words(worst_finding(half)) == f"Predicted: {said}; 1 of 2 layers measured"
    assert words(worst_finding(replace(shares(), rows=tuple(rows)))) == said
    bars = share_bars(half, {}, "accuracy", dark=False).data[0]
    assert list(bars.y) == ["b", "a"]
    assert list(bars.marker.pattern.shape) == ["", "/"]
    assert [row[3].split()[0] for row in bars.customdata] == ["accuracy", "predicted"]


def test_shift():
    assert (
        words(shift_finding(detail()))
        == "Output means move by 0.200 standard deviations on average, channel 1 the most"
    )
    assert "hardly move" in shift_finding(detail(mean_shift=0.01))
    assert shift_finding(detail(shift=(0.0, 0.0))) == "Output means stay where they are"


def test_tradeoff_names_the_smallest_that_does_no_harm():
    bad = Candidate("w4a8", score(0.5, size=500), "preset", "int4")
    good = Candidate("w8a8-pc", score(0.985, size=1000), "preset", "int8")
    larger = Candidate("w16a16", score(0.99, size=2000), "now", "fp16")
    assert tradeoff_finding((bad, larger, good)) == "w8a8-pc is the smallest within 1 point of float: 4.0× smaller"
    assert tradeoff_finding((bad,)) == "Nothing measured so far stays within 1 point of float"
    assert tradeoff_finding(()) == "Nothing has been measured yet"


def test_harm_depends_on_the_metric():
    assert score(4.2, float_=4.1, name="perplexity", higher=False).metric.harmless
    assert not score(4.5, float_=4.1, name="perplexity", higher=False).metric.harmless
    assert score(35.0, float_=100.0, name="sqnr_db").metric.harmless
    assert not score(20.0, float_=100.0, name="sqnr_db").metric.harmless
    assert score(0.981).metric.harmless
    assert not score(0.979).metric.harmless


def test_ticks_of_a_log_axis_are_whole_numbers_people_read():
    assert log_ticks([3.38, 28.1]) == [5.0, 10.0, 20.0]
    assert log_ticks([3.38, 3.46]) is None  # Plotly's own are fine where the axis is all but linear
    assert log_ticks([3.0, float("inf"), 1000.0]) == [2.0, 5.0, 10.0, 20.0, 50.0, 100.0, 200.0, 500.0, 1000.0]
    assert log_ticks([0.005, 3.0]) == [0.01, 0.1, 1.0]
    assert log_ticks([float("nan")]) is None
