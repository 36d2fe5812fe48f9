"""Train the noise prediction and write: `python -m sample_models.digits_ddpm.train` (about five minutes of one core).

The loss is that of Ho et al. 2020, arXiv 2006.11239, equation 14, with their linear schedule at a tenth of their steps:
100, beta from 0.001 to 0.2.
"""

from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from safetensors.torch import save_file
from torch import nn

from sample_models.digits_data import augment, load_split, write_npz
from sample_models.digits_ddpm.model import build
from sample_models.fit import make_reproducible

SEED = 7
EPOCHS = 320
BATCH = 128
RATE = 2e-3
DECAY = 0.995
"""Of the moving average of the weights, which is what is kept."""
STEPS = 100
BETAS = (0.001, 0.2)
"""The first and the last; those between lie on a line. The card says so again, for the sampler."""
TIMESTEPS = tuple(range(5, STEPS, 10))
"""Those of the data, a group each."""
CALIB_EACH = 48
FOLDER = Path(__file__).parent


def kept() -> torch.Tensor:
    """float64 [STEPS + 1]: the share of the image's power that is left at each timestep, 1 at timestep 0."""
    betas = torch.linspace(*BETAS, STEPS, dtype=torch.float64)
    return torch.cat([torch.ones(1, dtype=torch.float64), torch.cumprod(1 - betas, 0)])


def noised(images: torch.Tensor, noise: torch.Tensor, timestep: torch.Tensor) -> torch.Tensor:
    """images [N, 1, 8, 8] in -1..1, noise alike, timestep [N] -> what the network is shown (Ho et al., equation 4)."""
    share = kept()[timestep].float()[:, None, None, None]
    return share.sqrt() * images + (1 - share).sqrt() * noise


def train() -> nn.Module:
    """The trained network: the moving average of its weights."""
    make_reproducible(SEED)
    (x, _), _ = load_split()
    images, model = torch.from_numpy(x), build().train()
    generator = torch.Generator().manual_seed(SEED)
    optimizer = torch.optim.Adam(model.parameters(), lr=RATE)
    average = {name: value.detach().clone() for name, value in model.state_dict().items()}
    turns = EPOCHS * (len(images) // BATCH)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, RATE, total_steps=turns, pct_start=0.05)
    for epoch in range(EPOCHS):
        total = 0.0
        order = torch.randperm(len(images), generator=generator)
        for picked in order[: len(order) // BATCH * BATCH].split(BATCH):
            clean = augment(images[picked], generator) * 2 - 1
            timestep = torch.randint(1, STEPS + 1, (BATCH,), generator=generator)
            noise = torch.randn(clean.shape, generator=generator)
            loss = F.mse_loss(model(noised(clean, noise, timestep), timestep), noise)
            optimizer.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            schedule.step()
            total += loss.item()
            for name, value in model.state_dict().items():
                average[name].lerp_(value, 1 - DECAY)
        print(f"epoch {epoch + 1}/{EPOCHS} loss {total / (len(images) // BATCH):.4f}", flush=True)
    model.load_state_dict(average)
    return model.eval()


def arrays(images: np.ndarray, each: int, seed: int) -> dict[str, np.ndarray]:
    """So many noised images of each timestep, the timesteps in turn, with the noise as ``labels``.

    Values are rounded to 1/1024, which the files are half as large for; the noise is that of the rounded image.
    """
    timestep = torch.arange(each * len(TIMESTEPS)) % len(TIMESTEPS) * 10 + TIMESTEPS[0]
    clean = torch.from_numpy(images[: len(timestep)]) * 2 - 1
    noise = (torch.randn(clean.shape, generator=torch.Generator().manual_seed(seed)) * 1024).round() / 1024
    image = (noised(clean, noise, timestep) * 1024).round() / 1024
    return {
        "image": image.numpy(),
        "timestep": timestep.numpy(),
        "labels": noise.numpy(),
        "group": timestep.numpy().astype(np.int64),
    }


def write_data() -> None:
    """data.npz: the 540 evaluation images, 54 a timestep; calib.npz: 480 training images, 48 a timestep."""
    (train_x, _), (eval_x, _) = load_split()
    pick = np.random.default_rng(SEED).permutation(len(train_x))
    calib = arrays(train_x[pick], CALIB_EACH, SEED + 1)
    del calib["labels"]
    write_npz(FOLDER / "data.npz", **arrays(eval_x, len(eval_x) // len(TIMESTEPS), SEED))
    write_npz(FOLDER / "calib.npz", **calib)


@torch.no_grad()
def errors(model: nn.Module) -> dict[int, float]:
    """The mean squared error of the noise, by timestep of the evaluation data."""
    data = {name: torch.from_numpy(value) for name, value in np.load(FOLDER / "data.npz").items()}
    squared = (model(data["image"], data["timestep"]) - data["labels"]).square().mean((1, 2, 3))
    return {t: squared[data["timestep"] == t].mean().item() for t in TIMESTEPS}


def main() -> None:
    """Write weights.safetensors, data.npz and calib.npz next to this file."""
    write_data()
    model = train()
    print({t: round(value, 4) for t, value in errors(model).items()})
    save_file(model.state_dict(), FOLDER / "weights.safetensors")


if __name__ == "__main__":
    main()
