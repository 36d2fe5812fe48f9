"""``qdebug diagnose``: the contract of its JSON, and its few lines for people."""

import json
from typing import get_args

import numpy as np
import torch

from qdebug.results.diagnosis import CauseKind


def test_json(cli, toy):
    status, out, err = cli("diagnose", toy / "toy.pt2", "--data", toy / "toy.npz", "--preset", "w4a8", "--json")
    assert status == 0, err
    found = json.loads(out)
    assert {"model", "digest", "recipe", "causes", "text", "n", "seconds"} <= found.keys()
    assert found["causes"]
    for cause in found["causes"]:
        assert {"layer", "tensor", "kind", "share", "evidence", "fix", "metric_before", "metric_after"} <= cause.keys()
        assert cause["kind"] in get_args(CauseKind)
        assert cause["tensor"] in ("weight", "activation", "output")
        assert cause["fix"] is None or cause["fix"].keys() == {"method", "params"}


def test_a_channel_forty_times_wider_is_found_and_equalized(cli, toy):
    status, out, err = cli("diagnose", toy / "toy.pt2", "--data", toy / "toy.npz", "--preset", "w8a8", "--json")
    assert status == 0, err
    causes = {cause["kind"]: cause for cause in json.loads(out)["causes"]}
    for kind, layer in (("uneven-weights", "stem"), ("outlier-channels", "body")):
        assert causes[kind]["layer"] == layer
        assert causes[kind]["evidence"]["widest_over_median"] > 25
        assert causes[kind]["fix"]["method"].startswith("cle")


def test_text_says_the_cause_and_the_measured_gain(cli, toy):
    status, out, err = cli("diagnose", toy / "toy.pt2", "--data", toy / "toy.npz", "--preset", "w4a8")
    assert status == 0, err
    first = " ".join(out.split("\n\n")[1].split())
    assert first.startswith("1.")
    assert "int4 is too coarse for the weights of" in first
    assert "brings accuracy from 92.3 % to" in first
    assert "92.3\u00a0%" in out.split("worst layer")[1]  # the table writes it as the sentence does


def test_a_nan_that_a_recipe_is_refused_for_is_a_cause(cli, toy, tmp_path):
    broken = torch.export.load(toy / "toy.pt2").module()
    with torch.no_grad():
        broken.body.weight[0, 0, 0, 0] = np.nan
    batch = torch.export.Dim("batch", min=2, max=4096)
    images = torch.from_numpy(np.load(toy / "toy.npz")["images"][:2])
    torch.export.save(torch.export.export(broken, (images,), dynamic_shapes=({0: batch},)), tmp_path / "nan.pt2")
    status, out, err = cli("diagnose", tmp_path / "nan.pt2", "--data", toy / "toy.npz", "--json")
    assert status == 0, err
    (cause,) = json.loads(out)["causes"]
    assert (cause["kind"], cause["layer"], cause["tensor"], cause["fix"]) == ("nan", "body", "weight", None)
    assert cause["metric_before"] is None
    assert "1 value that is NaN" in cause["text"]
    status, out, err = cli("diagnose", tmp_path / "nan.pt2", "--data", toy / "toy.npz")
    assert status == 0, err
    assert "body" in out.split("worst layer")[1]


def test_mistakes_are_told_in_one_line(cli, toy):
    status, out, err = cli("diagnose", toy / "toy.pt2", "--data", toy / "toy.npz", "--set", "nope=w4a8")
    assert (status, out) == (2, "")
    assert "No layer matches 'nope'" in err
