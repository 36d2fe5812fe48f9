"""scikit-learn's digits as arrays: one fixed split, one normalisation, small npz files.

1797 images of 8x8 pixels, grey levels 0-16 (UCI Optical Recognition of Handwritten Digits, CC BY 4.0).
"""

from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

EVAL_IMAGES = 540
CALIB_IMAGES = 256
SPLIT_SEED = 20240229

Arrays = tuple[np.ndarray, np.ndarray]


def load_split() -> tuple[Arrays, Arrays]:
    """((train images, train labels), (eval images, eval labels)): disjoint, stratified, always the same.

    Images are float32 [N, 1, 8, 8] in 0..1 with ink bright; labels int64 [N]. 1257 train, 540 eval.
    """
    digits = load_digits()
    images = (digits.images / 16.0).astype(np.float32)[:, None]
    labels = digits.target.astype(np.int64)
    train_x, eval_x, train_y, eval_y = train_test_split(
        images, labels, test_size=EVAL_IMAGES, stratify=labels, random_state=SPLIT_SEED
    )
    return (train_x, train_y), (eval_x, eval_y)


def augment(images: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """Each image [N, 1, 8, 8] turned, stretched and moved a little at random; same shape."""

    def uniform(limit: float) -> torch.Tensor:
        return (torch.rand(len(images), generator=generator) * 2 - 1) * limit

    angle, grow_x, grow_y = uniform(0.2), 1 + uniform(0.12), 1 + uniform(0.12)  # radians, ratios
    move_x, move_y = uniform(0.2), uniform(0.2)  # 1.0 is half the image's width
    row_x = torch.stack([angle.cos() * grow_x, -angle.sin() * grow_y, move_x], dim=1)
    row_y = torch.stack([angle.sin() * grow_x, angle.cos() * grow_y, move_y], dim=1)
    grid = F.affine_grid(torch.stack([row_x, row_y], dim=1), list(images.shape), align_corners=False)
    return F.grid_sample(images, grid, align_corners=False)


def write_npz(path: Path, **arrays: np.ndarray) -> None:
    """Write arrays without objects; the same arrays always give the same bytes."""
    for name, array in arrays.items():
        if array.dtype == object:
            raise TypeError(f"{name}: object arrays would need pickle")
    np.savez_compressed(path, **arrays)


def write_digits(folder: Path) -> None:
    """Write data.npz (540 eval images), train.npz (1257) and calib.npz (256 of these): keys images, labels."""
    (train_x, train_y), (eval_x, eval_y) = load_split()
    pick = np.random.default_rng(SPLIT_SEED).permutation(len(train_x))[:CALIB_IMAGES]
    write_npz(folder / "data.npz", images=eval_x, labels=eval_y)
    write_npz(folder / "calib.npz", images=train_x[pick], labels=train_y[pick])
    write_npz(folder / "train.npz", images=train_x, labels=train_y)
