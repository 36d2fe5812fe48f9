import math

import msgspec
import numpy as np
import pytest
import torch

from qdebug.errors import NumericError
from qdebug.quantize import quantize_weight, rows, weight_grid
from qdebug.quantize.ranges import groups as ranges
from qdebug.recipes import TensorPlan
from tests.quantize import reference
from tests.quantize.tensors import same_bytes

PLANS = [
    TensorPlan("int8"), TensorPlan("int4", "channel"), TensorPlan("int4", "group", 8),
    TensorPlan("int3", "group", 7, symmetric=False), TensorPlan("int8", symmetric=False),
    TensorPlan("int5", "channel", symmetric=False),
]  # fmt: skip
WEIGHTS = {
    "linear": (torch.Size([6, 20]), 0), "conv": (torch.Size([6, 5, 3, 3]), 0), "matmul": (torch.Size([20, 6]), -1),
    "depthwise": (torch.Size([6, 1, 3, 3]), 0), "transposed conv": (torch.Size([5, 6, 3, 3]), 1),
}  # fmt: skip


def scaled(shape, axis):
    """A weight whose output channels differ by orders of magnitude."""
    w = torch.randn(shape)
    sizes = [1] * len(shape)
    sizes[axis] = shape[axis]
    return w * torch.logspace(-2, 2, shape[axis]).view(sizes)


def by_the_book(w, plan, axis):
    """The quantized weight and each value's scale, group by group in float64."""
    matrix = np.moveaxis(w.double().numpy(), axis, 0)
    moved, matrix = matrix.shape, matrix.reshape(matrix.shape[0], -1)
    whole = matrix.shape[1]
    size = {"channel": whole, "group": plan.group_size}.get(plan.granularity, whole)
    out, scales = np.empty_like(matrix), np.empty_like(matrix)
    limits = matrix.min(), matrix.max()
    for r, row in enumerate(matrix):
        for start in range(0, whole, size):
            part = slice(start, start + size)
            low, high = limits if plan.granularity == "tensor" else (row[part].min(), row[part].max())
            parameters = reference.qparams(low, high, int(plan.format[3:]), plan.symmetric)
            out[r, part] = reference.fake_quantize(row[part], *parameters)
            scales[r, part] = parameters[0]
    return (np.moveaxis(m.reshape(moved), 0, axis) for m in (out, scales))


@pytest.mark.parametrize("plan", PLANS, ids=lambda plan: f"{plan.label} {'sym' if plan.symmetric else 'affine'}")
@pytest.mark.parametrize("kind", WEIGHTS)
def test_every_granularity_on_every_layout(path, plan, kind):
    shape, axis = WEIGHTS[kind]
    w = scaled(shape, axis)
    got, qparams = quantize_weight(w, plan, axis)
    expected, scales = by_the_book(w, plan, axis)
    tie = reference.near_tie(w.numpy(), scales)
    assert (
        np.abs(got.double().numpy() - expected) <= np.where(tie, scales * 1.0001, 0) + 2e-7 * np.abs(expected)
    ).all()
    groups = {"tensor": (), "channel": (6, 1), "group": (6, math.ceil(w.numel() / 6 / max(plan.group_size, 1)))}
    assert tuple(qparams.scale.shape) == groups[plan.granularity]
    assert got.stride() == w.stride()


def test_strides_stay_and_do_not_matter(path):
    w = scaled(torch.Size([6, 5, 3, 3]), 0)
    last = w.contiguous(memory_format=torch.channels_last)
    for plan in PLANS:
        one, two = quantize_weight(w, plan)[0], quantize_weight(last, plan)[0]
        assert same_bytes(one, two)
        assert two.stride() == last.stride()


def test_float_formats_are_casts():
    w = torch.randn(3, 4)
    for name in ("fp16", "bf16", "fp32"):
        got, qparams = quantize_weight(w, TensorPlan(name))
        assert qparams is None
        assert weight_grid(w, TensorPlan(name)) is None
        assert torch.equal(got, w.to({"fp16": torch.half, "bf16": torch.bfloat16, "fp32": torch.float}[name]).float())


@pytest.mark.parametrize("keep", [99.0, 90.0, 99.99, 100.0])
@pytest.mark.parametrize(("granularity", "size"), [("tensor", 0), ("channel", 0), ("group", 10), ("group", 7)])
def test_percentile_against_numpy(path, granularity, size, keep):
    w = torch.randn(5, 40)
    plan = TensorPlan("int8", granularity, size, symmetric=False, range="percentile", percentile=keep)
    qparams = weight_grid(w, plan)
    tail = (100 - keep) / 2
    parts = {"tensor": [w.view(-1)], "channel": list(w)}.get(granularity) or [p for row in w for p in row.split(size)]
    for part, scale in zip(parts, qparams.scale.reshape(-1), strict=True):
        low, high = np.percentile(part.double().numpy(), [tail, 100 - tail])
        assert scale.item() == pytest.approx((max(high, 0) - min(low, 0)) / 255, rel=1e-6)


