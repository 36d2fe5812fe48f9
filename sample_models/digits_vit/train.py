"""Train, plant and write: `python -m sample_models.digits_vit.train` (about a minute)."""

from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import nn

from sample_models.digits_data import augment, load_split, write_digits
from sample_models.digits_vit.model import build
from sample_models.fit import accuracy, fit, make_reproducible
from sample_models.planting import plant, plant_offset

SEED = 1
EPOCHS = 100
FOLDER = Path(__file__).parent

# (block, norm, its reader) -> the two channels that become outliers.
PLANTED = {
    (0, "norm1", "attn.qkv"): [1, 2],
    (0, "norm2", "mlp.fc1"): [40, 34],
    (1, "norm1", "attn.qkv"): [59, 57],
    (1, "norm2", "mlp.fc1"): [13, 15],
}
# Scaling alone would be undone by SmoothQuant at any alpha, since it leaves max|X|*max|W| of a channel alone; the
# constants raise that product, so that neither side can take it all: alpha 0 and alpha 1 both fail.
OFFSETS = (160.0, -160.0)
FACTOR = 2


def train() -> nn.Module:
    """The trained network, nothing planted yet."""
    make_reproducible(SEED)
    (x, y), _ = load_split()
    model = build()
    fit(
        model, torch.from_numpy(x), torch.from_numpy(y), epochs=EPOCHS, learning_rate=2e-3, seed=SEED,
        label_smoothing=0.05, augment=augment,
    )  # fmt: skip
    return model.eval()


def plant_outliers(model: nn.Module) -> None:
    """Give the norms outlier channels, in place: constants, then scales; the readers take both back."""
    for (index, norm_name, reader_name), channels in PLANTED.items():
        block = model.blocks[index]
        norm, reader = block.get_submodule(norm_name), block.get_submodule(reader_name)
        for channel, offset in zip(channels, OFFSETS, strict=True):
            plant_offset(norm, reader, [channel], offset)
        plant([norm], [reader], channels, FACTOR)


def main() -> None:
    """Write weights.safetensors, data.npz and calib.npz next to this file."""
    model = train()
    _, (x, y) = load_split()
    print(f"accuracy before planting {accuracy(model, torch.from_numpy(x), torch.from_numpy(y)):.4f}")
    plant_outliers(model)
    print(f"accuracy after planting  {accuracy(model, torch.from_numpy(x), torch.from_numpy(y)):.4f}")
    save_file(model.state_dict(), FOLDER / "weights.safetensors")
    write_digits(FOLDER)


if __name__ == "__main__":
    main()
