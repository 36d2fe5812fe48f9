"""The Compare screen: two sides, the verdict, layers, classes, and the answers that changed."""

import re

import msgspec
import pytest

from qdebug.errors import RecipeError
from qdebug.recipes import BiasCorrection, CrossLayerEqualization, Recipe, dumps, preset
from qdebug.results import Excerpt, FlippedSample, Flips, LayerDifference, LayerSide, Picture
from qdebug.web.compare import difference_table, sides
from qdebug.web.compare.screen import sides_html
from qdebug.web.core import state
from qdebug.web.core.flip_cards import flips_html
from tests.figures.compared import comparison, difference
from tests.web.conftest import html, settle, show
from tests.web.test_screens import button, recipe, toggle
from tests.web.values import model

EVIL = "<img src=x onerror=alert(1)>"


def flipped(**changes):
    given = {
        "sample": 7, "position": None, "direction": "lost", "target": 3, "a": 3, "b": 5, "margin_a": 1.25,
        "margin_b": 0.5, "error_a": None, "error_b": None, "moved": None, "picture": None, "text": None, "group": "",
    }  # fmt: skip
    return FlippedSample(**given | changes)


def flips(*rows, unit="sample", reference="labels"):
    return Flips(
        unit=unit,
        reference=reference,
        counts=(len(rows), 0, 0),
        predictions=100,
        direction=None,
        start=0,
        total=len(rows),
        rows=rows,
    )


def test_pictures_are_cards_and_the_wrong_answer_has_the_mark():
    picture = Picture(height=1, width=1, channels=1, pixels=b"\0")
    text = flips_html(flips(flipped(picture=picture, group=EVIL)))
    assert text.count("<figure") == 1
    assert "data:image/png" in text
    assert re.search(r"<i>A</i> <b>3</b> <small>1.25</small>", text)
    assert re.search(r'<i>B</i> <b class="q-wrong"><span class="q-mark">◆</span> 5</b> <small>0.500</small>', text)
    assert "label 3" in text
    assert EVIL not in text
    assert "&lt;img" in text


def test_text_is_a_table_and_does_nothing():
    read = Excerpt(before=EVIL, target="y", a="y", b=" ", is_bytes=True)
    text = flips_html(flips(flipped(position=4, text=read), unit="token"))
    assert "7, token 4" in text
    assert "next" in text
    assert "␣" in text
    assert EVIL not in text


def test_without_pictures_and_labels_there_are_numbers():
    row = flipped(target=None, a=None, b=None, margin_a=None, margin_b=None, error_a=0.1, error_b=0.25, moved=0.2,
                  group="x")  # fmt: skip
    text = flips_html(flips(row, unit="output", reference="float")).replace("\u00a0", " ")
    for part in ("10.0 %", "25.0 %", "20.0 %", "<td>x</td>", "error B"):
        assert part in text, part


def test_from_float_to_quantized_is_an_arrow():
    picture = Picture(height=1, width=1, channels=1, pixels=b"\0")
    text = flips_html(flips(flipped(picture=picture, group=EVIL)), from_float=True)
    assert re.search(r'<b>3</b> → <b class="q-wrong"><span class="q-mark">◆</span> 5</b>', text)
    assert "<small>1.25 → 0.500</small>" in text and "right only in float" in text
    assert EVIL not in text
    outputs = flipped(target=None, a=None, b=None, margin_a=None, margin_b=None, error_a=0.0, error_b=0.25, moved=0.2,
                      picture=picture)  # fmt: skip
    text = flips_html(flips(outputs, unit="output", reference="float"), from_float=True).replace("\u00a0", " ")
    assert "0 % → 25.0 %" in text and "worse than in float" in text
    table = flips_html(flips(flipped()), from_float=True)
    assert '<th scope="col">float → quantized</th>' in table
    assert '<span><code>3</code></span> → <span class="q-wrong"><code>' in table
    read = Excerpt(before="0123456789" + EVIL, target="y", a="y", b=" ", is_bytes=True)
    table = flips_html(flips(flipped(position=4, text=read), unit="token"), from_float=True)
    assert "<td>7 · 4</td>" in table and ">…error=alert(1)&gt;</td>" in table and EVIL not in table
    numbers = flips_html(flips(msgspec.structs.replace(outputs, picture=None), unit="output"), from_float=True)
    assert "0 % → 25.0 %" in numbers.replace("\u00a0", " ")


def test_a_score_that_is_nan_is_said_to_be():
    assert "NaN" in flips_html(flips(flipped(b=-1, margin_b=None)))


