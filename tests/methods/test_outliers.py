"""Outlier channels kept in half precision: which, what the layer then computes, and how much it takes."""

from __future__ import annotations

import pytest
import torch

from qdebug.engine import Work
from qdebug.methods.outliers import outliers
from qdebug.quantize import Without, fake_quantize_activation, quantize_weight
from qdebug.recipes import Gptq, LayerPlan, Outliers, Recipe, parse_activation_format, parse_plan, parse_weight_format
from qdebug.session import open as open_model
from tests.networks import Residual, data_for, seeded

WIDE = (3, 12)


class Mlp(torch.nn.Module):
    """A convolution and a linear layer, both of which read channels that are far wider than the rest."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = torch.nn.Conv2d(16, 24, 3, padding=1)
        self.fc = torch.nn.Linear(24, 10)

    def forward(self, images):
        return self.fc(torch.relu(self.conv(images)).mean((2, 3)))


def opened(seed=0):
    torch.manual_seed(seed)
    net = Mlp().eval()
    images = torch.randn(32, 16, 6, 6).clamp(-3, 3)
    images[:, list(WIDE)] *= 20
    return open_model(net, {"images": images, "labels": torch.zeros(32, dtype=torch.int64)})


def the(session, name):
    return next(one for one in session.subject.layers if one.name == name)


def read(session, sheet, index):
    batch = session.subject.calib_batches[0]
    return session.subject.engine.values(sheet, batch, (index,))[index]


def test_channels_above_the_threshold_are_kept_or_the_largest():
    peaks = torch.tensor([1.0, 7.0, 6.0, 9.0, 0.0])
    assert outliers(peaks, 6.0, 0.0) == (1, 3)
    assert outliers(peaks, 6.0, 20.0) == (3,)
    assert outliers(peaks, 6.0, 21.0) == (1, 3)
    assert outliers(peaks, 100.0, 0.0) == ()


@pytest.mark.parametrize("text", ["int8", "int4-tok", "int8-dyn", "fp8_e4m3fn"])
@pytest.mark.parametrize("fixes", [(Outliers(threshold=20),), (Outliers(threshold=20), Gptq())])
def test_a_convolution_is_the_sum_of_its_quantized_and_its_half_precision_part(text, fixes):
    plan = LayerPlan(parse_weight_format("int4-pc"), parse_activation_format(text))
    session = opened()
    sheet, layer = session.preparer.sheet(Recipe(default=plan, fixes=fixes), Work()), the(session, "conv")
    cache, kept = session.subject.engine.cache, list(WIDE)
    x, weight, bias = (
        read(session, sheet, layer.x), sheet.constant(layer.weight, cache), sheet.constant(layer.bias, cache)
    )  # fmt: skip
    quant, rest = sheet.quants[layer.step], [one for one in range(16) if one not in WIDE]
    assert quant.basis == Without(WIDE, layer.channel_axis)
    without = x.clone()
    without[:, kept] = 0
    inside = fake_quantize_activation(without, plan.activation, quant.activation, layer.channel_axis)
    inside[:, kept] = 0
    rounded = sheet.rounded(layer.step)
    assert not rounded.values[:, kept].any() and not rounded.side[:, rest].any()
    assert torch.equal(rounded.side[:, kept], weight[:, kept].half().float())
    if len(fixes) == 1:
        zeroed = weight.clone()
        zeroed[:, kept] = 0
        assert torch.equal(rounded.values, quantize_weight(zeroed, plan.weight)[0])
    expected = torch.nn.functional.conv2d(inside, rounded.values, bias, padding=1)
    expected += torch.nn.functional.conv2d(x[:, kept], weight[:, kept].half().float(), padding=1)
    assert torch.allclose(read(session, sheet, layer.step), expected, atol=2e-5 * float(expected.abs().max()))


def test_a_static_range_is_calibrated_without_the_channels_that_are_kept():
    session = opened()
    layer = the(session, "conv")
    sheet = session.preparer.sheet(Recipe(default=parse_plan("w8a8"), fixes=(Outliers(threshold=20),)), Work())
    x = read(session, session.preparer.float_sheet, layer.x)
    rest = x[:, [one for one in range(16) if one not in WIDE]]
    assert float(sheet.quants[layer.step].activation.scale) == pytest.approx(
        float(rest.max() - rest.min()) / 255, rel=1e-5
    )


def test_a_layer_without_outliers_is_left_as_it_is():
    session = opened()
    sheet = session.preparer.sheet(Recipe(default=parse_plan("w8a8"), fixes=(Outliers(threshold=1e6),)), Work())
    plain = session.preparer.sheet(Recipe(default=parse_plan("w8a8")), Work())
    assert sheet.keys == plain.keys


def test_all_channels_may_be_kept():
    session = opened()
    sheet = session.preparer.sheet(Recipe(default=parse_plan("w4a4"), fixes=(Outliers(keep=100),)), Work())
    for layer in session.subject.layers:
        expected = read(session, session.preparer.float_sheet, layer.step)
        assert torch.allclose(read(session, sheet, layer.step), expected, atol=2e-3 * float(expected.abs().max()))


@pytest.mark.parametrize("plan", ["w4a4", "w8a8", "w4a8-dyn"])
def test_every_layer_is_nearer_to_float_than_by_rounding_all_of_it(plan):
    session = opened()
    errors = []
    for fixes in ((), (Outliers(keep=15),)):
        sheet = session.preparer.sheet(Recipe(default=parse_plan(plan), fixes=fixes), Work())
        layer = the(session, "conv")
        off = read(session, sheet, layer.step) - read(session, session.preparer.float_sheet, layer.step)
        errors.append(float(off.square().sum()))
    assert errors[1] < 0.1 * errors[0]


def test_what_is_kept_is_counted():
    session = opened()
    plain = session.score(Recipe(default=parse_plan("w4a8"))).size
    fixed = session.score(Recipe(default=parse_plan("w4a8"), fixes=(Outliers(threshold=20),))).size
    bits = 24 * 9 * 2 * 16 + 2 * 32
    assert fixed.quantized_bytes - plain.quantized_bytes == bits // 8
    assert fixed.bits_per_weight - plain.bits_per_weight == pytest.approx(bits / session.subject.info.params)


def test_a_grouped_convolution_says_why_not():
    session = open_model(seeded(Residual), data_for(Residual))
    found = session.preparer.repairs.places(Recipe(default=parse_plan("w8a8")), Outliers())
    assert {layer.name: reason and "group" in reason for layer, reason in found}["dw"]
    assert [layer.name for layer, reason in found if reason is None] == ["stem", "pw", "head"]
