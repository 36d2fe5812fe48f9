import math

import msgspec
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from qdebug.errors import RecipeError
from qdebug.formats import find
from qdebug.measure import SplitAccumulator, error_split
from qdebug.measure import grid as drawn_grid
from qdebug.measure import split as split_module
from qdebug.quantize import QParams, choose_qparams, dynamic_grid, fake_quantize_activation, quantize, quantize_weight
from qdebug.recipes import TensorPlan
from qdebug.recipes.check import check_tensor_plan
from tests.quantize.tensors import anything, tensors

STATIC = TensorPlan("int8", symmetric=False)
HALF = 0.5 + 2.0**-10  # steps beyond a limit from which a value is clipped: half a step, and what float32 may add


def static(x, low, high, plan=STATIC):
    qparams = choose_qparams(low, high, find(plan.format), plan.symmetric)
    return fake_quantize_activation(x, plan, qparams), qparams


def numbers(split):
    plain = msgspec.to_builtins(split)
    plain.pop("format")
    return plain


def test_by_hand(path):
    """Scale 1, codes 0 … 3: 0.4 rounds to 0, 3.4 to 3, 5 is clipped to 3, −0.6 to 0."""
    x = torch.tensor([0.4, 1.0, 3.4, 5.0, -0.6])
    plan = TensorPlan("int2", symmetric=False)
    xq, qparams = static(x, 0.0, 3.0, plan)
    split = error_split(x, xq, qparams, plan)
    assert split.rounding_mse == pytest.approx((0.16 + 0.16) / 5)
    assert split.clipping_mse == pytest.approx((4.0 + 0.36) / 5)
    assert split.mse == split.clipping_mse + split.rounding_mse
    assert split.clipping_rate == pytest.approx(2 / 5)
    assert (split.used_codes, split.codes) == (3, 4)
    assert (split.rmin, split.rmax) == (pytest.approx(-0.6), 5.0)
    assert (split.clip_min, split.clip_max, split.scale_min, split.scale_max) == (0.0, 3.0, 1.0, 1.0)
    assert split.sqnr_db == pytest.approx(20 * math.log10(x.norm() / (x - xq).norm()), rel=1e-5)
    assert split.format == "int2"


def test_up_to_half_a_step_beyond_the_clip_range_is_rounding(path):
    x = torch.tensor([3.5, 3.49, -0.5, -0.49, 3.52, -0.52])
    plan = TensorPlan("int2", symmetric=False)
    xq, qparams = static(x, 0.0, 3.0, plan)
    assert error_split(x, xq, qparams, plan).clipping_rate == pytest.approx(2 / 6)


@pytest.mark.parametrize("low", [-1.0, -0.7, -0.30001, -1e-3, 0.0])
def test_nothing_of_the_observed_range_itself_is_clipped(path, low):
    """An affine zero point is rounded, so the clip range may fall short of the observed one by up to half a step."""
    x = torch.linspace(low, 1.0, 4001)
    for width in range(2, 9):
        plan = TensorPlan(f"int{width}", symmetric=False)
        xq, qparams = static(x, x.min(), x.max(), plan)
        split = error_split(x, xq, qparams, plan)
        assert split.clipping_rate == split.clipping_mse == 0.0
        assert split.codes - 1 <= split.used_codes <= split.codes == 2**width  # the zero point's rounding may cost one


def test_float32_does_not_push_the_observed_range_outside(path):
    """An affine range symmetric about zero ends exactly half a step beyond its grid, give or take an ulp."""
    for absmax in torch.rand(300) * 3:
        x = torch.stack([-absmax, absmax])
        xq, qparams = static(x, x.min(), x.max())
        assert error_split(x, xq, qparams, STATIC).clipping_rate == 0.0


