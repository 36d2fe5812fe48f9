"""``qdebug compare``: the contract of its JSON, its few lines for people, and mistakes told in one line."""

import json

import numpy as np
import pytest

from qdebug.recipes import preset, save


@pytest.fixture
def compare(cli, toy):
    def run(*words):
        return cli("compare", toy / "toy.pt2", *words, "--data", toy / "toy.npz")

    return run


def test_json(compare, toy):
    status, out, err = compare("w8a8", "w4a8+cle:guard=false", "--json", "--flips", "5")
    assert status == 0, err
    found = json.loads(out)
    assert {"model", "digest", "a", "b", "difference", "layers", "alike", "groups", "flips", "n"} <= found.keys()
    assert (found["a"]["name"], found["b"]["name"], found["n"]) == ("w8a8", "w4a8+cle:guard=false", 300)
    gap = found["difference"]
    assert gap["delta"] == pytest.approx(gap["b"] - gap["a"])
    assert gap["delta"] == pytest.approx((gap["gained"] - gap["lost"]) / 300)
    assert gap["ci95"][0] <= gap["delta"] <= gap["ci95"][1]
    assert [layer["name"] for layer in found["layers"]] == ["stem", "body", "head"]
    assert {layer["name"]: layer["b"]["fixes"] for layer in found["layers"]} == {
        "stem": ["cle:guard=false"], "body": ["cle:guard=false"], "head": ["cle:guard=false"],
    }  # fmt: skip
    assert len(found["flips"]["rows"]) == 5
    assert found["flips"]["total"] == gap["changed"]
    labels = np.load(toy / "toy.npz")["labels"]
    assert all(row["target"] == labels[row["sample"]] for row in found["flips"]["rows"])
    assert {row["key"] for row in found["groups"]} == {"class"}


def test_text_says_which_is_better_and_who_changed(compare):
    status, out, err = compare("float", "w4a8")
    assert status == 0, err
    text = out.replace("\u00a0", " ")
    assert "B is worse: accuracy 92.3 % against 100 %" in text.replace("\n", " ")
    assert "All 3 layers are treated differently." in text
    assert "23 of 300 answers changed: 23 right only in A." in text
    assert "adjusted p" in text


def test_a_direction_alone(compare):
    found = json.loads(compare("w8a8", "w3a8", "--direction", "gained", "--json")[1])
    assert {row["direction"] for row in found["flips"]["rows"]} <= {"gained"}
    assert found["flips"]["total"] == found["difference"]["gained"]
    assert json.loads(compare("w8a8", "w3a8", "--flips", "0", "--json")[1])["flips"]["rows"] == []


def test_a_file_is_a_side_and_the_same_recipe_is_said_to_be(compare, tmp_path):
    save(preset("w8a8"), tmp_path / "mine.yaml")
    status, out, err = compare("w8a8", tmp_path / "mine.yaml")
    assert status == 0, err
    assert "A and B are the same recipe" in out
    assert "All 3 layers are treated alike." in out


def test_without_labels_the_float_model_is_the_judge(cli, toy, tmp_path):
    np.savez(tmp_path / "bare.npz", images=np.load(toy / "toy.npz")["images"])
    status, out, err = cli("compare", toy / "toy.pt2", "w8a8", "w3a8", "--data", tmp_path / "bare.npz")
    assert status == 0, err
    assert "agreement with float" in out
    assert "as in float only in A" in out


@pytest.mark.parametrize(
    ("sides", "words"),
    [
        (("float", "w8z8"), "'w8z8' is no side to compare"),
        (("float", "no/such"), "There is no such recipe file"),
        (("float", "gone.yaml"), "Cannot read the recipe"),
        (("float", "w8a8+cel"), "cle"),
        (("float", "own"), "it has none"),
        (("float",), "required: B"),
        (("float", "w8a8", "--flips", "97"), "Give 0 to 96"),
    ],
)
def test_mistakes_are_told_in_one_line(compare, sides, words):
    status, out, err = compare(*sides)
    assert (status, out) == (2, "")
    assert words in err
    assert "Traceback" not in err


def test_a_recipe_for_other_layers_is_refused(compare, tmp_path):
    (tmp_path / "other.yaml").write_text("version: 1\nlayers:\n  nope:\n    weight:\n      format: int8\n")
    status, out, err = compare("w8a8", tmp_path / "other.yaml")
    assert (status, out) == (2, "")
    assert "nope" in err
