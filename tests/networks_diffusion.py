"""A small network that predicts noise, and data for it by timestep."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

TIMESTEPS = (2, 10, 30, 100)


class Denoiser(nn.Module):
    """Two convolutions, the timestep added between them."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.last = nn.Conv2d(1, 6, 3, padding=1), nn.Conv2d(6, 1, 3, padding=1)
        self.time = nn.Linear(1, 6)

    def forward(self, image: Tensor, timestep: Tensor) -> Tensor:
        """image ``[N, 1, 8, 8]``, timestep ``[N]`` to ``[N, 1, 8, 8]``."""
        time = self.time(timestep.float().unsqueeze(1) / 100)
        return self.last(torch.relu(self.first(image) + time[:, :, None, None]))


def noisy(count: int, seed: int, *, labels: bool = True) -> dict[str, np.ndarray]:
    """So many images of each timestep, larger at later ones, with random numbers to hit."""
    random = np.random.default_rng(seed)
    timestep = np.tile(np.array(TIMESTEPS), count)
    image = random.normal(size=(len(timestep), 1, 8, 8)) * (0.2 + timestep / 50)[:, None, None, None]
    found = {"image": image.astype(np.float32), "timestep": timestep, "group": timestep}
    return found | ({"labels": random.normal(size=image.shape).astype(np.float32)} if labels else {})
