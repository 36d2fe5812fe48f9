"""Train, fold and write: `python -m sample_models.digits_resnet.train` (under a minute)."""

from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import nn

from sample_models.batchnorm import add_batchnorm, fold_batchnorm
from sample_models.digits_data import augment, load_split, write_digits
from sample_models.digits_resnet.model import build
from sample_models.fit import accuracy, fit, make_reproducible

SEED = 3
EPOCHS = 25
FOLDER = Path(__file__).parent


def train() -> nn.Module:
    """The trained network, BatchNorm folded."""
    make_reproducible(SEED)
    (x, y), _ = load_split()
    model = build()
    add_batchnorm(model)
    fit(
        model, torch.from_numpy(x), torch.from_numpy(y), epochs=EPOCHS, learning_rate=4e-3, seed=SEED,
        label_smoothing=0.05, augment=augment,
    )  # fmt: skip
    fold_batchnorm(model)
    return model.eval()


def main() -> None:
    """Write weights.safetensors, data.npz and calib.npz next to this file."""
    model = train()
    _, (x, y) = load_split()
    print(f"accuracy {accuracy(model, torch.from_numpy(x), torch.from_numpy(y)):.4f}")
    save_file(model.state_dict(), FOLDER / "weights.safetensors")
    write_digits(FOLDER)


if __name__ == "__main__":
    main()
