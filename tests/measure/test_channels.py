import math

import numpy as np
import pytest
import torch

from qdebug.formats import INT4, INT8
from qdebug.measure import channel_limits, channel_ranges, grid, tensor_findings, weight_findings
from qdebug.quantize import choose_qparams, quantize_weight
from qdebug.recipes import TensorPlan


def test_the_rule_for_outliers():
    """More than six times the median absmax; exactly six times is none."""
    ranges = channel_ranges([-1, -6, -1, 0, -0.5], [1, 2, 6.01, 1, 0.1])
    assert ranges.outliers == (2,)
    assert ranges.widest_ratio == pytest.approx(6.01)
    assert ranges.low == (-1, -6, -1, 0, -0.5)
    assert ranges.high == (1, 2, 6.01, 1, 0.1)


def test_where_most_channels_are_zero_none_stands_out():
    ranges = channel_ranges([0, 0, 0, -1], [0, 0, 0, 1])
    assert (ranges.outliers, ranges.widest_ratio) == ((), 0.0)


def test_channels_without_a_finite_value():
    ranges = channel_ranges(np.array([math.inf, -1], np.float32), np.array([-math.inf, 1], np.float32))
    assert (ranges.low, ranges.high) == ((0, -1), (0, 1))
    assert channel_ranges([], []).low == ()
    assert channel_ranges(-3.0, 3.0).widest_ratio == 1.0


@pytest.mark.parametrize("axis", [0, 1, -1])
def test_limits_of_a_tensor(axis):
    x = torch.randn(3, 4, 5)
    x[0, 0, 0], x[1, 2, 3], x[2, 1, 1] = math.nan, math.inf, -math.inf
    low, high = channel_limits(x, axis)
    finite = torch.where(torch.isfinite(x), x, 0.0)
    for i in range(x.shape[axis]):
        part = finite.select(axis, i)
        assert (low[i], high[i]) == (part.min().item(), part.max().item())
    low, high = channel_limits(torch.full((2, 2), math.nan), 0)
    assert (low > high).all()
    assert (channel_limits(torch.empty(2, 0), 0)[0] == math.inf).all()


def kinds(findings):
    return [finding.kind for finding in findings]


def test_a_sound_weight_has_no_findings():
    torch.manual_seed(0)
    assert weight_findings("a", torch.randn(8, 20), 0, TensorPlan("fp16")) == ()


def test_every_kind():
    w = torch.rand(8, 20) + 0.1
    w[:, 7] = 1.1  # the absmax of every channel
    assert kinds(weight_findings("a", torch.zeros(3, 4))) == ["all-zero"]
    assert kinds(weight_findings("a", torch.full((3, 4), 2.0))) == ["constant"]
    damaged = w.clone()
    damaged[0, :3], damaged[1, 0] = math.nan, -math.inf
    found = weight_findings("a", damaged)
    assert kinds(found) == ["nan", "inf"]
    assert found[0].text == "3 of 160 values are NaN."
    assert (found[0].layer, found[0].tensor) == ("a", "weight")
    assert kinds(weight_findings("a", torch.full((2, 2), math.nan))) == ["nan"]
    dead = w.clone()
    dead[2:4] = 0
    assert weight_findings("a", dead)[0].text == "2 of 8 channels are always zero."
    wide = w.clone()
    wide[5] *= 48
    found = weight_findings("a", wide)
    assert kinds(found) == ["outlier-channels"]
    assert found[0].text.startswith("One channel is 48× wider")
    assert kinds(weight_findings("a", wide.t(), 1)) == ["outlier-channels"]
    wide[6] *= 48
    assert weight_findings("a", wide)[0].text.startswith("2 channels are up to 48× wider")


@pytest.mark.parametrize("shape", [(0, 5), (5, 0), (0, 0)])
def test_a_tensor_without_values_is_named(shape):
    for axis in (0, 1):
        found = weight_findings("a", torch.empty(shape), axis, TensorPlan("int8"))
        assert kinds(found) == ["empty"]
        assert found[0].text == "There are no values."


