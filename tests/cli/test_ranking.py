"""``qdebug evaluate`` with several weight formats: each is scored, the best comes first."""

import json
import math

import pytest

from qdebug.cli.ranking import Ranked, Ranking, describe, ordered, several
from tests.figures.values import score


def ranked(name, quantized, *, size=1000, metric="accuracy", higher=True):
    found = score(quantized, name=metric, higher=higher, size=size)
    return Ranked(weight_format=name, metric=found.metric, size=found.size, seconds=0.1)


def names(rows):
    return [row.weight_format for row in ordered(rows)]


@pytest.mark.parametrize(("text", "found"), [
    (None, ()), ("", ()), ("int4", ("int4",)), ("int4,nf4", ("int4", "nf4")),
    ("int4 | nf4|mxfp4,", ("int4", "nf4", "mxfp4")),
])  # fmt: skip
def test_formats_stand_apart_by_commas_or_bars(text, found):
    assert several(text) == found


def test_the_best_metric_comes_first_and_of_equals_the_smaller():
    rows = [ranked("a", 0.5), ranked("b", 0.9, size=2000), ranked("c", 0.9, size=1000)]
    assert names(rows) == ["c", "b", "a"]
    rows = [ranked("a", 9.0, metric="perplexity", higher=False), ranked("b", 4.0, metric="perplexity", higher=False)]
    assert names(rows) == ["b", "a"]


@pytest.mark.parametrize("higher", [True, False])
def test_what_has_no_number_comes_last(higher):
    rows = [ranked("a", math.nan, higher=higher), ranked("b", 2.0, higher=higher), ranked("c", 1.0, higher=higher)]
    assert names(rows)[-1] == "a"
    assert names(rows[::-1])[-1] == "a"
    assert ordered([]) == ()


def test_the_text_names_the_best():
    rows = ordered([ranked("nf4", 0.9), ranked("int4", 0.5, size=900)])
    text = describe(Ranking(model="net", digest="d", n=5, calibration="c", ranking=rows)).replace("\u00a0", " ")
    first, _, _, *rows = text.splitlines()
    assert first == "net: nf4 does best (accuracy of the float model 99.0 %)."
    assert [line.split()[0] for line in rows[1:]] == ["nf4", "int4"]


@pytest.mark.parametrize("separator", [",", "|"])
def test_each_is_scored_as_if_it_were_alone(cli, toy, separator):
    model = (toy / "toy.pt2", "--data", toy / "toy.npz", "--preset", "w8a8", "--json")
    wanted = ("int2", "int8-pc", "nf4")
    status, out, err = cli("evaluate", *model, "--weight-format", separator.join(wanted))
    assert status == 0, err
    found = json.loads(out)
    assert found.keys() == {"model", "digest", "n", "calibration", "ranking"}
    ranking = found["ranking"]
    assert {row["weight_format"] for row in ranking} == set(wanted)
    quality = [row["metric"]["quantized"] for row in ranking]
    assert quality == sorted(quality, reverse=True)
    assert ranking[0]["weight_format"] == "int8-pc"
    alone = json.loads(cli("evaluate", *model, "--weight-format", "nf4")[1])
    row = next(row for row in ranking if row["weight_format"] == "nf4")
    assert (row["metric"], row["size"]) == (alone["metric"], alone["size"])


def test_in_text_and_with_layers_of_their_own(cli, toy):
    status, out, err = cli(
        "evaluate", toy / "toy.pt2", "--data", toy / "toy.npz", "--weight-format", "int3,int6", "--set", "head=fp16"
    )
    assert status == 0, err
    assert out.startswith("toy.pt2: ")
    assert [line.split()[0] for line in out.splitlines()[4:]] == ["int6", "int3"]


def test_a_list_of_one_is_no_ranking(cli, toy):
    status, out, err = cli("evaluate", toy / "toy.pt2", "--data", toy / "toy.npz", "--weight-format", "int4,", "--json")
    assert status == 0, err
    assert {layer["weight"]["format"] for layer in json.loads(out)["layers"]} == {"int4"}


@pytest.mark.parametrize(("words", "near"), [
    (("--weight-format", "int4,nf4", "--save-recipe", "r.yaml"), "Name the one to save"),
    (("--weight-format", "int4,itn8"), "Unknown number format 'itn8'"),
    (("--weight-format", ","), "Unknown number format"),
])  # fmt: skip
def test_mistakes_are_told_before_anything_is_opened(cli, tmp_path, monkeypatch, words, near):
    monkeypatch.chdir(tmp_path)
    status, out, err = cli("evaluate", "no-such-model", *words)
    assert (status, out) == (2, "")
    assert near in err
    assert not list(tmp_path.iterdir())
