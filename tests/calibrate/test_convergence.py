"""When clip ranges settle, and the checkpoints that show it."""

import math
from dataclasses import fields

import msgspec
import numpy as np
import pytest
import torch

from qdebug.calibrate import Observer, convergence
from qdebug.calibrate.convergence import METHODS
from qdebug.errors import NumericError
from qdebug.recipes import TensorPlan
from qdebug.results import Convergence

PLAN = TensorPlan("int8", symmetric=False, clip=(-1.0, 1.0))


def same(one, other):
    for field in fields(one):
        a, b = getattr(one, field.name), getattr(other, field.name)
        if field.name in ("total", "squares"):
            assert a == pytest.approx(b, rel=1e-12, abs=1e-9)
        else:
            assert np.array_equal(a, b), field.name


@pytest.mark.parametrize("sizes", [(13,), (1, 5, 7), (4, 4, 5), (8, 5)])
def test_checkpoints_are_the_stats_of_so_many_samples(path, sizes):
    x = torch.randn(13, 3, 40)
    observer = Observer(1, checkpoints=True)
    for part in x.split(sizes):
        observer.update(part)
    found = observer.checkpoints()
    assert [count for count, _ in found] == [1, 2, 4, 8, 13]
    for count, stats in found:
        alone = Observer(1)
        for part in x[:count].split([n for n in sizes_up_to(sizes, count) if n]):
            alone.update(part)
        same(stats, alone.stats())


def sizes_up_to(sizes, count):
    for size in sizes:
        yield min(size, count)
        count -= min(size, count)


def test_keeping_checkpoints_changes_nothing_else(path):
    plain, other = Observer(1), Observer(1, checkpoints=True)
    for part in torch.randn(40, 3).split(11):
        plain.update(part)
        other.update(part)
    same(plain.stats(), other.stats())
    with pytest.raises(ValueError, match="no checkpoints"):
        plain.checkpoints()
    assert Observer(1, checkpoints=True).checkpoints() == ()


def seen(x):
    observer = Observer(1, checkpoints=True)
    observer.update(x)
    return observer.checkpoints()


def test_a_range_settles_where_it_stops_moving():
    x = torch.tensor([1.0, 2.0, 3.9, 1.0, 4.0, 4.0, 3.0, 2.0, 4.1]).view(-1, 1)
    found = convergence(seen(x), PLAN, ("minmax",))
    assert found.samples == (1, 2, 4, 8, 9)
    assert found.methods[0].high == pytest.approx((1.0, 2.0, 3.9, 4.0, 4.1))
    assert found.methods[0].low == (0.0, 0.0, 0.0, 0.0, 0.0)
    assert found.methods[0].settled == 4
    assert convergence(seen(x), PLAN, ("minmax",), tolerance=0.03).methods[0].settled == 8
    assert convergence(seen(x), PLAN, ("minmax",), tolerance=0.0).methods[0].settled == 9
    assert convergence(seen(x), PLAN, ("minmax",), tolerance=1.0).methods[0].settled == 1


def test_what_comes_back_later_had_not_settled():
    x = torch.tensor([-1.0, 1.0, -3.0, 1.0]).view(-1, 1)
    found = convergence(seen(x), TensorPlan("int8"), ("minmax",))
    assert found.methods[0].settled == 4


def test_every_method_by_default_and_the_outlier_moves_minmax_only():
    torch.manual_seed(0)
    x = torch.randn(64, 2000)
    x[60, 0] = 500.0
    found = convergence(seen(x), PLAN)
    assert [one.method for one in found.methods] == list(METHODS)
    settled = {one.method: one.settled for one in found.methods}
    assert settled["minmax"] == 64
    assert settled["percentile"] <= 32
    assert all(len(one.low) == len(one.high) == len(found.samples) == 7 for one in found.methods)
    assert msgspec.json.decode(msgspec.json.encode(found), type=Convergence) == found


def test_samples_without_a_finite_value():
    x = torch.tensor([math.nan, math.nan, 1.0, 1.0]).view(-1, 1)
    found = convergence(seen(x), PLAN, ("minmax",))
    assert (found.methods[0].high, found.methods[0].settled) == ((0.0, 0.0, 1.0), 4)
    with pytest.raises(NumericError, match="only NaN"):
        convergence(seen(x[:2]), PLAN, layer="head")


def test_checkpoints_out_of_order_are_a_mistake_of_ours():
    points = seen(torch.randn(4, 2))
    for wrong in ((), points[::-1], (points[0], points[0])):
        with pytest.raises(ValueError, match="checkpoints at"):
            convergence(wrong, PLAN)
