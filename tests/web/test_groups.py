"""What screens say of groups, and of what a diffusion model draws."""

import pytest
from streamlit.testing.v1 import AppTest

from qdebug.web.overview.sampling import images_html
from tests.figures.test_sampling import drawn
from tests.web.conftest import APP, PATIENCE, html, settle, show


@pytest.fixture
def diffusion(monkeypatch):
    monkeypatch.setenv("QDEBUG_MODEL", "digits-ddpm")
    for name in ("QDEBUG_DATA", "QDEBUG_CALIB"):
        monkeypatch.delenv(name, raising=False)
    return settle(AppTest.from_file(APP, default_timeout=PATIENCE))


def test_the_overview_has_the_course_by_timestep_and_draws_on_a_click(diffusion):
    text = html(diffusion)
    assert "dB in group 5" in text
    assert "What does it draw?" in text
    assert "q-pairs" not in text
    diffusion.button(key="sampling-start").click()
    text = html(settle(diffusion))
    assert text.count('alt="image ') == 24
    assert "From the same noise the images end" in text
    assert "apart after the first step" in text


def test_the_calibration_screen_has_ranges_by_timestep_and_calibrates_on_a_click(diffusion):
    text = html(show(diffusion, "calibration"))
    assert "of 20 ranges change by 1.5× or more between groups" in text
    assert "Which groups should calibrate?" in text
    layers = diffusion.selectbox(key="group-range-layer")
    layers.set_value("conv_in")
    assert "conv_in: the narrowest group fills" in html(settle(diffusion))
    diffusion.button(key="group-calibration-start").click()
    text = html(settle(diffusion))
    assert "Calibrated on group 5 alone, mean squared error is" in text


def test_classes_are_measured_on_a_click_and_nothing_is_drawn_without_a_sampler(app):
    assert "What does it draw?" not in html(app)
    app.selectbox(key="side-preset").set_value("w8a8-pc")  # what is measured here is then shown to all visitors
    settle(app)
    text = html(show(app, "calibration"))
    assert "Do ranges change between classes?" in text
    assert "Which classes should calibrate?" in text
    app.button(key="group-ranges-start").click()
    assert "between classes" in html(settle(app))


def test_images_stand_in_pairs_the_farthest_apart_first():
    text = images_html(drawn(0.1, 0.3))
    assert text.index("image 1, float") < text.index("image 1, quantized") < text.index("image 0, float")
    assert ">0.300<" in text
