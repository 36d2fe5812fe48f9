"""Ranges, metric and calibration by group, against numpy and against sessions opened on one group alone."""

import numpy as np
import pytest
import torch

from qdebug.errors import DataError, UsageError
from qdebug.session import open as open_model
from qdebug.session.groups import MOST, groups_of
from tests.networks import Residual, data_for, seeded
from tests.networks_diffusion import TIMESTEPS, Denoiser, noisy


@pytest.fixture(scope="module")
def session():
    return open_model(seeded(Denoiser), noisy(6, 0), noisy(5, 1, labels=False))


def test_numbers_as_labels_are_a_regression(session):
    assert session.info().task == "regression"
    assert session.info().parted == "group"
    data, module = noisy(6, 0), seeded(Denoiser)
    with torch.no_grad():
        output = module(torch.from_numpy(data["image"]), torch.from_numpy(data["timestep"])).numpy()
    metric = session.score("w8a8").metric
    assert metric.float_ == pytest.approx(float(np.mean((output - data["labels"]) ** 2)), rel=1e-5)
    assert session.verdict("w8a8").text


def test_each_groups_output_has_its_own_sqnr(session):
    data, module = noisy(6, 0), seeded(Denoiser)
    with torch.no_grad():
        before = module(torch.from_numpy(data["image"]), torch.from_numpy(data["timestep"])).double().numpy()
    after = np.concatenate([session.output("w8a4", one).double().numpy() for one in session.subject.eval_batches])
    for row in session.subgroups("w8a4").rows:
        kept = data["timestep"] == int(row.name)
        wanted = 10 * np.log10((before[kept] ** 2).sum() / ((after - before)[kept] ** 2).sum())
        assert row.output_db == pytest.approx(wanted, abs=0.01)


def test_groups_are_in_the_order_of_their_numbers(session):
    names = tuple(map(str, TIMESTEPS))
    assert tuple(row.name for row in session.subgroups("w8a8").rows) == names
    assert session.group_ranges("w8a8").groups == session.group_calibration("w8a8").groups == names


def test_ranges_are_those_of_each_groups_values(session):
    data, found = noisy(6, 0), session.group_ranges("w8a8")
    first = next(row for row in found.tensors if row.name == "first")
    for place, timestep in enumerate(TIMESTEPS):
        values = data["image"][data["timestep"] == timestep]
        one = first.groups[place]
        assert (one.low, one.high) == (values.min(), values.max())
        assert one.std == pytest.approx(values.std(), rel=1e-4)
        assert [one.inner_low, one.inner_high] == pytest.approx(np.quantile(values, [0.001, 0.999]), rel=0.02)
        half = (first.clip_max - first.clip_min) / 255 / 2
        outside = (values < first.clip_min - half) | (values > first.clip_max + half)
        assert one.outside == pytest.approx(outside.mean(), abs=2 / values.size)
    widths = [one.width for one in first.groups]
    assert first.drift == max(widths) / min(widths) > 3
    assert found.samples == (6,) * 4


def test_a_recipe_without_calibrated_ranges_still_has_ranges(session):
    one = session.group_ranges("w8a16").tensors[0]
    assert (one.clip_min, one.groups[0].outside) == (None, None)


def test_calibrated_on_one_group_is_a_session_with_that_group_alone(session):
    found = session.group_calibration("w8a4")
    calib = noisy(5, 1, labels=False)
    for timestep in TIMESTEPS:
        rows = calib["timestep"] == timestep
        alone = open_model(seeded(Denoiser), noisy(6, 0), {name: value[rows] for name, value in calib.items()})
        way = next(one for one in found.ways if one.name == f"only {timestep}")
        parts = [row.quantized for row in alone.subgroups("w8a4").rows]
        assert way.metric == pytest.approx(alone.score("w8a4").metric.quantized, rel=1e-6)
        assert list(way.by_group) == pytest.approx(parts, rel=1e-6)
        assert (way.samples, way.low) == (5, way.high)


def test_all_samples_are_the_recipe_itself_and_choices_are_drawn(session):
    found = session.group_calibration("w8a4", take={"10": 2, "100": 5})
    by_name = {way.name: way for way in found.ways}
    assert by_name["all"].metric == pytest.approx(session.score("w8a4").metric.quantized, rel=1e-6)
    assert [by_name[name].samples for name in ("all", "uniform", "skewed", "chosen")] == [20, 5, 5, 7]
    assert by_name["chosen"].counts == (0, 2, 0, 5)
    assert by_name["uniform"].low <= by_name["uniform"].metric <= by_name["uniform"].high
    assert found.float_value == pytest.approx(session.score("w8a4").metric.float_)
    assert session.group_calibration("w8a4", take={"10": 2, "100": 5}) is found


def test_what_is_not_there_cannot_be_chosen(session):
    for take, words in (({"7": 1}, "no group '7'"), ({"2": 6}, "6 samples"), ({"2": 0}, "No calibration sample")):
        with pytest.raises(UsageError, match=words):
            session.group_calibration("w8a8", take=take)


def test_labels_part_data_that_name_no_groups():
    data = data_for(Residual, 24) | {"labels": np.arange(24) % 3}
    found = open_model(seeded(Residual), data)
    assert found.info().parted == "class"
    assert found.group_ranges("w8a8").key == "class"
    ways = [way.name for way in found.group_calibration("w8a8").ways]
    assert ways == ["all", "uniform", "only 0", "only 1", "only 2"]


def test_data_that_tell_of_no_two_groups_say_so():
    found = open_model(seeded(Residual), {"images": data_for(Residual, 4)["images"]})
    assert found.info().parted == ""
    assert "name no groups" in found.group_ranges("w8a8").left_out
    assert "name no groups" in found.group_calibration("w8a8").left_out
    assert found.group_ranges("w8a8").tensors == ()
    with pytest.raises(UsageError, match="name no groups"):
        found.group_calibration("w8a8", take={"a": 1})


def test_too_many_groups_are_none():
    data = noisy(30, 0)
    data["group"] = np.arange(120)
    found, why = groups_of(open_model(seeded(Denoiser), data).subject.data)
    assert found is None
    assert f"120 different values; looked at are 2 to {MOST}" in why


def test_labels_that_fit_no_output_are_refused():
    data = noisy(2, 0)
    with pytest.raises(DataError, match="do not fit the model"):
        open_model(seeded(Denoiser), data | {"labels": data["labels"][:, :, :4]})
    with pytest.raises(DataError, match="NaN or Inf"):
        open_model(seeded(Denoiser), data | {"labels": data["labels"] * np.nan})
