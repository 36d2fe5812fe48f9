"""``qdebug formats`` and ``qdebug compare-formats``: the cards, and formats against each other on a layer's values."""

import json

import pytest

from qdebug.formats import FORMATS
from qdebug.recipes.candidates import ACTIVATIONS, WEIGHTS


@pytest.fixture
def model(toy):
    return toy / "toy.pt2", "--data", toy / "toy.npz"


def test_every_format_has_a_line(cli):
    status, out, err = cli("formats")
    assert (status, err) == (0, "")
    lines = out.splitlines()
    assert [line.split()[0] for line in lines[2:]] == list(FORMATS)
    assert lines[0].split()[:4] == ["format", "family", "bits", "per"]
    nf4 = next(line for line in lines if line.startswith("nf4 "))
    assert nf4.split()[1:6] == ["table", "4", "4.5", "1", "16"]
    kmeans = next(line for line in lines if line.startswith("kmeans4 "))
    assert kmeans.split()[4:6] == ["–", "–"]


def test_one_format_s_whole_card(cli):
    status, out, err = cli("formats", "fp8_e4m3fn")
    assert (status, err) == (0, "")
    lines = out.splitlines()
    assert lines[0] == "fp8_e4m3fn"
    said = {line[2:20].strip(): line[20:] for line in lines[1:]}
    assert said["largest"] == "448"
    assert said["smallest normal"] == "0.015625"
    assert said["smallest above 0"] == "0.001953125"
    assert said["bits"].startswith("8 per code")
    assert "OCP" in said["source"]
    assert said["proof"].startswith("tests/")
    assert len(said["code points"].split()) == len(FORMATS["fp8_e4m3fn"].levels)


@pytest.mark.parametrize(("text", "name"), [("fp8", "fp8_e4m3fn"), (" NF4 ", "nf4"), ("bfloat16", "bf16")])
def test_other_names_are_understood(cli, text, name):
    assert cli("formats", text)[1].splitlines()[0] == name


def test_all_cards_as_json(cli):
    found = json.loads(cli("formats", "--json")[1])["formats"]
    assert [one["name"] for one in found] == list(FORMATS)
    nf4 = next(one for one in found if one["name"] == "nf4")
    assert (nf4["bits"], nf4["bits_per_weight"], nf4["activations"], len(nf4["points"])) == (4, 4.5, False, 16)
    assert nf4["source"]
    assert [one["name"] for one in json.loads(cli("formats", "mxfp4", "--json")[1])["formats"]] == ["mxfp4"]


@pytest.mark.parametrize(("text", "near"), [("mxfp5", "mxfp4"), ("nf5", "nf4")])
def test_an_unknown_format_lists_what_is_near(cli, text, near):
    status, out, err = cli("formats", text)
    assert (status, out) == (2, "")
    assert f"Unknown number format '{text}'" in err
    assert near in err
    assert err.count("\n") == 1


def test_compare_says_the_findings_and_a_row_per_format(cli, model):
    status, out, err = cli("compare-formats", *model[:1], "head", *model[1:])
    assert status == 0, err
    findings, rest = out.split("\n\n")
    assert findings.startswith("Near 4 bits ")
    assert len(findings.splitlines()) == 3
    header, rule, *rows = rest.splitlines()
    assert header.split() == ["format", "family", "bits", "SQNR", "dB", "rotated", "limit"]
    assert sorted(row.split()[0] for row in rows) == sorted(one for group in WEIGHTS.values() for one in group)
    assert len({len(line) for line in (header, rule)}) == 1
    assert "\x1b" not in out


def test_compare_as_json(cli, model):
    status, out, err = cli("compare-formats", *model[:1], "body", *model[1:], "--tensor", "activation", "--json")
    assert status == 0, err
    found = json.loads(out)
    assert found["values"] == {"layer": "body", "tensor": "activation", "distribution": ""}
    errors = [row["sqnr_db"] for row in found["rows"]]
    assert errors == sorted(errors, reverse=True)
    every = {one for group in ACTIVATIONS.values() for one in group}
    assert {row["notation"] for row in found["rows"]} == {one for one in every if "-tok" not in one}  # of a convolution
    assert {"notation", "format", "family", "bits", "sqnr_db", "rotated_sqnr_db"} == set(found["rows"][0])
    assert (found["columns"], found["rotation"]) == (4, 4)
    assert found["total"] == 300 * 64 * 4
    assert found["limit"][0][0] == 0


def test_compare_a_distribution(cli, model):
    found = json.loads(
        cli("compare-formats", *model, "--distribution", "uniform", "--tensor", "activation", "--json")[1]
    )
    assert found["values"]["distribution"] == "uniform"
    assert found["count"] == 256 * 512


def test_a_distribution_needs_no_model(cli):
    status, out, _ = cli("compare-formats", "--distribution", "gaussian", "--json")
    found = json.loads(out)
    assert (status, found["values"]["distribution"], found["total"]) == (0, "gaussian", 256 * 512)
    assert "Near 4 bits" in cli("compare-formats", "--distribution", "gaussian")[1]


def test_the_card_of_a_notation_is_that_of_its_format(cli):
    assert cli("formats", "int4g32")[1] == cli("formats", "int4")[1]
    assert cli("formats", "NF4-dq")[1] == cli("formats", "nf4")[1]
    assert cli("formats", "int4g0")[0] == 2


def test_compare_after_a_fix(cli, model):
    plain, fixed = (
        json.loads(cli("compare-formats", *model[:1], "stem", *model[1:], *more, "--json")[1])["rows"]
        for more in ((), ("--fix", "cle"))
    )
    one, two = ({row["notation"]: row["sqnr_db"] for row in rows} for rows in (plain, fixed))
    assert one["int4"] != two["int4"], "the one wide channel is evened out"


@pytest.mark.parametrize(
    ("words", "near"),
    [
        ((), "Name a model and its layer, or a --distribution"),
        (("head", "--distribution", "laplace"), "Both a layer and a --distribution"),
        (("--distribution", "laplac"), "laplace"),
        (("hed",), "Did you mean head"),
        (("head", "--fix", "cel"), "cle"),
        (("head", "--tensor", "output"), "activation"),
    ],
)
def test_mistakes(cli, model, words, near):
    status, out, err = cli("compare-formats", model[0], *words, *model[1:])
    assert (status, out) == (2, "")
    assert near in err
    assert "Traceback" not in err