def test_percentile_of_many_values():
    """A rank among a million is no float32."""
    w = torch.zeros(1, 1 << 20)
    w[0, -30:] = torch.arange(30.0)
    _, high = ranges.percentile(w, 100.0 - 2e-3)
    assert high.item() == pytest.approx(np.percentile(w.double().numpy(), 100.0 - 1e-3), rel=1e-6)
    assert 10 < high.item() < 20


def test_a_percentile_that_cuts_everything_keeps_the_range(path):
    w = torch.zeros(1000)
    w[3] = 0.37
    plan = TensorPlan("int8", range="percentile", percentile=99.0)
    got, _ = quantize_weight(w.view(1, -1), plan)
    assert got.max().item() == pytest.approx(0.37, rel=1e-6)


def test_moving_average_is_minmax():
    w = torch.randn(4, 9)
    plan = TensorPlan("int4", "channel")
    same = msgspec.structs.replace(plan, range="moving_average")
    assert torch.equal(weight_grid(w, plan).scale, weight_grid(w, same).scale)


def test_a_hand_set_clip_replaces_a_tensors_range_and_cuts_channels(path):
    w = torch.tensor([[-4.0, 2.0], [-0.5, 0.25]])
    clip = (-1.0, 1.5)
    one = weight_grid(w, TensorPlan("int8", symmetric=False, clip=clip))
    assert one.scale.item() == np.float32(2.5 / 255)
    many = weight_grid(w, TensorPlan("int8", "channel", symmetric=False, clip=clip))
    assert many.scale.view(-1).tolist() == [np.float32(2.5 / 255), np.float32(0.75 / 255)]
    grouped = weight_grid(w, TensorPlan("int8", "group", 1, clip=clip))
    assert grouped.scale.tolist() == [[np.float32(v / 127) for v in row] for row in ([1.0, 1.5], [0.5, 0.25])]


@pytest.mark.parametrize("method", ["minmax", "percentile", "mse"])
@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize(("granularity", "size"), [("tensor", 0), ("channel", 0), ("group", 4)])
def test_nan_and_inf_set_no_range(path, method, bad, granularity, size):
    w = torch.randn(3, 16)
    w[1] = 0.0
    damaged = w.clone()
    damaged[1, 2] = bad
    plan = TensorPlan("int8", granularity, size, range=method, percentile=100.0)
    got, qparams = quantize_weight(damaged, plan)
    assert torch.equal(qparams.scale, weight_grid(w, plan).scale)
    assert math.isnan(got[1, 2]) == math.isnan(bad)
    assert torch.isfinite(got).sum() == got.numel() - math.isnan(bad)


def test_a_weight_without_a_finite_value_is_refused():
    for bad in (math.nan, math.inf):
        with pytest.raises(NumericError, match=r"weight .*layer head"):
            weight_grid(torch.full((2, 2), bad), TensorPlan("int8"), layer="head")


@pytest.mark.parametrize("plan", PLANS, ids=lambda plan: plan.label)
@pytest.mark.parametrize("method", ["minmax", "percentile", "mse"])
def test_degenerate_weights(path, plan, method):
    plan = msgspec.structs.replace(plan, range=method)
    for w in (torch.zeros(6, 9), torch.full((6, 9), 1e-42), torch.zeros(6, 0)):
        assert (quantize_weight(w, plan)[0] - w).abs().sum() <= 1e-39
    for value in (0.3, -0.3):
        w = torch.full((6, 9), value)
        assert torch.allclose(quantize_weight(w, plan)[0], w, rtol=1e-6)
    extreme = torch.tensor([[3e38, -3e38, 0.0, 1.0]])
    assert torch.isfinite(quantize_weight(extreme, plan)[0]).all()


def test_planted_outlier_channel_ruins_per_tensor_and_not_per_channel():
    w = torch.randn(16, 64)
    w[3] *= 100

    def error(granularity):
        got, _ = quantize_weight(w, TensorPlan("int8", granularity))
        return ((got - w)[torch.arange(16) != 3] ** 2).mean()

    assert error("tensor") > 1000 * error("channel")


def test_rows_are_views_where_memory_allows():
    w = torch.randn(4, 3, 2, 2)
    assert rows(w, 0).data_ptr() == w.data_ptr()
