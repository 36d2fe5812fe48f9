"""The Mixed precision screen: a front from predictions, a budget to slide, measured points, a mixture to take."""

from qdebug.recipes import preset
from tests.web.conftest import html, settle, show
from tests.web.test_screens import button, recipe


def press(app, label):
    button(app, label).click()
    return settle(app)


def test_a_mixture_is_chosen_by_its_budget_measured_and_taken(app):
    show(app, "mixture")
    assert "Mixed precision" in html(app)
    assert len(app.get("plotly_chart")) == 2
    assert app.select_slider[0].value > 0
    first = html(app)
    app.select_slider[0].set_value(0)
    settle(app)
    assert html(app) != first
    assert app.select_slider[0].value == 0
    assert "predicted error" in html(app)
    press(app, "Measure points of the front")
    assert "measured (" in html(app)
    assert "measured mixtures (bars: 95" in html(app)
    assert "set right by" in html(app)
    assert "smallest harmless" in html(app)
    assert app.select_slider[0].value == 0
    press(app, next(one.label for one in app.button if one.label.startswith("Show the one of ")))
    assert "smallest harmless, shown" in html(app)
    shown = app.select_slider[0].value
    show(app, "overview")
    show(app, "mixture")
    assert app.select_slider[0].value == shown
    before = recipe(app)
    press(app, "Use this mixture")
    assert recipe(app) != before
    assert button(app, "In use").disabled
    assert before == preset("w8a8")


def test_formats_that_are_none_are_told_and_one_alone_is_no_choice(app):
    show(app, "mixture")
    app.session_state["mixture-formats"] = ["w8a8", "w99a1"]
    assert "w99a1" in html(settle(app))
    app.session_state["mixture-formats"] = ["w8a8"]
    assert "at least two formats" in html(settle(app))


def test_constraints_that_leave_nothing_are_one_clear_error(app):
    show(app, "mixture")
    app.session_state["mixture-formats"] = ["w3a3", "w5a5"]
    app.session_state["mixture-platform"] = "tensorrt"
    assert "can be had on TensorRT" in html(settle(app))


def test_no_two_budgets_read_alike():
    from qdebug.web.mixture.screen import apart

    assert apart([4.664, 5.2]) == ["4.66", "5.20"]
    assert apart([10.82, 10.84]) == ["10.82", "10.84"]
    assert len(set(apart([1.0, 1.0]))) == 2