@given(tensors(anything), st.integers(2, 8), st.booleans(), st.tuples(st.floats(-50, 0), st.floats(0, 50)))
def test_against_numpy(x, width, symmetric, limits):
    plan = TensorPlan(f"int{width}", symmetric=symmetric)
    xq, qparams = static(x, *limits, plan)
    split = error_split(x, xq, qparams, plan)
    finite = torch.isfinite(x)
    value, got = x[finite].double().numpy(), xq[finite].double().numpy()
    squared = np.square(got - value)
    low, high, scale = (t.item() for t in (qparams.clip_min, qparams.clip_max, qparams.scale))
    clear = (value < low - 0.502 * scale) | (value > high + 0.502 * scale)
    unclear = ~clear & ((value < low - 0.499 * scale) | (value > high + 0.499 * scale))
    n = max(value.size, 1)
    assert split.mse == split.clipping_mse + split.rounding_mse
    assert split.mse == pytest.approx(squared.sum() / n, rel=1e-12)
    assert clear.sum() <= round(split.clipping_rate * n) <= clear.sum() + unclear.sum()
    assert split.clipping_mse >= squared[clear].sum() / n * (1 - 1e-12)
    codes = quantize(x[~torch.isnan(x)], qparams)
    assert split.used_codes == codes.unique().numel()
    if squared.any() and value.any():
        assert split.sqnr_db == pytest.approx(
            10 * (math.log10(np.square(value).sum()) - math.log10(squared.sum())), abs=1e-6
        )
    else:
        assert split.sqnr_db is None
    assert all(math.isfinite(v) for v in msgspec.to_builtins(split).values() if isinstance(v, float))


WEIGHTS = [
    TensorPlan("int4", "channel"), TensorPlan("int4", "group", 8), TensorPlan("int3", "group", 7, symmetric=False),
    TensorPlan("int8"), TensorPlan("int5", "channel", symmetric=False, clip=(-1.0, 0.5)),
]  # fmt: skip


@pytest.mark.parametrize("plan", WEIGHTS, ids=lambda plan: f"{plan.label}{' clip' if plan.clip else ''}")
@pytest.mark.parametrize(
    ("shape", "axis"), [((6, 20), 0), ((20, 6), 1), ((6, 5, 3, 3), 0), ((5, 6, 2, 2), 1), ((20, 6), -1)]
)
def test_weights_of_every_granularity(path, plan, shape, axis):
    w = torch.randn(shape)
    wq, qparams = quantize_weight(w, plan, axis)
    split = error_split(w, wq, qparams, plan, out_axis=axis)
    assert split.mse == pytest.approx((wq.double() - w.double()).square().mean().item(), rel=1e-12)
    assert split.mse == split.clipping_mse + split.rounding_mse
    assert split.scale_min == qparams.scale.min().item()
    assert split.clip_max == qparams.clip_max.max().item()
    assert split.codes == 2 ** int(plan.format[3:])
    matrix, got = (t.movedim(axis, 0).reshape(6, -1).double() for t in (w, wq))
    size = plan.group_size or matrix.shape[1]
    spread = [
        part.reshape(-1, 1).expand(6, -1)
        if not qparams.scale.dim()
        else part.repeat_interleave(size, 1)[:, : matrix.shape[1]]
        for part in (qparams.clip_min, qparams.clip_max, qparams.scale.double(), qparams.zero_point)
    ]
    low, high, scale, zero_point = spread
    clipped = (matrix < low - HALF * scale) | (matrix > high + HALF * scale)
    assert split.clipping_rate == pytest.approx(clipped.double().mean().item())
    assert split.clipping_mse == pytest.approx(((got - matrix).square() * clipped).mean().item(), rel=1e-12)
    assert bool(split.clipping_rate) == bool(plan.clip)
    assert split.used_codes == torch.round(got / scale + zero_point).unique().numel()


@pytest.mark.parametrize("plan", [TensorPlan("int8", dynamic=True, symmetric=False), TensorPlan("int4", "token")])
def test_dynamic_plans_need_no_qparams(path, plan):
    x = torch.randn(5, 4, 16) * torch.logspace(-1, 1, 5).view(5, 1, 1)
    xq = fake_quantize_activation(x, plan)
    split = error_split(x, xq, None, plan)
    given_them = error_split(x, xq, dynamic_grid(x, plan), plan)
    assert split == given_them
    assert split.scale_max > 5 * split.scale_min
    assert split.clipping_rate == 0
    assert split.mse == pytest.approx((xq.double() - x.double()).square().mean().item(), rel=1e-12)


