"""A diff report's page: both sides, layers, changed answers, groups, recipes; and no way in for a name."""

import json

import msgspec
import pytest

from qdebug.figures.layer_differences import outputs_finding
from qdebug.figures.recipe_facts import recipe_facts
from qdebug.recipes import preset
from qdebug.recipes.serial import to_plain
from qdebug.report.diff_page import diff_charts, diff_page
from qdebug.results import FlippedSample, Flips, LayerDifference, LayerSide
from qdebug.results.calibration import Picture
from qdebug.results.report import DataUsed, DiffReport, ReportSide
from tests.figures.compared import comparison, difference, group
from tests.figures.values import shares
from tests.report import values
from tests.report.test_page import Parts

SECTIONS = ["layers", "answers", "groups", "recipes", "origin"]


def layer(name, a, b, weights=("int4", "int8")):
    one, two = (
        LayerSide(weight=weight, activation="int8", more=(), fixes=fixes, weight_sqnr_db=20.0, activation_sqnr_db=30.0,
                  output_sqnr_db=db)
        for weight, db, fixes in ((weights[0], a, ()), (weights[1], b, ("cle",)))
    )  # fmt: skip
    return LayerDifference(name=name, op="linear", a=one, b=two)


def flip(sample, **changes):
    picture = Picture(height=2, width=2, channels=1, pixels=b"\0\x40\x80\xff")
    fields = {
        "sample": sample, "position": None, "direction": "gained", "target": 3, "a": 8, "b": 3, "margin_a": 1.0,
        "margin_b": 2.0, "error_a": None, "error_b": None, "moved": None, "picture": picture, "text": None, "group": "",
    }  # fmt: skip
    return FlippedSample(**(fields | changes))


def diff(name="a", *, rows=None, **changes):
    found = comparison(
        difference(0.5, 0.9, ci95=(0.3, 0.5), p=0.001), layers=(layer(name, 5.0, 25.0), layer("b", 30.0, 28.0)),
        groups=(group(name, 0.4, p=0.001), group("other", 0.0)),
    )  # fmt: skip
    flips = Flips(
        unit="sample", reference="labels", counts=(1, 3, 1), predictions=100, direction=None, start=0, total=5,
        rows=(flip(7), flip(9, group=name)) if rows is None else rows,
    )  # fmt: skip
    sides = [
        ReportSide(name=side, model=values.info(layers=(name, "b")), recipe=to_plain(preset(side)),
                   recipe_words=recipe_facts(preset(side)), shares=shares(**{name: 0.7, "b": 0.3}),
                   data=(DataUsed(role="evaluation", source="val.npz", n=100, digest="ef" * 16),))
        for side in ("w4a8", "w8a8")
    ]  # fmt: skip
    fields = {
        "made": "2026-01-02T03:04:05+00:00", "versions": {"qdebug": "0.1.0"}, "kind": "recipes", "a": sides[0],
        "b": sides[1], "comparison": found, "flips": flips, "seconds": 3.0,
    }  # fmt: skip
    return DiffReport(**(fields | changes))


@pytest.fixture(scope="module")
def parts():
    return Parts(diff_page(diff()))


@pytest.mark.parametrize(
    "words",
    [
        "B is better: accuracy 90.0 % against 50.0 %, +40.0 points (95 % interval +30.0 to +50.0).",
        "B is 2.00× smaller.",
        "A w4a8 50.0 %",
        "B w8a8 90.0 %",
        "1 layer comes closer to float in B, 1 layer comes closer to float in A",
        "a int4 input int8 int8 input int8 cle 5.0 25.0 70 % 70 %",
        "5 of 100 answers changed: 1 right only in A, 3 right only in B, 1 wrong in both.",
        "label 3: A 8 , B 3 sample 7",
        "The 2 most decided of 5.",
        "class a 100 50.0 % 90.0 % +40.0 points",
        "preset w4a8, per tensor w8a8, per tensor",
        "ef" * 16,
    ],
)
def test_the_page_says(parts, words):
    assert words in parts.text


def test_every_section_is_there_and_its_data_are_the_json_s(parts):
    assert [one for one in parts.ids() if one in SECTIONS] == SECTIONS
    assert msgspec.json.decode(parts.scripts["report"], type=DiffReport) == diff()
    assert diff_charts(diff()).keys() == json.loads(parts.scripts["figures"]).keys() == {"layers", "groups"}


def test_a_name_stays_a_name():
    plain, nasty = (Parts(diff_page(diff(name))) for name in ("a", values.NASTY))
    assert [tag for tag, _ in nasty.tags] == [tag for tag, _ in plain.tags]
    assert json.loads(nasty.scripts["report"])["comparison"]["layers"][0]["name"] == values.NASTY


def test_two_versions_say_which_layers_came_and_went_and_show_both_answers():
    page = diff_page(diff(kind="models", added=("new.conv",), removed=("old.conv",)))
    text = Parts(page).text
    assert "B alone has new.conv" in text
    assert "A alone has old.conv" in text
    assert page.count('width="56"') == 2
    assert "sample 7" in text
    assert "5 of 100 answers changed" in text


def test_tokens_and_plain_outputs_have_tables_of_their_own():
    output = {"target": None, "a": None, "b": None, "picture": None, "error_a": 0.2, "error_b": 0.1, "moved": 0.3}
    found = diff(rows=(flip(4, **output),))
    found = msgspec.structs.replace(found, flips=msgspec.structs.replace(found.flips, unit="output"))
    assert "4 better in B 20.0 % 10.0 % 30.0 %" in Parts(diff_page(found)).text
    assert "wide" in diff_page(diff(rows=(flip(4, picture=None),)))


def test_layers_without_an_error_are_closer_to_float():
    found = comparison(difference(0.5, 0.9), layers=(layer("a", None, 20.0), layer("b", 20.0, 20.0)))
    assert outputs_finding(found) == "1 layer comes closer to float in A"
    same = comparison(difference(0.5, 0.9), layers=(layer("b", 20.0, 20.0),))
    assert outputs_finding(same) == "No layer's output is closer to float in one than in the other"
