"""Train, fold, plant and write: `python -m sample_models.digits_mobilenet.train` (half a minute of one core)."""

from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import nn

from sample_models.batchnorm import add_batchnorm, fold_batchnorm
from sample_models.digits_data import augment, load_split, write_digits
from sample_models.digits_mobilenet.model import build
from sample_models.fit import accuracy, fit, make_reproducible
from sample_models.planting import plant

SEED = 3
EPOCHS = 40
FOLDER = Path(__file__).parent

# Factor and channels, per layer that makes the channel: the depthwise layers of blocks 1 and 2 carry the fault.
PLANTED = {
    "blocks.1.dw": (256, [10, 22, 52, 128]),
    "blocks.2.dw": (256, [123, 193, 246, 253, 340]),
}
# Block 2 adds to what block 1 made, so these channels are scaled wherever they are written or read. No pair of layers
# inside one block can undo it: this is what cross-layer equalization leaves behind.
PLANTED_STREAM = (64, [23, 27, 43, 49, 52, 53, 57, 61, 75, 76, 85, 92])


def train() -> nn.Module:
    """The trained network, BatchNorm folded, nothing planted yet."""
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


def plant_imbalance(model: nn.Module) -> None:
    """Make channels uneven, in place; all factors are powers of two, so float outputs keep every bit."""
    for name, (factor, channels) in PLANTED.items():
        reader = name.replace(".dw", ".project")
        plant([model.get_submodule(name)], [model.get_submodule(reader)], channels, factor)
    _, first, second, third = model.blocks
    factor, channels = PLANTED_STREAM
    plant([first.project, second.project], [second.expand, third.expand], channels, factor)


def main() -> None:
    """Write weights.safetensors, data.npz and calib.npz next to this file."""
    model = train()
    _, (x, y) = load_split()
    print(f"accuracy before planting {accuracy(model, torch.from_numpy(x), torch.from_numpy(y)):.4f}")
    plant_imbalance(model)
    print(f"accuracy after planting  {accuracy(model, torch.from_numpy(x), torch.from_numpy(y)):.4f}")
    save_file(model.state_dict(), FOLDER / "weights.safetensors")
    write_digits(FOLDER)


if __name__ == "__main__":
    main()
