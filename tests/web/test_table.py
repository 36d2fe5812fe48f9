"""What the rows of the table say."""

import json

import pytest

from qdebug.recipes import preset
from qdebug.web.editing import edits
from qdebug.web.layers.table import table_data
from tests.web.values import layer, measured, model, shares

INFO = model()


def data(recipe=None, layers=None, parts=None, **changes):
    return table_data(INFO, recipe or preset("w8a8"), layers, parts, "head", fresh=True, **changes)


def row(found, name):
    return next(one for one in found["rows"] if one["name"] == name)


def test_formats_come_from_the_recipe_before_anything_is_measured():
    found = data(edits.with_format(preset("w8a8"), INFO, ("head",), "weight", "int4 g32"))
    assert row(found, "head")["weight"]["label"] == "int4 g32"
    assert row(found, "head")["weight"]["precision"] == "p4"
    assert row(found, "a.pw")["weight"]["label"] == "int8"
    assert row(found, "head")["sqnr"] == {"text": "", "part": None, "order": 1e9, "precision": "p4"}
    assert row(found, "head")["share"]["text"] == ""
    json.dumps(found)


def test_embeddings_stay_float_and_have_no_activation():
    found = row(data(), "tok")
    assert found["weight"]["label"] == "fp32"
    assert found["activation"] is None


def test_measures_are_written_and_trouble_is_marked():
    found = data(None, measured(**{"a.dw": 4.1, "a.pw": 38.24, "head": None}), shares(**{"a.dw": 0.48, "a.pw": 0.02}))
    assert row(found, "a.dw")["sqnr"]["text"] == "4.1"
    assert row(found, "a.dw")["bad"]
    assert row(found, "a.pw")["sqnr"]["text"] == "38.2"
    assert not row(found, "a.pw")["bad"]
    assert row(found, "a.pw")["sqnr"]["part"] == pytest.approx(38.24 / 60)
    assert row(found, "head")["sqnr"]["text"] == "no error"
    assert not row(found, "head")["bad"]
    assert row(found, "a.dw")["share"]["part"] == 1.0
    assert row(found, "a.dw")["share"]["text"].startswith("48")


def test_menus_are_shared_between_rows_that_offer_the_same():
    info = model(*(layer(f"l{index}") for index in range(200)))
    found = table_data(info, preset("w8a8"), None, None, "l0", fresh=False)
    assert len(found["menus"]) == 2
    assert len(json.dumps(found)) < 100_000
    assert not found["fresh"]


def test_a_long_name_is_shortened_and_kept():
    name = "transformer.blocks.11.attention.self.out_projection"
    found = table_data(model(layer(name)), preset("w8a8"), None, None, name, fresh=True)["rows"][0]
    assert found["name"] == name
    assert len(found["short"]) < len(name)
