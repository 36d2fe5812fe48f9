"""The tour's steps over the real app: what each says, where it leads, and that it can be left."""

from qdebug.web.shell import tour
from tests.figures.values import score
from tests.web.conftest import html, settle, show


def press(app, key):
    app.button(key=key).click()
    return html(settle(app))


def test_it_leads_from_what_is_wrong_to_what_mends_it(app):
    assert "q-tour" not in html(app)  # who has been here before is not shown around
    text = press(app, "tour-again")
    assert "1 of 5" in text
    assert "falls from 99.6 %" in text
    text = press(app, "tour-next")
    assert "2 of 5" in text
    assert 'class="q-layer"' in text
    text = press(app, "tour-next")
    assert "3 of 5" in text
    text = press(app, "cause-apply-0")
    assert "4 of 5" in text
    text = press(app, "tour-next")
    assert "5 of 5" in text
    assert "<b>Make the report</b>" in text
    assert "q-tour" not in press(app, "tour-next")


def test_it_can_be_left_and_begins_with_the_first_recipe_again(app):
    app.selectbox(key="side-preset").set_value("w4a8")
    settle(app)
    show(app, "layers")
    text = press(app, "tour-again")
    assert "1 of 5" in text
    assert app.selectbox(key="side-preset").value == "w8a8"
    assert "q-tour" not in press(app, "tour-skip")
    app.button(key="undo").click()
    assert settle(app).selectbox(key="side-preset").value == "w4a8"


def test_a_layers_name_is_shown_and_never_run():
    assert "<img" not in tour.step_html(1, "<img src=x>", score(0.2).metric, score(0.9).metric)
