"""``qdebug fixes``: every method with its places, its parameters and its pace."""

import json

from qdebug.recipes import preset
from qdebug.recipes.fixes import KINDS, name_of


def test_one_object_with_every_fix(cli, toy):
    status, out, err = cli(
        "fixes", toy / "toy.pt2", "--data", toy / "toy.npz", "--preset", "w4a8", "--set", "head=fp32", "--json"
    )
    assert status == 0, err
    found = json.loads(out)
    assert found.keys() == {"model", "digest", "recipe", "fixes"}
    fixes = {one["method"]: one for one in found["fixes"]}
    assert list(fixes) == [name_of(kind()) for kind in KINDS]
    gptq = fixes["gptq"]
    assert (gptq["stage"], gptq["pace"], gptq["active"]) == ("rounding", "seconds", False)
    assert {one["name"]: one["default"] for one in gptq["parameters"]} == {
        "damping": 0.01, "act_order": False, "block": 128, "groups": "static", "guard": True,
    }  # fmt: skip
    refused = {site["layers"][0]: site["refused"] for site in gptq["sites"]}
    assert refused["stem"] is None
    assert "float" in refused["head"]


def test_as_text_with_the_recipes_own_values(cli, toy):
    data = ("--data", toy / "toy.npz")
    status, out, err = cli("fixes", toy / "toy.pt2", *data, "--preset", "w4a8", "--fix", "gptq:block=64")
    assert status == 0, err
    assert "block=64 (default 128)" in out
    assert "act_order=false" in out
    row = next(line for line in out.splitlines() if line.startswith("gptq ")).split()
    assert row[-4:] == ["seconds", "3", "0", "yes"]


def test_an_unknown_fix_is_a_mistake_with_near_names(cli, toy):
    status, out, err = cli("fixes", toy / "toy.pt2", "--data", toy / "toy.npz", "--fix", "gptx")
    assert (status, out) == (2, "")
    assert "gptq" in err


def test_the_recipe_of_the_object_is_the_one_that_was_spelled(cli, toy):
    _, out, _ = cli("fixes", toy / "toy.pt2", "--data", toy / "toy.npz", "--preset", "w8a8-pc", "--json")
    assert json.loads(out)["recipe"] == preset("w8a8-pc").digest
