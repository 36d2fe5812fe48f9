"""Drawing images from a diffusion model, in float and quantized, from the same noise."""

from __future__ import annotations

import hashlib
import time

import torch
from torch import Tensor

from qdebug.engine import Batch, Sheet, Work
from qdebug.errors import UsageError
from qdebug.measure.diffusion import Schedule, relative_rms
from qdebug.recipes import Recipe
from qdebug.results import Picture, SampledStep, SamplerCard, Sampling
from qdebug.session.memo import Memo
from qdebug.session.pictures import image_of
from qdebug.session.prepare import Preparer
from qdebug.session.subject import Subject, padded

MOST_IMAGES = 64


class Sampler:
    """Walks from noise to images with any sheet of a subject that has a sampler's card."""

    def __init__(self, subject: Subject, preparer: Preparer) -> None:
        self._subject, self._preparer = subject, preparer
        self._known: Memo[Sampling] = Memo(64)

    def sample(self, recipe: Recipe, images: int, steps: int, eta: float, seed: int, work: Work) -> Sampling:
        """Images of both networks.

        Args:
            recipe: the quantized network's.
            images: how many.
            steps: how many times each network is asked for each.
            eta: 0 for DDIM, 1 for DDPM.
            seed: of the noise, which both share.
            work: progress and cancel.

        Raises:
            UsageError: the model has no sampler, or a number makes no sense.
        """
        card = self._subject.info.sampler
        if card is None:
            raise UsageError(
                "This model says nothing of how images are drawn from it",
                do="Samples with a sampler are diffusion models; of those that come with qdebug, digits-ddpm.",
            )
        if not 1 <= images <= MOST_IMAGES:
            raise UsageError(f"{images} images", do=f"Ask for 1 to {MOST_IMAGES}.")
        if not 1 <= steps <= card.steps:
            raise UsageError(f"{steps} steps", do=f"The model has {card.steps} timesteps: ask for 1 to {card.steps}.")
        if not 0 <= eta <= 1:
            raise UsageError(f"eta is {eta:g}", do="Give 0 (DDIM) to 1 (DDPM).")
        key = (recipe.digest, images, steps, eta, seed)
        return self._known.get(key, lambda: self._sample(recipe, card, images, steps, eta, seed, work))

    def _sample(
        self, recipe: Recipe, card: SamplerCard, images: int, steps: int, eta: float, seed: int, work: Work
    ) -> Sampling:
        start = time.perf_counter()
        plain, sheet = self._preparer.float_sheet, self._preparer.sheet(recipe, work)
        schedule = Schedule.linear(card.steps, card.first_beta, card.last_beta)
        random = torch.Generator().manual_seed(seed)
        shape = (images, *self._subject.data.inputs[card.image].shape[1:])
        one = two = torch.randn(shape, generator=random)
        places = schedule.walk(steps)
        rows: list[SampledStep] = []
        for done, (here, there) in enumerate(zip(places, (*places[1:], 0), strict=True)):
            work.step(done, len(places), f"drawing images, timestep {here}")
            fresh = torch.randn(shape, generator=random) if eta else None
            said, same = (self._noise(each, card, one, here, work) for each in (plain, sheet))
            other = self._noise(sheet, card, two, here, work)
            one = schedule.step(one, said, here, there, eta, fresh)
            two = schedule.step(two, other, here, there, eta, fresh)
            rows.append(SampledStep(timestep=here, own=relative_rms(same, said), apart=relative_rms(two, one)))
        apart = (two - one).double().flatten(1).square().mean(1).sqrt() / 2  # from -1 … 1 to grey levels
        return Sampling(
            recipe=recipe.digest, eta=eta, seed=seed, steps=tuple(rows), distances=tuple(apart.tolist()),
            float_=_pictures(one), quantized=_pictures(two), seconds=time.perf_counter() - start,
        )  # fmt: skip

    def _noise(self, sheet: Sheet, card: SamplerCard, image: Tensor, timestep: int, work: Work) -> Tensor:
        """What the network under a sheet says is the noise. Nobody asks for these values again: none is kept."""
        size = self._subject.program.batch or len(image)
        parts: list[Tensor] = []
        for rows in image.split(size):
            kind = self._subject.data.inputs[card.timestep].dtype
            inputs = {card.image: rows, card.timestep: torch.full((len(rows),), timestep, dtype=kind)}
            content = rows.contiguous().numpy().tobytes() + f"{timestep}:{tuple(rows.shape)}".encode()
            key = hashlib.blake2b(content, digest_size=16, person=b"sampler").digest()
            batch = Batch(key, padded(inputs, (), size), len(rows), size)
            parts.append(self._subject.engine.output(sheet, batch, work, remember=False))
        return torch.cat(parts)


def _pictures(images: Tensor) -> tuple[Picture, ...]:
    """Values of -1 … 1 as grey levels, the same for all; what lies beyond is cut off."""
    levels = ((images.clamp(-1, 1) + 1) * 127.5).round().to(torch.uint8)
    return tuple(image_of(one) for one in levels)
