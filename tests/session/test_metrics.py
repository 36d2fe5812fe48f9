"""A model opened with a metric: from data to the answers that every verb gives."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset

import qdebug
from qdebug.errors import DataError, FileError, MetricError, UsageError
from qdebug.recipes import Recipe, preset
from qdebug.search.diagnose import diagnose

W4 = preset("w4a8")


class Net(nn.Module):
    def __init__(self, out: int = 5) -> None:
        super().__init__()
        torch.manual_seed(3)
        self.first, self.second = nn.Linear(8, 24), nn.Linear(24, out)

    def forward(self, x: Tensor) -> Tensor:
        return self.second(torch.relu(self.first(x)))


def classified(count: int = 60) -> tuple[Net, dict[str, object]]:
    net, x = Net(), torch.randn(count, 8, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        labels = net(x).argmax(1)
    labels[::7] = 0
    return net, {"x": x, "labels": labels, "group": np.array(["even", "odd"])[np.arange(count) % 2]}


def targeted() -> tuple[Net, Tensor, Tensor]:
    net, x = Net(3), torch.randn(50, 8, generator=torch.Generator().manual_seed(2))
    with torch.no_grad():
        return net, x, net(x) + 0.1 * torch.randn(50, 3, generator=torch.Generator().manual_seed(4))


def hinge(outputs: Tensor, labels: Tensor) -> Tensor:
    """The margin of the right class."""
    own = outputs.gather(1, labels[:, None])
    return (own - outputs.scatter(1, labels[:, None], -torch.inf).max(1, keepdim=True).values)[:, 0]


def test_real_numbers_in_the_outputs_shape_are_targets_and_judged_by_their_squared_error(tmp_path: Path) -> None:
    net, x, target = targeted()
    session = qdebug.open(net, {"x": x, "target": target})
    found = session.score(W4).metric
    with torch.no_grad():
        exact = (net(x).double() - target.double()).square().mean()
    assert (session.info().task, found.name) == ("regression", "mse")
    assert found.float_ == pytest.approx(float(exact), rel=1e-5) and found.quantized != found.float_
    for data in ({"x": x, "labels": target}, DataLoader(TensorDataset(x, target), batch_size=16)):
        assert qdebug.open(net, data).score(W4).metric == found
    np.savez(tmp_path / "data.npz", x=x.numpy(), target=target.numpy())
    assert qdebug.open(net, data=tmp_path / "data.npz").score(W4).metric == found


def test_one_number_a_sample_fits_an_output_of_one_column() -> None:
    net, x = Net(1), torch.randn(20, 8, generator=torch.Generator().manual_seed(2))
    found = qdebug.open(net, {"x": x, "target": torch.zeros(20)}).score(Recipe()).metric
    with torch.no_grad():
        assert found.float_ == pytest.approx(float(net(x).square().mean()), rel=1e-5)


def test_a_parameter_called_target_is_an_input() -> None:
    class Pair(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.fc = nn.Linear(4, 4)

        def forward(self, x: Tensor, target: Tensor) -> Tensor:
            return self.fc(x) + target

    data = {"x": torch.randn(6, 4), "target": torch.randn(6, 4)}
    assert qdebug.open(Pair(), data).info().task == "unlabelled"


@pytest.mark.parametrize(
    ("extra", "says"),
    [
        ({"target": torch.zeros(50, 4)}, r"shape \[50, 4\], do not fit the model's output of shape \[N, 3\]"),
        ({"target": torch.zeros(49, 3)}, "'labels' has 49 samples and the inputs have 50"),
        ({"target": torch.full((50, 3), torch.nan)}, "holds NaN or Inf, first in sample 0"),
        ({"target": torch.zeros(50, 3), "labels": torch.zeros(50, dtype=torch.int64)}, "both 'labels' and 'target'"),
    ],
)
def test_targets_that_do_not_fit_say_so(extra: Mapping[str, Tensor], says: str) -> None:
    net, x, _ = targeted()
    with pytest.raises(DataError, match=says):
        qdebug.open(net, {"x": x, **extra})


def test_a_function_of_ones_own_reaches_scores_flips_subgroups_comparisons_and_diagnoses() -> None:
    net, data = classified()
    session = qdebug.open(net, data, metric=hinge)
    metric = session.score(W4).metric
    with torch.no_grad():
        exact = hinge(net(data["x"]), data["labels"])  # type: ignore[arg-type]
    assert metric.name == "hinge" and metric.float_ == pytest.approx(float(exact.mean()), rel=1e-5)
    assert metric.ci95[0] < metric.delta < metric.ci95[1] and metric.flips == session.flips(Recipe(), W4).total
    rows = session.subgroups(W4).rows
    assert {row.key for row in rows} == {"class", "group"} and all(row.p is not None for row in rows)
    even = next(row for row in rows if row.name == "even")
    assert even.float_ == pytest.approx(float(exact[::2].mean()), rel=1e-5)
    compared = session.compare("w8a8", "w4a8").difference
    assert compared.name == "hinge" and compared.p is not None
    diagnosed = diagnose(session, preset("w3a8"))
    assert (diagnosed.metric, diagnosed.higher_is_better) == ("hinge", True)


def test_a_function_says_its_direction_and_unit() -> None:
    def distance(outputs: Tensor, labels: Tensor) -> Tensor:
        return (outputs - labels).norm(dim=1)

    distance.higher_is_better, distance.unit = False, "px"  # type: ignore[attr-defined]
    net, x, target = targeted()
    metric = qdebug.open(net, {"x": x, "target": target}, metric=distance).score(W4).metric
    assert (metric.higher_is_better, metric.unit) == (False, "px")
    distance.unit = 3  # type: ignore[attr-defined]
    with pytest.raises(MetricError, match="'unit' of the metric 'distance' is 3"):
        qdebug.open(net, {"x": x}, metric=distance)


def test_labels_that_fit_no_task_are_for_the_function_to_understand() -> None:
    net, data = classified()
    boxes = torch.randint(0, 9, (60, 4), generator=torch.Generator().manual_seed(2))
    with pytest.raises(DataError, match="do not fit"):
        qdebug.open(net, {**data, "labels": boxes})
    metric = qdebug.open(net, {**data, "labels": boxes}, metric=lambda _, y: y.float().mean(1)).score(W4).metric
    assert metric.name == "metric" and metric.quantized == pytest.approx(float(boxes.float().mean()))


def test_a_budget_by_ones_own_metric_counts_in_parts_of_its_float_value() -> None:
    net, data = classified()
    found = qdebug.open(net, data, metric=hinge).search(("w8a8", "w4a8", "w2a8"), max_drop=0.2)
    assert found.chosen is not None
    chosen = found.front[found.chosen].metric
    assert chosen is not None and chosen.name == "hinge" and chosen.loss <= 0.2
    assert chosen.loss == pytest.approx((chosen.float_ - chosen.quantized) / abs(chosen.float_))


def test_an_exact_sweep_has_the_metric_of_each_layer() -> None:
    net, x, target = targeted()
    session = qdebug.open(net, {"x": x, "target": target})
    alone = session.sensitivity("w4a8", "exact", journal=False)
    for row in alone.rows:
        from qdebug.recipes import set_layers

        recipe = set_layers(Recipe(), {row.layer: W4.default})
        assert row.metric == pytest.approx(session.score(recipe).metric.quantized, rel=1e-9)


def test_a_part_is_judged_by_the_direction_of_its_output_and_otherwise_if_asked() -> None:
    net, data = classified()
    part = qdebug.open(net, data=data, part="first")
    metric = part.score(W4).metric
    assert (part.info().task, metric.name) == ("embedding", "cosine")
    assert qdebug.open(net, data=data, part="first", metric="mse").score(W4).metric.name == "mse_to_float"


def test_a_functions_file_is_run_by_its_path(tmp_path: Path) -> None:
    file = tmp_path / "mine.py"
    file.write_text("def margin(outputs, labels):\n    return outputs.max(1).values\n\nmargin.unit = 'logits'\n")
    net, data = classified()
    metric = qdebug.open(net, data, metric=f"{file}:margin").score(W4).metric
    assert (metric.name, metric.unit) == ("margin", "logits")
    with pytest.raises(MetricError, match=r"no function 'margn'.*Did you mean margin"):
        qdebug.open(net, data, metric=f"{file}:margn")
    with pytest.raises(FileError, match="No such file"):
        qdebug.open(net, data, metric=f"{tmp_path}/other.py:margin")
    file.write_text("import json\n\nraise ValueError('no')\n")
    with pytest.raises(MetricError, match=r"The metric's file fails: ValueError: no \(file .*mine\.py:3\)"):
        qdebug.open(net, data, metric=f"{file}:margin")


def test_names_of_known_metrics_and_other_types_are_refused() -> None:
    net, data = classified()

    def cosine(outputs: Tensor, labels: Tensor) -> Tensor:
        return outputs[:, 0]

    with pytest.raises(MetricError, match="is called 'cosine', as a metric of qdebug's is"):
        qdebug.open(net, data, metric=cosine)
    with pytest.raises(UsageError, match="metric cannot be of the type int"):
        qdebug.open(net, data, metric=5)  # type: ignore[arg-type]


def test_versions_judged_by_different_metrics_are_not_compared() -> None:
    from qdebug.session.versions import compare_versions

    net, data = classified()
    one, two = qdebug.open(net, data), qdebug.open(net, data, metric="top2")
    with pytest.raises(UsageError, match="judged by different metrics"):
        compare_versions(one, two, (W4, W4))
