"""What a diffusion model makes of noise, in float and quantized."""

from __future__ import annotations

from qdebug.results.base import Result
from qdebug.results.calibration import Picture


class SamplerCard(Result, frozen=True, kw_only=True):
    """How images are drawn from a network that predicts noise (Ho et al. 2020, arXiv 2006.11239).

    Attributes:
        image: the input that takes the noisy image.
        timestep: the input that takes the timestep, 1 to ``steps``.
        steps: how many there are.
        first_beta: the variance added in the first; those between lie on a line.
        last_beta: in the last.
    """

    image: str
    timestep: str
    steps: int
    first_beta: float
    last_beta: float


class SampledStep(Result, frozen=True, kw_only=True):
    """One step of both trajectories.

    Attributes:
        timestep: at which the network is asked.
        own: the quantized network's error on the float trajectory's image: root mean square of the difference of both
            predictions over that of the float one.
        apart: how far the trajectories are apart after the step: root mean square of the difference of both images
            over that of the float one.
    """

    timestep: int
    own: float
    apart: float


class Sampling(Result, frozen=True, kw_only=True):
    """Images drawn by the float and by the quantized network from the same noise.

    Attributes:
        recipe: its digest.
        eta: how much noise the steps add: 0 for DDIM, 1 for DDPM.
        seed: of the noise.
        steps: first the one from pure noise.
        distances: of each image, the root mean square difference of the two results in grey levels, of which the
            training data span 0 to 1.
        float_: the float network's images.
        quantized: the quantized one's.
        seconds: what it took.
    """

    recipe: str
    eta: float
    seed: int
    steps: tuple[SampledStep, ...]
    distances: tuple[float, ...]
    float_: tuple[Picture, ...]
    quantized: tuple[Picture, ...]
    seconds: float
