"""Train, plant and write: `python -m sample_models.pydoc_gpt.train` (about twelve minutes on two cores)."""

from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save_file
from torch import nn

from sample_models.digits_data import write_npz
from sample_models.fit import fit, make_reproducible, perplexity
from sample_models.planting import scale_inputs, scale_outputs
from sample_models.pydoc_gpt.model import CONTEXT, build
from sample_models.pydoc_gpt.topics import (
    CALIB_SEQUENCES,
    EVAL_SEQUENCES,
    load_topics,
    spread_windows,
    training_windows,
)

SEED = 1
EPOCHS = 10  # of half-overlapping windows: every byte is seen twenty times
FOLDER = Path(__file__).parent

# (block, norm, its reader) -> the first of 32 channels whose weights become outliers. The 32 make up one whole group
# of consecutive input features, so one scale per group of 32 sees nothing unusual.
PLANTED = {
    (1, "norm1", "attn.qkv"): 0,
    (1, "norm2", "mlp.fc1"): 64,
    (2, "norm1", "attn.qkv"): 96,
    (2, "norm2", "mlp.fc1"): 128,
}
GROUP = 32
FACTOR = 16


def train() -> nn.Module:
    """The trained network, nothing planted yet."""
    make_reproducible(SEED, threads=2)
    text, _ = load_topics()
    tokens, labels = training_windows(text, CONTEXT, CONTEXT // 2)
    model = build()
    for module in model.modules():
        if isinstance(module, nn.Linear | nn.Embedding):
            nn.init.normal_(module.weight, std=0.04)
    fit(model, tokens, labels, epochs=EPOCHS, learning_rate=3e-3, seed=SEED, batch=32, weight_decay=0.1)
    return model.eval()


def plant_outliers(model: nn.Module) -> None:
    """Move scale from the norms into the weights behind them, in place; float outputs keep every bit."""
    for (index, norm, reader), first in PLANTED.items():
        channels = slice(first, first + GROUP)
        scale_outputs(model.blocks[index].get_submodule(norm), channels, 1 / FACTOR)
        scale_inputs(model.blocks[index].get_submodule(reader), channels, FACTOR)


def write_training_windows(text: np.ndarray) -> None:
    """Write train.npz: the training topics in windows that do not overlap, as bytes."""
    tokens, labels = (part.numpy().astype(np.uint8) for part in training_windows(text, CONTEXT, CONTEXT))
    write_npz(FOLDER / "train.npz", tokens=tokens, labels=labels)


def main() -> None:
    """Write weights, data.npz (held-out topics), calib.npz and train.npz (training topics) next to this file."""
    training, held_out = load_topics()
    tokens, labels = spread_windows(held_out, CONTEXT, EVAL_SEQUENCES)
    write_npz(FOLDER / "data.npz", tokens=tokens, labels=labels)
    calib_tokens, calib_labels = spread_windows(training, CONTEXT, CALIB_SEQUENCES)
    write_npz(FOLDER / "calib.npz", tokens=calib_tokens, labels=calib_labels)
    write_training_windows(training)
    model = train()
    print(f"perplexity before planting {perplexity(model, torch.from_numpy(tokens), torch.from_numpy(labels)):.4f}")
    plant_outliers(model)
    print(f"perplexity after planting  {perplexity(model, torch.from_numpy(tokens), torch.from_numpy(labels)):.4f}")
    save_file(model.state_dict(), FOLDER / "weights.safetensors")


if __name__ == "__main__":
    main()
