"""``--metric``: by its name or as a function of one's own, in every verb; in the app on this machine alone."""

import json

import numpy as np
import pytest
import torch

from qdebug.cli.app import chosen, workshop
from qdebug.cli.program import parse
from qdebug.errors import UsageError
from qdebug.jobs import metrics

MINE = """\
def distance(outputs, labels):
    return (outputs - labels).norm(dim=1)

distance.higher_is_better = False
distance.unit = "px"
"""


@pytest.fixture
def net(tmp_path):
    torch.manual_seed(1)
    module = torch.nn.Sequential(torch.nn.Linear(6, 16), torch.nn.ReLU(), torch.nn.Linear(16, 4))
    x = torch.randn(24, 6)
    torch.export.save(torch.export.export(module, (x[:2],), dynamic_shapes=({0: torch.export.Dim("n")},)),
                      tmp_path / "net.pt2")  # fmt: skip
    np.savez(tmp_path / "data.npz", input=x, target=module(x).detach() + 0.5)
    (tmp_path / "mine.py").write_text(MINE)
    return tmp_path


def test_targets_of_a_file_are_the_metric_by_themselves(net, cli):
    status, out, _ = cli("evaluate", net / "net.pt2", "--data", net / "data.npz", "--json")
    metric = json.loads(out)["metric"]
    assert (status, metric["name"], metric["higher_is_better"]) == (0, "mse", False)
    assert metric["float"] == pytest.approx(0.25, rel=1e-4)


def test_a_function_of_ones_own_says_name_unit_and_direction_in_text_and_json(net, cli):
    given = ("evaluate", net / "net.pt2", "--data", net / "data.npz", "--metric", f"{net}/mine.py:distance")
    status, out, _ = cli(*given, "--preset", "w4a8")
    assert status == 0 and "distance" in out and "in px, lower is better" in out
    metric = json.loads(cli(*given, "--json")[1])["metric"]
    assert (metric["name"], metric["unit"], metric["higher_is_better"]) == ("distance", "px", False)
    assert metric["float"] == pytest.approx(1.0, rel=1e-4)
    other = json.loads(cli("diagnose", *given[1:], "--json")[1])
    assert other["metric"] == "distance"


def test_top_k_of_a_sample(cli):
    metric = json.loads(cli("evaluate", "digits-mobilenet", "--metric", "top3", "--json")[1])["metric"]
    assert metric["name"] == "top3_accuracy" and 0.9 < metric["float"] <= 1.0


def test_a_metric_that_does_not_fit_is_one_line(net, cli):
    status, out, err = cli("evaluate", net / "net.pt2", "--data", net / "data.npz", "--metric", "top5")
    assert (status, out) == (2, "") and "The metric 'top5' needs labels" in err and "Traceback" not in err


def test_workers_of_a_sweep_open_the_model_with_the_same_function(net, cli, monkeypatch):
    monkeypatch.chdir(net)
    status, out, _ = cli(
        "sensitivity", "net.pt2", "--data", "data.npz", "--metric", "mine.py:distance", "--formats", "w4a8", "--mode",
        "exact", "--cores", "2", "--no-journal", "--json",
    )  # fmt: skip
    rows = json.loads(out)["rows"]
    assert status == 0 and len(rows) == 2 and all(row["metric"] > 0.9 for row in rows)


def test_the_app_gets_a_copy_and_only_on_this_machine(net, monkeypatch):
    monkeypatch.setenv("QDEBUG_WORKSPACE", str(net / "workspace"))
    given = ("app", "digits-mobilenet", "--metric", f"{net}/mine.py:distance")
    variables = chosen(parse(given))
    assert variables["QDEBUG_METRIC"].startswith(str(metrics.folder().resolve()))
    assert chosen(parse(("app", "digits-mobilenet", "--metric", "top5")))["QDEBUG_METRIC"] == "top5"
    with pytest.raises(UsageError, match="on this machine alone, and 0.0.0.0 is for others too"):
        chosen(parse((*given, "--host", "0.0.0.0")))
    with pytest.raises(UsageError, match="each with its own metric"):
        workshop(parse(("app", "--workshop", "--metric", "top5")))
