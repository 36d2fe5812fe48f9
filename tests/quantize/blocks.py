"""Seeded blocks of 256 values for the block formats, by what is hard about them."""

from __future__ import annotations

import numpy as np


def families(count: int, seed: int = 0) -> dict[str, np.ndarray]:
    """``count`` blocks of each family, ``[count, 256]`` float32, finite."""
    rng = np.random.default_rng(seed)
    shape = (count, 256)
    gaussian = rng.standard_normal(shape)
    outlier = 0.01 * gaussian
    outlier[np.arange(count), rng.integers(0, 256, count)] = 50
    # So far out that which first guess of the scale is best is nearly chance, and every one is best somewhere.
    outliers = gaussian.reshape(-1, 16, 16).copy()
    outliers[:, :, 0] = 20 * np.abs(outliers).max(axis=2)
    # The corners fix the first guess of the scale at a power of two, so that halves lie exactly between two codes.
    ties = rng.integers(-32, 32, (count, 16, 16)) / 2
    ties[:, :, 0], ties[:, :, 1] = -32, 31
    nibble_ties = rng.integers(0, 31, (count, 8, 32)) / 2
    nibble_ties[:, :, 0], nibble_ties[:, :, 1] = 0, 15
    found = {
        "gaussian": gaussian,
        "heavy-tailed": rng.standard_t(2, shape),
        "heavier-tailed": np.clip(rng.standard_cauchy(shape) ** 3, -1e38, 1e38),
        "one outlier": outlier,
        "an outlier in every run": outliers,
        "sparse": np.where(rng.random(shape) < 0.95, 0, gaussian),
        "all negative": -np.abs(gaussian) - 0.1,
        "all positive": np.abs(gaussian) + 0.1,
        "far from zero": np.where(rng.random((count, 1)) < 0.5, -100, 100) + 1e-3 * gaussian,
        "scales of many sizes": (gaussian.reshape(-1, 16, 16) * 10.0 ** rng.uniform(-12, 3, (count, 16, 1))),
        "around the smallest scale": gaussian.reshape(-1, 16, 16) * 10.0 ** rng.uniform(-16, -14, (count, 16, 1)),
        "ties of six bits": ties,
        "ties of four bits": nibble_ties,
        "constant": np.repeat(rng.standard_normal((count, 1)), 256, axis=1),
        "constant runs": np.repeat(rng.standard_normal((count, 8)), 32, axis=1),
        "zero": np.zeros(shape),
        "minus zero": np.full(shape, -0.0),
        "zeros of both signs": np.where(rng.random(shape) < 0.5, -0.0, 0.0),
        "denormal": 1e-40 * gaussian,
        "scale overflows": 1e6 * gaussian,
        "squares overflow": 1e37 * gaussian,
    }
    return {name: np.ascontiguousarray(x.reshape(shape), np.float32) for name, x in found.items()}