@pytest.mark.parametrize("plan", [STATIC, TensorPlan("int8", dynamic=True), TensorPlan("fp16"), TensorPlan("bf16")])
def test_batches_add_up(path, plan):
    x = torch.randn(12, 3, 5, 5).contiguous(memory_format=torch.channels_last) * 2
    qparams = choose_qparams(-1.0, 3.0, find("int8"), False) if plan is STATIC else None
    xq = fake_quantize_activation(x, plan, qparams)
    parts = SplitAccumulator(plan)
    for one, two in zip(x.split([5, 4, 3]), xq.split([5, 4, 3]), strict=True):
        parts.add(one, two, qparams)
    apart, whole = parts.finish(), error_split(x, xq, qparams, plan)
    assert numbers(apart) == pytest.approx(numbers(whole), rel=1e-12)


def test_casts(path):
    x = torch.randn(1000)
    split = error_split(x, x.half().float(), None, TensorPlan("fp16"))
    assert split.mse == split.rounding_mse == pytest.approx((x.half().double() - x.double()).square().mean().item())
    assert (split.codes, split.used_codes, split.scale_max, split.clip_max) == (0, 0, 0.0, 65504.0)
    assert 70 < split.sqnr_db < 80
    same = error_split(x, x, None, TensorPlan("fp32"))
    assert (same.mse, same.sqnr_db) == (0.0, None)


def test_overflow_of_a_cast_is_clipping_of_the_whole_value(path):
    x = torch.tensor([1.0, 70_000.0, -80_000.0, 2.0])
    split = error_split(x, x.half().float(), None, TensorPlan("fp16"))
    assert split.clipping_rate == 0.5
    assert split.clipping_mse == split.mse == pytest.approx((7e4**2 + 8e4**2) / 4)
    assert math.isfinite(split.sqnr_db)


@pytest.mark.parametrize("plan", [STATIC, TensorPlan("fp16")])
def test_nan_and_inf_count_for_nothing(path, plan):
    x = torch.randn(50)
    damaged = torch.cat([x, torch.tensor([math.nan, math.inf, -math.inf])])
    results = []
    for values in (x, damaged):
        qparams = choose_qparams(-1.0, 1.0, find("int8"), False) if plan is STATIC else None
        results.append(error_split(values, fake_quantize_activation(values, plan, qparams), qparams, plan))
    clean, other = (numbers(result) for result in results)
    if plan is STATIC:  # clipped infinities do use the outermost codes
        assert other.pop("used_codes") >= clean.pop("used_codes")
    assert other == pytest.approx(clean)


def test_nothing_to_measure(path):
    for x in (torch.empty(0), torch.full((3,), math.nan)):
        xq, qparams = static(x, -1.0, 1.0)
        split = error_split(x, xq, qparams, STATIC)
        assert (split.mse, split.sqnr_db, split.clipping_rate, split.rmin, split.rmax) == (0.0, None, 0.0, 0.0, 0.0)
    zeros = torch.zeros(4)
    assert error_split(zeros, *static(zeros, 0.0, 0.0), STATIC).sqnr_db is None


def test_extreme_values_stay_finite(path):
    x = torch.tensor([3.4e38, -3.4e38, 1.0, 1e-45])
    xq, qparams = static(x, -1.0, 1.0)
    split = error_split(x, xq, qparams, STATIC)
    assert split.clipping_mse == pytest.approx(2 * 3.4e38**2 / 4, rel=1e-6)
    assert split.clipping_rate == 0.5


def test_an_integer_needs_a_grid():
    with pytest.raises(ValueError, match="qparams"):
        error_split(torch.ones(2), torch.ones(2), None, STATIC)


LEVELS = ("fp8_e4m3fn", "fp4", "nf4", "log2_4", "ternary", "ternary_3_4", "binary", "kmeans3", "mxfp4", "mxint8",
          "nvfp4", "nvint4", "q4_0", "q4_1", "q4_k", "q6_k")  # fmt: skip


