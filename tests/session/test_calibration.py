"""The calibration lab: against calibrating by hand on the same samples, and against looking at all values at once."""

import numpy as np
import pytest
import torch
from torch import nn

from qdebug.engine import Work
from qdebug.errors import Cancelled, UsageError
from qdebug.recipes import BiasCorrection, Recipe, parse_plan, preset, with_fix
from qdebug.recipes.edit import with_clip
from qdebug.session import open as open_model
from qdebug.session.calibration import counts


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv, self.head = nn.Conv2d(1, 6, 3, padding=1), nn.Linear(6 * 64, 5)

    def forward(self, images):
        """``[N, 1, 8, 8]`` to ``[N, 5]``."""
        return self.head(torch.relu(self.conv(images)).flatten(1))


@pytest.fixture(scope="module")
def data():
    torch.manual_seed(0)
    model = Net().eval()
    calib, images = torch.randn(24, 1, 8, 8), torch.randn(40, 1, 8, 8)
    calib[17] *= 6  # one sample that sets every range
    images[31] *= 12
    labels = model(images).argmax(1).detach()
    return model, {"images": images, "labels": labels}, {"images": calib, "labels": torch.arange(24) % 5}


@pytest.fixture(scope="module")
def session(data):
    return open_model(*data)


def test_counts():
    assert [counts(total) for total in (1, 2, 3, 8, 9)] == [(1,), (1, 2), (1, 2, 3), (1, 2, 4, 8), (1, 2, 4, 8, 9)]


@pytest.mark.parametrize("recipe", [preset("w4a4"), with_fix(preset("w4a4"), BiasCorrection())])
def test_each_point_is_the_metric_of_a_recipe_calibrated_on_those_samples_alone(session, data, recipe):
    model, evaluated, calib = data
    found = session.calibration_curve(recipe, subsets=2, seed=3)
    assert [point.samples for point in found.points] == [1, 2, 4, 8, 16, 24]
    for draw in range(2):
        order = np.random.default_rng((3, draw)).permutation(24)
        for point in (found.points[1], found.points[3]):
            rows = np.sort(order[: point.samples])
            alone = open_model(model, evaluated, {"images": calib["images"][rows]})
            assert point.metrics[draw] == alone.score(recipe).metric.quantized
    assert found.points[-1].metrics == (session.score(recipe).metric.quantized,)
    assert found.points[-1].widths == (1.0,)
    assert (found.n, found.calibrated, found.float_value) == (40, 2, 1.0)


def test_ranges_only_widen_and_the_outlier_is_what_they_wait_for(session):
    found = session.calibration_curve("w4a4", subsets=4)
    for draw in range(4):
        widths = [point.narrowest[draw] for point in found.points[:-1]]
        assert np.all(np.diff(widths) > -1e-6)
        order = np.random.default_rng((0, draw)).permutation(24).tolist()
        with_outlier = [point.samples > order.index(17) for point in found.points[:-1]]
        assert [width > 0.9 for width in widths] == with_outlier


def test_enough_is_where_all_subsets_stay(session):
    found = session.calibration_curve("w4a4", subsets=4)
    last = found.points[-1].mean
    after = [point for point in found.points if point.samples >= found.enough]
    assert all(abs(value - last) <= found.tolerance for point in after for value in point.metrics)
    sound = session.calibration_curve("w16a16", subsets=2)
    assert (sound.enough, len(sound.points), sound.calibrated) == (24, 1, 0)  # nothing depends on calibration


def test_the_same_question_is_answered_once_and_another_seed_draws_others(session):
    one = session.calibration_curve("w4a4", subsets=2, seed=1)
    assert session.calibration_curve("w4a4", subsets=2, seed=1) is one
    other = session.calibration_curve("w4a4", subsets=2, seed=2)
    assert [point.narrowest for point in other.points] != [point.narrowest for point in one.points]
    assert session.calibration_curve("w4a4", subsets=1, samples=1).n <= 40


