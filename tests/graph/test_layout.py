"""Channels-last: another order in memory, the same numbers."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from qdebug.engine import Overlay, Sheet
from qdebug.session import open as open_model


class Flattening(nn.Module):
    """A convolution whose output is flattened with its channels, as in VGG: the order of values matters there."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.head = nn.Conv2d(3, 6, 3, padding=1), nn.Linear(6 * 16, 5)

    def forward(self, images: Tensor) -> Tensor:
        """``[N, 3, 8, 8]`` to ``[N, 5]``."""
        x = nn.functional.max_pool2d(torch.relu(self.conv(images)), 2)
        return self.head(x.view(x.shape[0], -1))


class Strided(Flattening):
    """The same, looking at strides itself."""

    def forward(self, images: Tensor) -> Tensor:
        """``[N, 3, 8, 8]`` to ``[N, 5]``."""
        x = nn.functional.max_pool2d(torch.relu(self.conv(images)), 2)
        return self.head(torch.as_strided(x, (x.shape[0], 96), (96, 1)))


@pytest.fixture(params=[Flattening, Strided])
def opened(request):
    torch.manual_seed(0)
    model = request.param().eval()
    data = {"images": torch.randn(12, 3, 8, 8), "labels": torch.randint(0, 5, (12,))}
    return model, data, open_model(model, data)._subject


def weight_of(subject):
    return subject.program.state[subject.by_name["conv"].weight]


def test_the_output_is_the_modules_own(opened):
    model, data, subject = opened
    with torch.no_grad():
        expected = model(data["images"])
    (batch,) = subject.eval_batches
    found = subject.engine.output(Sheet(subject.program, subject.layers), batch)
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-6)


def test_weights_lie_channels_last_unless_strides_are_looked_at(opened):
    model, _, subject = opened
    turned = weight_of(subject).is_contiguous(memory_format=torch.channels_last)
    assert turned == (type(model) is Flattening)
    assert torch.equal(weight_of(subject), model.conv.weight)


def test_a_replaced_weight_in_another_order_is_another_cell(opened):
    """Its kernel may differ in the last bit, so it must not stand for the one that is remembered."""
    model, _, subject = opened
    index, content = subject.by_name["conv"].weight, model.conv.weight.detach()
    plain, turned = (
        Sheet(subject.program, subject.layers, Overlay({index: tensor}, {})).keys[index]
        for tensor in (
            content.contiguous(),
            torch.empty_like(content, memory_format=torch.channels_last).copy_(content),
        )
    )
    assert plain != turned


def test_two_models_with_the_same_weights_in_another_order_share_no_cell():
    """All open models share one cache: what the first leaves there must not pass for the second's."""
    torch.manual_seed(0)
    data = {"images": torch.randn(12, 3, 8, 8), "labels": torch.randint(0, 5, (12,))}
    turned, strided = Flattening().eval(), Strided().eval()
    strided.load_state_dict(turned.state_dict())
    for model in (turned, strided):
        subject = open_model(model, data)._subject
        with torch.no_grad():
            expected = model(data["images"])
        found = subject.engine.output(Sheet(subject.program, subject.layers), subject.eval_batches[0])
        torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-6)


def test_data_in_another_order_are_the_same_data():
    model = Strided().eval()
    images, labels = torch.randn(12, 3, 8, 8), torch.randint(0, 5, (12,))
    found = []
    for order in (torch.channels_last, torch.contiguous_format):
        data = {"images": images.contiguous(memory_format=order), "labels": labels}
        subject = open_model(model, data)._subject
        found.append(subject.engine.output(Sheet(subject.program, subject.layers), subject.eval_batches[0]))
    with torch.no_grad():
        torch.testing.assert_close(found, [model(images)] * 2, rtol=1e-5, atol=1e-6)
