"""Sampler steps against the papers' formulas, written out in float64."""

import math

import numpy as np
import pytest
import torch

from qdebug.measure.diffusion import Schedule, relative_rms

STEPS, FIRST, LAST = 50, 0.002, 0.3


def betas():
    return [FIRST + (LAST - FIRST) * at / (STEPS - 1) for at in range(STEPS)]


def kept(timestep):
    """ᾱ of Ho et al. 2020: the product of 1 − β up to a timestep."""
    return math.prod(1 - beta for beta in betas()[:timestep])


def faint(seed):
    """An image and noise whose clean image is within ±1, so that nothing is cut off."""
    random = torch.Generator().manual_seed(seed)
    clean = torch.rand(2, 1, 4, 4, generator=random, dtype=torch.float64) * 1.8 - 0.9
    noise = torch.randn(2, 1, 4, 4, generator=random, dtype=torch.float64)
    return clean, noise


@pytest.fixture
def schedule():
    return Schedule.linear(STEPS, FIRST, LAST)


def test_what_is_kept_is_the_product_of_what_each_step_keeps(schedule):
    assert schedule.steps == STEPS
    assert schedule.kept.tolist() == pytest.approx([kept(t) for t in range(STEPS + 1)], rel=1e-12)


@pytest.mark.parametrize("here", [1, 2, 17, STEPS])
def test_a_step_with_eta_1_is_algorithm_2_of_ho(schedule, here):
    clean, noise = faint(here)
    image = math.sqrt(kept(here)) * clean + math.sqrt(1 - kept(here)) * noise
    fresh = torch.randn(image.shape, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    beta = betas()[here - 1]
    mean = (image - beta / math.sqrt(1 - kept(here)) * noise) / math.sqrt(1 - beta)
    spread = math.sqrt((1 - kept(here - 1)) / (1 - kept(here)) * beta)  # the posterior's, their section 3.2
    found = schedule.step(image, noise, here, here - 1, 1.0, fresh)
    torch.testing.assert_close(found, mean + spread * fresh, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize(("here", "there"), [(50, 40), (40, 3), (3, 0), (7, 6)])
@pytest.mark.parametrize("eta", [0.0, 0.4])
def test_a_step_is_equation_12_of_song(schedule, here, there, eta):
    clean, noise = faint(here)
    image = math.sqrt(kept(here)) * clean + math.sqrt(1 - kept(here)) * noise
    fresh = torch.ones_like(image)
    ratio = (1 - kept(there)) / (1 - kept(here)) * (1 - kept(here) / kept(there))
    spread = eta * math.sqrt(ratio)
    wanted = math.sqrt(kept(there)) * (image - math.sqrt(1 - kept(here)) * noise) / math.sqrt(kept(here))
    wanted = wanted + math.sqrt(1 - kept(there) - spread**2) * noise + spread * fresh
    assert schedule.noise(here, there, eta) == pytest.approx(spread, rel=1e-12)
    torch.testing.assert_close(schedule.step(image, noise, here, there, eta, fresh), wanted, rtol=1e-9, atol=1e-9)


def test_a_step_with_a_clean_image_beyond_the_brightest_is_equation_7_of_ho(schedule):
    here, image, noise = 30, torch.full((1, 1, 2, 2), 3.0, dtype=torch.float64), torch.zeros(1, 1, 2, 2)
    alpha = 1 - betas()[here - 1]
    clean = 1.0  # 3 / √ᾱ is far beyond it
    mean = (math.sqrt(kept(here - 1)) * betas()[here - 1] * clean
            + math.sqrt(alpha) * (1 - kept(here - 1)) * image) / (1 - kept(here))  # fmt: skip
    found = schedule.step(image, noise.double(), here, here - 1, 1.0, torch.zeros_like(image))
    torch.testing.assert_close(found, mean, rtol=1e-9, atol=1e-9)


def test_the_true_noise_leads_back_to_the_image(schedule):
    clean, noise = faint(3)
    image, places = math.sqrt(kept(STEPS)) * clean + math.sqrt(1 - kept(STEPS)) * noise, schedule.walk(8)
    for here, there in zip(places, (*places[1:], 0), strict=True):
        image = schedule.step(image, noise, here, there, 0.0, None)
    torch.testing.assert_close(image, clean, rtol=1e-7, atol=1e-7)


def test_a_walk_goes_from_the_last_timestep_to_the_first(schedule):
    assert schedule.walk(STEPS) == tuple(range(STEPS, 0, -1)) == schedule.walk(999)
    few = schedule.walk(6)
    assert (few[0], few[-1], len(few)) == (STEPS, 1, 6)
    assert np.all(np.diff(few) < 0)
    assert schedule.walk(1) == (STEPS,)


def test_relative_rms_is_that_of_the_difference():
    assert relative_rms(torch.tensor([3.0, 4.0]), torch.tensor([0.0, 4.0])) == pytest.approx(0.75)
    assert relative_rms(torch.zeros(2), torch.zeros(2)) == 0
    assert relative_rms(torch.ones(2), torch.zeros(2)) == math.inf
