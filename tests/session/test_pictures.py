"""Which inputs are pictures, and what is kept of them."""

import pytest
import torch

from qdebug.doors import Dataset
from qdebug.session.pictures import LARGEST, picture


def of(*tensors, alike=()):
    inputs = {f"x{index}": tensor for index, tensor in enumerate(tensors)}
    return picture(Dataset(inputs, None, None, "here", frozenset(alike)), 1)


@pytest.mark.parametrize(
    ("shape", "size"),
    [((1, 8, 8), (8, 8, 1)), ((3, 6, 9), (6, 9, 3)), ((6, 9, 3), (6, 9, 3)), ((4, 8, 8), (8, 8, 3)),
     ((2, 8, 8), (8, 8, 1)), ((7, 12), (7, 12, 1)), ((1, 640, 200), (64, 20, 1)), ((3, 65, 65), (32, 32, 3))],
)  # fmt: skip
def test_images_are_pictures(shape, size):
    found = of(torch.rand(2, *shape))
    assert (found.height, found.width, found.channels) == size
    assert len(found.pixels) == size[0] * size[1] * size[2]
    assert max(found.height, found.width) <= LARGEST


@pytest.mark.parametrize("shape", [(), (10,), (16, 8, 8), (3, 2, 2), (2, 3, 8, 8), (1, 5000, 8)])
def test_other_values_are_none(shape):
    assert of(torch.rand(2, *shape)) is None


def test_tokens_and_inputs_for_all_samples_are_none_and_the_first_image_is_taken():
    tokens, mask, image = torch.zeros(2, 8, 8, dtype=torch.int64), torch.rand(8, 8), torch.rand(2, 1, 6, 6)
    assert of(tokens) is None
    assert of(tokens, mask, image, alike=("x1",)).height == 6


def test_pixels_are_stretched_and_in_order():
    values = torch.tensor([[-1.0, 0.0, 1.0, 1.0, 1.0]] * 5)
    assert list(of(torch.stack([values * 0, values])).pixels[:5]) == [0, 128, 255, 255, 255]
    flat = of(torch.full((2, 1, 6, 6), 3.0))
    assert set(flat.pixels) == {0}
    colour = torch.rand(2, 3, 6, 6)
    pixels = torch.tensor(list(of(colour).pixels)).view(6, 6, 3)
    one = colour[1].permute(1, 2, 0)
    expected = ((one - one.min()) / (one.max() - one.min()) * 255).round()
    assert torch.equal(pixels.float(), expected)
