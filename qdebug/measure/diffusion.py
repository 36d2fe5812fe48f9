"""The arithmetic of diffusion samplers: schedules, and steps from one timestep to an earlier one."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

BRIGHTEST = 1.0
"""Images without noise lie in minus this to this."""


@dataclass(frozen=True, eq=False)
class Schedule:
    """How much of an image is left at each timestep.

    Attributes:
        kept: float64 ``[steps + 1]``, the share of the image's power, 1 at timestep 0 (ᾱ in Ho et al. 2020,
            arXiv 2006.11239; α in Song et al. 2021, arXiv 2010.02502).
    """

    kept: NDArray[np.float64]

    @staticmethod
    def linear(steps: int, first_beta: float, last_beta: float) -> Schedule:
        """Variances that rise along a line (Ho et al. 2020, section 4)."""
        betas = np.linspace(first_beta, last_beta, steps)
        return Schedule(np.concatenate([[1.0], np.cumprod(1.0 - betas)]))

    @property
    def steps(self) -> int:
        """How many timesteps there are."""
        return len(self.kept) - 1

    def walk(self, count: int) -> tuple[int, ...]:
        """So many timesteps, evenly from the last to the first; all where there are no more."""
        places = np.linspace(self.steps, 1, min(count, self.steps))
        return tuple(int(place) for place in np.round(places))

    def noise(self, here: int, there: int, eta: float) -> float:
        """The standard deviation of the noise that a step adds (Song et al. 2021, equation 16).

        With ``eta`` 1 and neighbouring timesteps this is the smaller choice of Ho et al. 2020, the posterior's.
        """
        now, then = float(self.kept[here]), float(self.kept[there])
        return eta * math.sqrt((1 - then) / (1 - now)) * math.sqrt(max(0.0, 1 - now / then))

    def step(self, image: Tensor, noise: Tensor, here: int, there: int, eta: float, fresh: Tensor | None) -> Tensor:
        """From one timestep to an earlier one (Song et al. 2021, equation 12).

        The clean image that the network means is cut off at ±:data:`BRIGHTEST`, as in the code that came with Ho et al.
        2020, and the noise is then what is left beside it. Without that, an error at a timestep where next to nothing
        of the image is left grows by ``1/√kept``. With ``eta`` 1 and neighbouring timesteps it is their equation 7.

        Args:
            image: ``[N, …]`` at timestep ``here``.
            noise: what the network says is the noise in it.
            here: the timestep.
            there: an earlier one; 0 for the image without noise.
            eta: 0 for DDIM, 1 for DDPM.
            fresh: standard normal noise of the image's shape; none is needed for ``eta`` 0 or timestep 0.
        """
        now, then = float(self.kept[here]), float(self.kept[there])
        spread = self.noise(here, there, eta)
        clean = ((image - math.sqrt(1 - now) * noise) / math.sqrt(now)).clamp(-BRIGHTEST, BRIGHTEST)
        rest = (image - math.sqrt(now) * clean) / math.sqrt(1 - now)
        found = math.sqrt(then) * clean + math.sqrt(max(0.0, 1 - then - spread**2)) * rest
        return found if fresh is None or not spread else found + spread * fresh


def relative_rms(changed: Tensor, reference: Tensor) -> float:
    """Root mean square of a difference over that of the reference; 0 where both are 0."""
    error = float(torch.linalg.vector_norm((changed - reference).double()))
    size = float(torch.linalg.vector_norm(reference.double()))
    return error / size if size else 0.0 if not error else math.inf
