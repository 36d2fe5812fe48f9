"""Train on a long tail and write: `python -m sample_models.digits_longtail.train` (half a minute of one core)."""

from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save_file
from torch import nn

from sample_models.batchnorm import add_batchnorm, fold_batchnorm
from sample_models.digits_data import CALIB_IMAGES, augment, load_split, write_npz
from sample_models.digits_longtail.model import build
from sample_models.fit import accuracy, fit, make_reproducible

SEED = 3
EPOCHS = 60
FOLDER = Path(__file__).parent

ORDER = (0, 6, 4, 2, 5, 7, 3, 9, 1, 8)
"""Digits from the most to the least common: the rarest are those that are hard to tell apart."""
MOST, LEAST = 124, 4
"""Training images of the first and of the last; those between fall by a constant factor."""
GROUPS = {"common": ORDER[:4], "medium": ORDER[4:7], "rare": ORDER[7:]}


def counts() -> dict[int, int]:
    """Training images per digit: 124, 85, 58, 39, 27, 18, 13, 9, 6, 4."""
    falling = MOST * (LEAST / MOST) ** (np.arange(len(ORDER)) / (len(ORDER) - 1))
    return {digit: round(float(number)) for digit, number in zip(ORDER, falling, strict=True)}


def long_tail() -> tuple[np.ndarray, np.ndarray]:
    """The training images and labels that are left: the first so many of each digit."""
    (x, y), _ = load_split()
    kept = np.sort(np.concatenate([np.flatnonzero(y == digit)[:number] for digit, number in counts().items()]))
    return x[kept], y[kept]


def train() -> nn.Module:
    """The trained network, BatchNorm folded."""
    make_reproducible(SEED)
    x, y = long_tail()
    model = build()
    add_batchnorm(model)
    fit(
        model, torch.from_numpy(x), torch.from_numpy(y), epochs=EPOCHS, learning_rate=4e-3, seed=SEED, batch=32,
        augment=augment,
    )  # fmt: skip
    fold_batchnorm(model)
    return model.eval()


def write_data() -> None:
    """data.npz: all 540 evaluation images, with the group of each; train.npz: the long tail; calib.npz: 256 of it."""
    x, y = long_tail()
    pick = np.random.default_rng(SEED).permutation(len(x))[:CALIB_IMAGES]
    _, (eval_x, eval_y) = load_split()
    of = {digit: name for name, digits in GROUPS.items() for digit in digits}
    group = np.array([of[int(label)] for label in eval_y])
    write_npz(FOLDER / "data.npz", images=eval_x, labels=eval_y, group=group)
    write_npz(FOLDER / "calib.npz", images=x[pick], labels=y[pick])
    write_npz(FOLDER / "train.npz", images=x, labels=y)


def main() -> None:
    """Write weights.safetensors, data.npz, calib.npz and train.npz next to this file."""
    model = train()
    _, (x, y) = load_split()
    print(f"training images {counts()}")
    print(f"accuracy {accuracy(model, torch.from_numpy(x), torch.from_numpy(y)):.4f}")
    save_file(model.state_dict(), FOLDER / "weights.safetensors")
    write_data()


if __name__ == "__main__":
    main()