def test_nonsense_is_refused(session):
    with pytest.raises(UsageError, match="at least one"):
        session.calibration_curve("w4a4", subsets=0)
    with pytest.raises(UsageError, match="at least one"):
        session.calibration_curve("w4a4", samples=0)


def test_a_curve_can_be_cancelled_and_says_how_far_it_is(session):
    steps = []

    def watch(progress):
        steps.append(progress)
        if len(steps) == 4:
            work.cancel()

    work = Work(watch)
    with pytest.raises(Cancelled):
        session.calibration_curve("w5a5", subsets=3, work=work)
    assert {step.total for step in steps if step.text.startswith("calibrating on")} == {16}


def test_the_outlier_sets_the_ranges_and_what_leaves_them_is_counted(session, data):
    model, evaluated, calib = data
    found = session.range_setters("w8a8")
    with torch.no_grad():
        inputs = {"conv": calib["images"], "head": torch.relu(model.conv(calib["images"])).flatten(1)}
        new = {"conv": evaluated["images"], "head": torch.relu(model.conv(evaluated["images"])).flatten(1)}
    assert [row.name for row in found.tensors] == ["conv", "head"]
    for row in found.tensors:
        seen, now = inputs[row.name].flatten(1), new[row.name].flatten(1)
        half = 0.5 * (row.clip_max - row.clip_min) / 255 * 1.01
        outside = (now < row.clip_min - half) | (now > row.clip_max + half)
        assert row.outside == pytest.approx(float(outside.float().mean()), rel=0.05)
        assert row.outside_calibration == 0.0
        beyond = max(float(now.max()) - row.clip_max, row.clip_min - float(now.min()))
        assert row.reach == pytest.approx(beyond / (row.clip_max - row.clip_min), rel=1e-5)
        assert row.farthest == 31
        assert (row.high.sample, row.high.value) == (17, pytest.approx(float(seen.max())))
        others = torch.cat([seen[:17], seen[18:]])
        assert row.high.runner_up == pytest.approx(float(others.max()))
        low, all_low = min(float(others.min()), 0.0), min(float(seen.min()), 0.0)
        width = float(seen.max()) - all_low
        assert row.narrower == pytest.approx(1 - (float(others.max()) - low) / width, rel=1e-5)
    first = found.samples[0]
    assert (first.sample, first.label, first.tensors) == (17, "2", ("conv", "head"))
    assert (first.limits, found.limits, found.setters) == (3, 3, 1)
    assert (first.picture.height, first.picture.width, first.picture.channels) == (8, 8, 1)
    assert max(first.picture.pixels) == 255
    assert min(first.picture.pixels) == 0


def test_values_between_layers_are_watched_too(session):
    names = [(row.name, row.between) for row in session.range_setters("w8a8-pc-all").tensors]
    assert ("conv", False) in names
    assert any(between for _, between in names)


def test_ranges_that_do_not_come_from_calibration_have_no_setters(session):
    assert session.range_setters("w8a16").tensors == ()
    assert session.range_setters("w8a8-dyn").tensors == ()
    by_hand = with_clip(preset("w8a8"), "conv", "activation", (-1.0, 1.0))
    assert [row.name for row in session.range_setters(by_hand).tensors] == ["head"]


def test_calibration_clips_what_its_method_clips(session):
    plan = parse_plan("w8a8")
    recipe = Recipe(default=type(plan)(plan.weight, type(plan.activation)("int8", symmetric=False, range="percentile",
                                                                         percentile=90.0)))  # fmt: skip
    rows = session.range_setters(recipe).tensors
    assert all(0.02 < row.outside_calibration < 0.15 for row in rows)


def test_labels_that_do_not_fit_calibration_samples_are_left_aside(data):
    model, evaluated, calib = data
    session = open_model(model, evaluated, {"images": calib["images"], "labels": np.zeros((24, 3))})
    assert session.range_setters("w8a8").samples[0].label == ""
