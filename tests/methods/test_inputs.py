"""What layers multiply with: rows times the weight's rows give what the operator gives."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from qdebug.engine import Work
from qdebug.methods.inputs import cross_moments, design_of, hessians
from qdebug.quantize import rows
from qdebug.recipes import Gpfq, Gptq, Recipe, parse_plan
from qdebug.session import open as open_model

LINE = {"x": (12, 4, 9), "layers": {
    "plain": nn.Conv1d(4, 6, 3),
    "strided": nn.Conv1d(4, 6, 3, stride=2, padding=2, dilation=2),
    "grouped": nn.Conv1d(4, 6, 3, padding=1, groups=2),
    "same": nn.Conv1d(4, 6, 4, padding="same"),
    "transposed": nn.ConvTranspose1d(4, 6, 3),
    "transposed_strided": nn.ConvTranspose1d(4, 6, 4, stride=3, padding=1, output_padding=1, dilation=2),
    "transposed_cut": nn.ConvTranspose1d(4, 6, 2, stride=2, padding=3),
}}  # fmt: skip
PLANE = {"x": (12, 4, 7, 9), "layers": {
    "plain": nn.Conv2d(4, 6, (3, 2), stride=(2, 1), padding=(1, 0)),
    "same": nn.Conv2d(4, 6, (2, 3), padding="same"),
    "valid": nn.Conv2d(4, 6, 3, padding="valid", stride=2),
    "transposed": nn.ConvTranspose2d(4, 6, (3, 2)),
    "transposed_strided": nn.ConvTranspose2d(4, 6, (3, 4), stride=(2, 3), padding=(1, 0), output_padding=(1, 2)),
}}  # fmt: skip


class One(nn.Module):
    """One layer, and the mean of its outputs for classes."""

    def __init__(self, layer):
        super().__init__()
        self.layer = layer

    def forward(self, x):
        return self.layer(x).flatten(2).mean(2)


def opened(layer, shape):
    torch.manual_seed(0)
    nn.init.normal_(layer.weight)
    x = torch.randn(shape).cumsum(-1)  # neighbours are alike
    return open_model(One(layer).eval(), {"x": x, "labels": torch.randint(0, 6, shape[:1])})


CASES = [(kind["x"], name, layer) for kind in (LINE, PLANE) for name, layer in kind["layers"].items()]


@pytest.mark.parametrize(("shape", "name", "layer"), CASES, ids=[f"{len(x)}d-{name}" for x, name, _ in CASES])
def test_rows_times_weights_are_the_layers_output(shape, name, layer):
    session = opened(layer, shape)
    subject = session.subject
    found = subject.layers[0]
    design = design_of(subject.engine, found)
    assert design is not None
    batch = subject.calib_batches[0]
    values = subject.engine.values(session.preparer.float_sheet, batch, (found.x, found.step))
    x, output = batch.real_rows(values[found.x]), batch.real_rows(values[found.step])
    weight = rows(layer.weight.detach(), found.out_axis)
    products = design.products(design.rows(x), weight)  # [groups, samples · places, outputs of a group]
    expected = (output - layer.bias.detach().view(-1, *[1] * (output.dim() - 2))).flatten(2).transpose(1, 2)
    expected = expected.reshape(-1, len(products), products.shape[2]).transpose(0, 1)
    assert torch.allclose(products, expected, rtol=1e-4, atol=1e-3)


@pytest.mark.parametrize("fix", [Gptq(), Gpfq()])
def test_a_transposed_convolution_is_rounded_along_its_inputs(fix):
    session = opened(nn.ConvTranspose1d(4, 6, 3, stride=2), (24, 4, 9))
    plain = Recipe(default=parse_plan("w3a16"))
    sheets = [session.preparer.sheet(one, Work()) for one in (plain, Recipe(default=plain.default, fixes=(fix,)))]
    step, batch = session.subject.layers[0].step, session.subject.calib_batches[0]
    meant, nearest, fixed = (
        session.subject.engine.values(sheet, batch, (step,))[step] for sheet in (session.preparer.float_sheet, *sheets)
    )
    assert float((fixed - meant).square().sum()) < float((nearest - meant).square().sum())


def test_a_transposed_convolution_in_groups_is_left_alone():
    session = opened(nn.ConvTranspose1d(4, 6, 3, groups=2), (12, 4, 9))
    assert design_of(session.subject.engine, session.subject.layers[0]) is None


def test_cross_moments_are_means_of_products_of_both_sheets_rows():
    session = opened(nn.Conv1d(4, 6, 3, groups=2), (24, 4, 9))
    subject = session.subject
    design = design_of(subject.engine, subject.layers[0])
    float_sheet, sheet = session.preparer.float_sheet, session.preparer.sheet(Recipe(parse_plan("w4a4")), Work())
    found = cross_moments(subject.engine, [design], sheet, float_sheet, subject.calib_batches, Work())
    gram, cross = found[design.layer.step]
    seen = [subject.engine.values(float_sheet, one, (design.layer.x,)) for one in subject.calib_batches]
    x = torch.cat([one.real_rows(v[design.layer.x]) for one, v in zip(subject.calib_batches, seen, strict=True)])
    rounded = design.rows(sheet.quants[design.layer.step].activate(x)).double()
    meant = design.rows(x).double()
    assert torch.allclose(cross, rounded.transpose(1, 2) @ meant / meant.shape[1], rtol=1e-4, atol=1e-4)
    assert torch.allclose(gram, rounded.transpose(1, 2) @ rounded / meant.shape[1], rtol=1e-4, atol=1e-4)
    same = hessians(subject.engine, [design], sheet, subject.calib_batches, Work())
    assert torch.equal(same[design.layer.step], gram)