def test_what_is_the_same_on_both_sides_is_greyed():
    side = LayerSide(
        weight="int4 g32", activation="int8", more=("weight range mse",), fixes=("cle",), weight_sqnr_db=20.0,
        activation_sqnr_db=None, output_sqnr_db=12.34,
    )  # fmt: skip
    other = LayerSide(
        weight="int8", activation="int8", more=("weight range minmax",), fixes=(), weight_sqnr_db=None,
        activation_sqnr_db=None, output_sqnr_db=None,
    )  # fmt: skip
    found = comparison(difference(0.9, 0.8), layers=(LayerDifference(name=EVIL, op="conv", a=side, b=other),))
    (row,) = difference_table.rows(found)
    assert [(part["text"], part["precision"], part["same"]) for part in row["a"]] == [
        ("int4 g32", "p4", False), ("input int8", "p8", True), ("weight range mse", "", False), ("CLE", "", False),
    ]  # fmt: skip
    assert row["a"][0]["hint"] == "weight, SQNR 20.0"
    assert (row["sqnr_a"], row["sqnr_b"]) == ("12.3", "no error")


def test_both_sides_in_numbers():
    text = sides_html(comparison(difference(0.9, 0.8))).replace("\u00a0", " ")
    for part in ("90.0 %", "80.0 %", "2.00 kB", "1.00 kB", "16.0", "8.00"):
        assert part in text, part


@pytest.fixture
def here(monkeypatch):
    """A session without a page: what widgets would read and write."""
    import streamlit as st

    monkeypatch.setattr(st, "session_state", kept := Kept())
    state.start()
    state.is_open(preset("w8a8"))
    return kept


class Kept(dict):
    """As Streamlit's: entries are attributes too."""

    __getattr__ = dict.__getitem__
    __setattr__ = dict.__setitem__


def test_sides_are_float_and_what_is_at_hand_until_something_is_pinned(here):
    known = sides.options(model())
    assert [sides.key_of(side, known) for side in ("a", "b")] == ["float", "now"]
    assert (known["float"][1], known["now"][1]) == (Recipe(), preset("w8a8"))
    state.pin(preset("w8a8"))
    state.change(preset("w4a8"))
    state.change(preset("w3a8"))
    state.change(preset("w4g32a16"))
    known = sides.options(model())
    assert known[sides.key_of("a", known)] == ("Baseline: w8a8", preset("w8a8"))
    assert known["now"][1] == preset("w4g32a16")
    assert [key for key in known if key.startswith("tried-")] == [f"tried-{preset('w3a8').digest}"], "no preset's"
    assert len({name for name, _ in known.values()}) == len(known)


def test_the_recipe_in_a_quantized_file_is_a_side(here):
    known = sides.options(model(own_recipe=dumps(preset("w8a8-pc"), "json")))
    assert known["own"] == ("As in the file", preset("w8a8-pc"))


def test_what_was_chosen_and_is_no_more_falls_back(here):
    here["compare-chosen"] = {(state.ref(), "b"): "tried-gone", (state.ref(), "a"): "preset-w4a8"}
    known = sides.options(model())
    assert [sides.key_of(side, known) for side in ("a", "b")] == ["preset-w4a8", "now"]


def test_a_file_is_a_side_without_being_at_hand(here, monkeypatch):
    monkeypatch.setattr(sides.ask, "demand", lambda request, patience: None)
    sides.add_file("a", dumps(preset("w3a8")).encode(), "mine.yaml")
    known = sides.options(model())
    assert known[sides.key_of("a", known)] == ("From mine.yaml", preset("w3a8"))
    assert state.recipe() == preset("w8a8")
    with pytest.raises(RecipeError, match="not text"):
        sides.add_file("a", b"\xff\xfe\x00", "mine.yaml")


def test_the_sample_s_fixes_against_its_pinned_preset(app):
    show(app, "compare")
    text = html(app)
    assert "B is worse: accuracy 19.1 % against 99.6 %" in text
    assert "437 of 540" not in text
    assert text.count("<figure") == 24
    assert "1–24 of 438" in text
    button(app, "Next").click()
    settle(app)
    assert "25–48 of 438" in html(app)
    button(app, "Pin as baseline").click()
    settle(app)
    assert "A and B are the same recipe" in html(app)
    assert "<figure" not in html(app)
    show(app, "fixes")
    toggle(app, "Apply cross-layer equalization").set_value(True)
    settle(app)
    toggle(app, "Apply bias correction").set_value(True)
    settle(app)
    show(app, "compare")
    text = html(app)
    assert "B is better: accuracy 99.6 % against 19.1 %" in text
    assert "All 14 layers are treated differently" in text
    assert "438 of 540 answers changed: 1 right only in A, 436 right only in B, 1 wrong in both" in text
    assert "1–24 of 438" in text, "another pair starts on its first page"
    ways = next(one for one in app.button_group if one.label == "Direction")
    ways.set_value("other")
    settle(app)
    assert html(app).count("<figure") == 1
    button(app, "Swap A and B").click()
    settle(app)
    assert "B is worse: accuracy 19.1 % against 99.6 %" in html(app)
    assert recipe(app).fixes == (CrossLayerEqualization(), BiasCorrection())
    button(app, "Use B").click()
    settle(app)
    assert recipe(app) == preset("w8a8")