def slowly(x, xq, grid, rows):
    """The split of a matrix value by value: clipping and rounding error, clipped share, places of the levels used."""
    x, xq = (
        t.detach().movedim(rows, 0).reshape(grid.scale.shape[0] if grid.scale.dim() else 1, -1).tolist()
        for t in (x, xq)
    )
    if isinstance(grid, QParams):
        levels, offset = [float(code) for code in range(grid.qmin, grid.qmax + 1)], None
    else:
        levels, offset = grid.levels.double(), grid.offset
    clipping = rounding = clipped = 0.0
    used = set()
    for r, (row, quantized) in enumerate(zip(x, xq, strict=True)):
        for i, (value, got) in enumerate(zip(row, quantized, strict=True)):
            place = (r, i // (grid.group_size or len(row))) if grid.scale.dim() else ()
            own = levels if isinstance(levels, list) else (levels[r] if levels.dim() > 1 else levels).tolist()
            scale, shift = grid.scale[place].item(), 0.0 if offset is None else offset[place].item()
            ends = [
                (own[0] - (own[1] - own[0]) * HALF) * scale + shift,
                (own[-1] + (own[-1] - own[-2]) * HALF) * scale + shift,
            ]
            out = math.isfinite(value) and not min(ends) <= value <= max(ends)
            if not math.isnan(got) and (math.isfinite(value) or not isinstance(getattr(grid, "used", None), int)):
                used.add(min(range(len(own)), key=lambda k: abs(own[k] * scale + shift - got)))
            if math.isfinite(value):
                clipped += out
                clipping += (got - value) ** 2 if out else 0.0
                rounding += 0.0 if out else (got - value) ** 2
    count = sum(map(math.isfinite, [value for row in x for value in row]))
    return clipping / count, rounding / count, clipped / count, used


@pytest.mark.parametrize("name", LEVELS)
@pytest.mark.parametrize("granularity", ["tensor", "channel", "group", "clipped"])
@pytest.mark.parametrize(("shape", "axis"), [((4, 70), 0), ((3, 4, 3, 2), 1)])
def test_grids_of_levels_against_a_slow_reference(path, name, granularity, shape, axis):
    form = find(name)
    plan = TensorPlan(name, granularity, 7 if granularity == "group" else 0)
    if granularity == "clipped":
        plan = TensorPlan(name, "channel", clip=(-0.5, 1.0))
    try:
        check_tensor_plan(plan, "weight", "here")
    except RecipeError:
        return
    w = torch.randn(shape)
    w.view(-1)[:3] = torch.tensor([math.nan, math.inf, -math.inf])
    wq, grid = quantize_weight(w, plan, axis)
    split = error_split(w, wq, grid, plan, axis)
    clipping, rounding, rate, used = slowly(w, wq, grid, axis)
    assert split.clipping_mse == pytest.approx(clipping, rel=1e-9, abs=1e-30)
    assert split.rounding_mse == pytest.approx(rounding, rel=1e-9)
    assert split.mse == split.clipping_mse + split.rounding_mse
    assert split.clipping_rate == pytest.approx(rate)
    if granularity == "clipped" or name in ("nf4", "fp8_e4m3fn", "fp4"):
        assert bool(split.clipping_rate) == (granularity == "clipped")
    assert split.used_codes == len(used)
    assert split.codes == {"kmeans3": 8}.get(name, len(form.levels))
    assert (split.scale_min, split.scale_max) == (grid.scale.min().item(), grid.scale.max().item())
    assert (split.clip_min, split.clip_max) == (grid.clip_min.min().item(), grid.clip_max.max().item())


@pytest.mark.parametrize("name", ["vq2_16", "vq4_16"])
def test_vectors(path, name):
    """Codes are codewords; a coordinate beyond all of theirs is rounded or clipped like any other."""
    w = torch.randn(8, 64)
    plan = TensorPlan(name)
    wq, grid = quantize_weight(w, plan)
    split = error_split(w, wq, grid, plan)
    words = wq.view(-1, find(name).dimension).unique(dim=0)
    assert (split.used_codes, split.codes) == (len(words), 16)
    assert split.mse == pytest.approx((wq.double() - w.double()).square().mean().item(), rel=1e-12)


@pytest.mark.parametrize("name", ["mxfp4", "mxint8", "nvfp4", "fp8_e4m3fn", "fp4"])
def test_activations_on_levels_in_batches(path, name):
    """A dynamic grid is made of each batch, and samples are their own: parts add up to the whole."""
    x = torch.randn(6, 5, 40) * torch.logspace(-2, 2, 6).view(6, 1, 1)
    plan = TensorPlan(name, dynamic=not find(name).own_blocks)
    xq = fake_quantize_activation(x, plan)
    parts = SplitAccumulator(plan)
    for one, two in zip(x.split([3, 2, 1]), xq.split([3, 2, 1]), strict=True):
        parts.add(one, two)
    apart, whole = parts.finish(), error_split(x, xq, None, plan)
    assert numbers(apart) == pytest.approx(numbers(whole), rel=1e-12)
    assert whole == error_split(x, xq, dynamic_grid(x, plan), plan)
    clipping, rounding, rate, used = slowly(x, xq, dynamic_grid(x, plan), 0)
    assert whole.clipping_mse == pytest.approx(clipping, rel=1e-9)
    assert whole.rounding_mse == pytest.approx(rounding, rel=1e-9)
    assert (whole.clipping_rate, whole.used_codes) == (pytest.approx(rate), len(used))


def test_saturation_of_a_block_is_clipping(path):
    """7.9 in a block of scale 1 becomes 6, more than half a step of 2 away; 6.9 becomes 6, and is rounded."""
    plan = TensorPlan("mxfp4")
    for value, clipped in ((7.9, True), (6.9, False)):
        w = torch.tensor([[value, 1.0, 0.0, 0.0]])
        wq, grid = quantize_weight(w, plan)
        split = error_split(w, wq, grid, plan)
        assert wq[0, 0] == 6
        assert bool(split.clipping_rate) == clipped
        assert split.clipping_mse == (pytest.approx(1.9**2 / 4, rel=1e-6) if clipped else 0.0)
        assert split.used_codes == 3


@pytest.mark.parametrize("name", [*LEVELS, "vq2_16"])
def test_levels_with_kernels_and_without(name, monkeypatch):
    """On awkward values, too."""
    pytest.importorskip("numba")
    w = torch.randn(5, 300) * torch.logspace(-30, 30, 300)
    w[0, :6] = torch.tensor([math.nan, math.inf, -math.inf, 1e-45, -0.0, 3.4e38])
    plan = TensorPlan(name)
    wq, grid = quantize_weight(w, plan)
    compiled = numbers(error_split(w, wq, grid, plan))
    monkeypatch.setattr(split_module, "kernels", None)
    plain = numbers(error_split(w, wq, grid, plan))
    assert compiled == pytest.approx(plain, rel=1e-12)
    assert all(math.isfinite(number) for number in compiled.values())


@pytest.mark.parametrize("name", ["q4_0", "q4_1", "q8_0", "q4_k", "q6_k"])
def test_an_infinite_scale_is_clipping(path, name):
    """ggml stores a scale beyond float16 as infinity: those blocks are lost, and the numbers stay finite."""
    w = torch.randn(2, 512)
    w[0, 0] = 1e10
    plan = TensorPlan(name)
    wq, grid = quantize_weight(w, plan)
    lost = ~torch.isfinite(wq)
    assert lost.any()
    split = error_split(w, wq, grid, plan)
    assert all(math.isfinite(number) for number in numbers(split).values())
    assert split.clipping_rate >= lost.double().mean()
    assert split.clipping_mse == pytest.approx(1e20 / 1024, rel=1e-6)
    drawn = drawn_grid(grid)
    assert all(map(math.isfinite, (drawn.clip_min, drawn.clip_max, *drawn.points)))
    assert drawn.points
