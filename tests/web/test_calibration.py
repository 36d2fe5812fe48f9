"""The calibration screen: what it measures by itself, what it asks before, and its tables."""

import msgspec

from qdebug.results import Picture
from qdebug.session.calibration import counts
from qdebug.web import calibration
from tests.figures.test_calibration import end, sample, setters, tensor
from tests.web.conftest import html, settle, show


def test_runs_are_those_that_a_curve_takes():
    for total in (1, 2, 3, 8, 9, 256, 300):
        assert calibration.runs(total, 5) == 5 * (len(counts(total)) - 1) + 1


def test_samples_stand_with_their_pictures_and_names_are_escaped():
    image = Picture(height=1, width=1, channels=1, pixels=b"\x07")
    first = msgspec.structs.replace(sample(163, 9, 0.38, "<i>"), picture=image)
    text = calibration.samples_html((first, sample(5, 1, 0.0)))
    assert text.count("<img ") == 1
    assert 'alt="calibration sample 163"' in text
    assert "data:image/png;base64," in text
    assert "<i>" not in text
    assert "38\u00a0%" in text
    plain = calibration.samples_html((msgspec.structs.replace(sample(5, 1, 0.0), label=""),))
    assert "picture" not in plain
    assert "label" not in plain


def test_every_range_says_who_set_it():
    found = setters(tensor("a", low=None), tensor("<b>", 0.01, 1.25, high=end(2.0, None, 2.0)))
    text = calibration.ranges_html(found)
    assert text.index("&lt;b&gt;") < text.index(">a<")
    assert "<td>several</td>" in text
    assert "1.2×" in text
    assert "−1.00 to 2.00" in text


def test_the_screen_measures_what_is_cheap(app, monkeypatch):
    monkeypatch.setattr(calibration, "CHEAP", 1e6)
    text = html(show(app, "calibration"))
    assert "How many samples are enough?" not in text
    assert "within 0.5 points" in text or "still depends on" in text
    assert "of their final width" in text or "every range has" in text
    assert "ends of the observed ranges" in text
    assert "data:image/png;base64," in text
    assert len(app.get("plotly_chart")) == 3


def test_what_takes_long_waits_for_a_click(app, monkeypatch):
    monkeypatch.setattr(calibration, "CHEAP", 0.0)
    app.selectbox(key="side-preset").set_value("w4a8-pc")
    settle(app)
    text = html(show(app, "calibration"))
    assert "How many samples are enough?" in text
    assert "41 evaluations, at most about" in text
    assert len(app.get("plotly_chart")) == 1


def test_a_recipe_without_calibrated_ranges_says_so(app):
    app.selectbox(key="side-preset").set_value("w16a16")
    settle(app)
    text = html(show(app, "calibration"))
    assert "Nothing is calibrated under this recipe" in text
    assert "Nothing in this recipe depends on calibration data" in text
    assert "ends of the observed ranges" not in text