def test_denormal_values_are_named():
    w = torch.randn(8, 20) * 1e-40
    assert kinds(weight_findings("a", w)) == ["denormal"]
    w[0] = 0.0
    assert kinds(weight_findings("a", w)) == ["denormal", "dead-channels"]
    assert kinds(weight_findings("a", torch.full((3, 4), -1e-45))) == ["constant", "denormal"]
    w[1, 1] = math.nan
    assert kinds(weight_findings("a", w)) == ["nan", "denormal", "dead-channels"]
    least = torch.rand(8, 20) * 2.0**-127
    least[:, 0] = 2.0**-126  # normal: nothing to say
    assert kinds(weight_findings("a", least)) == []
    assert kinds(weight_findings("a", torch.nextafter(least, torch.zeros(())))) == ["denormal"]


def test_every_odd_input_of_a_quantizer_is_named():
    w = torch.randn(6, 10)
    damaged = {"nan": math.nan, "inf": -math.inf, "extreme-value": 3.4e38}
    odd = {
        kind: w.clone().index_put_((torch.tensor(2), torch.tensor(3)), torch.tensor(x)) for kind, x in damaged.items()
    }
    odd |= {"all-zero": w * 0, "constant": w * 0 + 0.3, "denormal": w * 1e-41, "empty": w[:0]}
    for kind, x in odd.items():
        assert kind in kinds(weight_findings("a", x))


def test_fp16_overflow_only_where_fp16_is_asked_for():
    w = torch.rand(8, 20) * 6e4 + 2e4
    assert kinds(weight_findings("a", w, 0, TensorPlan("fp16"))) == ["fp16-overflow"]
    assert kinds(weight_findings("a", w, 0, TensorPlan("bf16"))) == []
    assert kinds(weight_findings("a", w.clamp(max=65504), 0, TensorPlan("fp16"))) == []


@pytest.mark.parametrize(
    ("name", "reach"),
    [("q4_0", 65520 * 8), ("q5_0", 65520 * 16), ("q8_0", 65520 * 127), ("q6_k", 65520 * 32 * 128),
     ("q4_1", 65520.0), ("q4_k", 65520 * 63)],
)  # fmt: skip
def test_a_scale_beyond_float16_is_named_where_ggml_loses_the_block(name, reach):
    plan = TensorPlan(name)
    for factor, lost in ((0.9, False), (1.1, True)):
        w = torch.randn(2, 256)
        w[1, 7] = -reach * factor
        assert bool(torch.isfinite(quantize_weight(w, plan)[0]).all()) == (not lost)
        assert ("fp16-overflow" in kinds(weight_findings("a", w, 0, plan))) == lost
        assert "fp16-overflow" not in kinds(weight_findings("a", w, 0, TensorPlan("int4")))


def test_an_attention_masks_constant_is_named():
    low, high = np.full(4, -3.4e38), np.ones(4)
    found = tensor_findings("attn", "activation", count=100, channel_low=low, channel_high=high)
    assert kinds(found) == ["extreme-value"]
    assert "-3.4e+38" in found[0].text


def test_the_grid_of_one_scale():
    drawn = grid(choose_qparams(-1.0, 2.0, INT4, False))
    assert drawn.points == pytest.approx([(q - 5) * 0.2 for q in range(16)], abs=1e-6)
    assert (drawn.clip_min, drawn.clip_max, drawn.scales) == (pytest.approx(-1.0), pytest.approx(2.0), 1)


def test_the_grid_of_many_scales_is_the_widest():
    drawn = grid(choose_qparams(-torch.tensor([[1.0], [8.0], [2.0]]), torch.tensor([[1.0], [4.0], [2.0]]), INT8, True))
    assert len(drawn.points) == 256
    assert drawn.points[1] == pytest.approx(-8.0)
    assert drawn.clip_max == pytest.approx(8.0)
    assert drawn.scales == 3


def test_rows_that_llama_cpp_would_store_otherwise():
    def said(columns, name):
        return [(one.kind, one.text) for one in weight_findings("a", torch.randn(4, columns), 0, TensorPlan(name))]

    assert said(256, "q4_k") == said(32, "q4_0") == []
    for columns, name, other in ((160, "q4_k", "q5_0"), (96, "q6_k", "q8_0"), (9, "q4_k", "fp16"), (9, "q8_0", "fp16")):
        ((kind, text),) = said(columns, name)
        assert kind == "row-length"
        assert f"would store {other}" in text
