"""Models that say a class for every pixel, from labels to the sentence."""

import pytest
import torch
from torch import nn

from qdebug.cli.evaluate import describe
from qdebug.recipes import Recipe
from qdebug.session import open as open_model


class Segmenter(nn.Module):
    def __init__(self):
        super().__init__()
        self.wide, self.classes = nn.Conv2d(3, 8, 3, padding=1), nn.Conv2d(8, 4, 1)

    def forward(self, images):
        """``[N, 3, H, W]`` to ``[N, 4, H, W]``."""
        return self.classes(torch.relu(self.wide(images)))


@pytest.fixture(scope="module")
def session():
    torch.manual_seed(0)
    model, images = Segmenter().eval(), torch.randn(10, 3, 9, 7)
    labels = model(images).argmax(1).detach()
    labels[:, 0] = 255
    return open_model(model, {"images": images, "labels": labels})


def test_pixels_are_scored(session):
    assert session.info().task == "segmentation"
    metric = session.score("w4a8").metric
    assert (metric.name, metric.n, metric.predictions) == ("pixel_accuracy", 10, 10 * 8 * 7)
    assert metric.float_ == 1.0
    assert metric.quantized == pytest.approx(1 - metric.flips / 560)
    assert 0 < metric.flips < 560
    assert metric.ci95[0] < metric.delta < metric.ci95[1]
    assert session.score(Recipe()).metric.delta == 0


def test_text_says_pixels(session):
    text = describe(session.evaluate("w4a8"), session.verdict("w4a8"))
    assert "pixel accuracy" in text
    assert "560 pixels changed" in text
    assert "Nothing is lost: pixel accuracy" in session.verdict(Recipe()).text
