"""The sampler on the engine, against the module itself in a loop of its own."""

import math

import numpy as np
import pytest
import torch

from qdebug.doors import load_sample
from qdebug.errors import UsageError
from qdebug.session import open as open_model


@pytest.fixture(scope="module")
def session():
    return open_model("digits-ddpm")


def drawn_by_hand(images, places, eta, seed):
    """Song et al. 2021, equation 12, in float64 around the module; what it says is clean is cut off at ±1."""
    module = load_sample("digits-ddpm").module
    kept = np.concatenate([[1.0], np.cumprod(1 - np.linspace(0.001, 0.2, 100))])
    random = torch.Generator().manual_seed(seed)
    image = torch.randn(images, 1, 8, 8, generator=random)
    for here, there in zip(places, (*places[1:], 0), strict=True):
        fresh = torch.randn(image.shape, generator=random) if eta else torch.zeros_like(image)
        with torch.no_grad():
            noise = module(image, torch.full((images,), here)).double()
        now, then = kept[here], kept[there]
        clean = ((image - math.sqrt(1 - now) * noise) / math.sqrt(now)).clamp(-1, 1)
        rest = (image - math.sqrt(now) * clean) / math.sqrt(1 - now)
        spread = eta * math.sqrt((1 - then) / (1 - now) * (1 - now / then))
        image = (math.sqrt(then) * clean + math.sqrt(1 - then - spread**2) * rest + spread * fresh).float()
    return image


@pytest.mark.parametrize(("steps", "eta"), [(6, 0.0), (4, 1.0)])
def test_the_float_images_are_the_modules_own(session, steps, eta):
    found = session.sample("w8a8", images=3, steps=steps, eta=eta, seed=5)
    places = [step.timestep for step in found.steps]
    image = drawn_by_hand(3, places, eta, 5)
    levels = ((image.clamp(-1, 1) + 1) * 127.5).round()
    for at, picture in enumerate(found.float_):
        assert (picture.height, picture.width, picture.channels) == (8, 8, 1)
        given = np.frombuffer(picture.pixels, np.uint8).astype(float)
        assert np.abs(given - levels[at].flatten().numpy()).max() <= 1


def test_a_float_recipe_draws_the_same_images(session):
    found = session.sample("w32a32", images=2, steps=3)
    assert found.float_ == found.quantized
    assert all(step.own == step.apart == 0 for step in found.steps)
    assert found.distances == (0.0, 0.0)


def test_fewer_bits_part_the_trajectories_further(session):
    fine, coarse = (session.sample(name, images=4, steps=8) for name in ("w8a8", "w8a4"))
    assert coarse.steps[-1].apart > 2 * fine.steps[-1].apart > 0
    assert sum(coarse.distances) > sum(fine.distances)
    assert session.sample("w8a4", images=4, steps=8) is coarse


def test_nothing_of_a_drawing_is_remembered(session):
    session.sample("w8a8", images=2, steps=2, seed=1)
    before = session.cache_stats()
    session.sample("w8a8", images=2, steps=4, seed=2)
    assert session.cache_stats().bytes == before.bytes


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        ({"images": 0}, "0 images"),
        ({"images": 65}, "65 images"),
        ({"steps": 101}, "101 steps"),
        ({"eta": 2.0}, "eta is 2"),
    ],
)
def test_nonsense_is_refused(session, asked, words):
    with pytest.raises(UsageError, match=words):
        session.sample("w8a8", **asked)


def test_other_models_have_no_sampler():
    with pytest.raises(UsageError, match="says nothing of how images are drawn"):
        open_model("digits-resnet").sample("w8a8")
