"""Architecture: a small U-Net that predicts the noise in an 8x8 digit (after Ho et al. 2020, arXiv 2006.11239)."""

import math

import torch
import torch.nn.functional as F
from torch import nn

WIDTH = 32
DEEP = 64
TIME = 64
GROUPS = 8


class TimeEmbedding(nn.Module):
    """Sines and cosines of the timestep (Vaswani et al. 2017), and two linear layers."""

    def __init__(self):
        super().__init__()
        steps = torch.arange(WIDTH // 2) / (WIDTH // 2)
        self.register_buffer("frequencies", torch.exp(-math.log(1000.0) * steps))
        self.fc1 = nn.Linear(WIDTH, TIME)
        self.fc2 = nn.Linear(TIME, TIME)

    def forward(self, timestep: torch.Tensor) -> torch.Tensor:
        """timestep int64 [N] -> [N, TIME]"""
        angles = timestep.float().unsqueeze(1) * self.frequencies
        return self.fc2(F.silu(self.fc1(torch.cat([angles.sin(), angles.cos()], dim=1))))


class ResBlock(nn.Module):
    """Two convolutions behind normalizations, the time added between them, and a way around."""

    def __init__(self, inside: int, outside: int):
        super().__init__()
        self.norm1 = nn.GroupNorm(GROUPS, inside)
        self.conv1 = nn.Conv2d(inside, outside, 3, padding=1)
        self.time = nn.Linear(TIME, outside)
        self.norm2 = nn.GroupNorm(GROUPS, outside)
        self.conv2 = nn.Conv2d(outside, outside, 3, padding=1)
        self.skip = nn.Conv2d(inside, outside, 1) if inside != outside else nn.Identity()

    def forward(self, x: torch.Tensor, time: torch.Tensor) -> torch.Tensor:
        """[N, inside, H, W] and [N, TIME] -> [N, outside, H, W]"""
        hidden = self.conv1(F.silu(self.norm1(x))) + self.time(F.silu(time))[:, :, None, None]
        return self.conv2(F.silu(self.norm2(hidden))) + self.skip(x)


class DigitsDDPM(nn.Module):
    """8x8 down to 4x4 and up again, one way across."""

    def __init__(self):
        super().__init__()
        self.time = TimeEmbedding()
        self.conv_in = nn.Conv2d(1, WIDTH, 3, padding=1)
        self.down1 = ResBlock(WIDTH, WIDTH)
        self.shrink = nn.Conv2d(WIDTH, WIDTH, 3, stride=2, padding=1)
        self.down2 = ResBlock(WIDTH, DEEP)
        self.middle = ResBlock(DEEP, DEEP)
        self.grow = nn.Conv2d(DEEP, WIDTH, 3, padding=1)
        self.up = ResBlock(2 * WIDTH, WIDTH)
        self.norm_out = nn.GroupNorm(GROUPS, WIDTH)
        self.conv_out = nn.Conv2d(WIDTH, 1, 3, padding=1)

    def forward(self, image: torch.Tensor, timestep: torch.Tensor) -> torch.Tensor:
        """image float32 [N, 1, 8, 8] with noise, timestep int64 [N] from 1 to T -> the noise in it [N, 1, 8, 8]"""
        time = self.time(timestep)
        wide = self.down1(self.conv_in(image), time)
        deep = self.middle(self.down2(self.shrink(wide), time), time)
        grown = self.grow(F.interpolate(deep, scale_factor=2.0, mode="nearest"))
        x = self.up(torch.cat([grown, wide], dim=1), time)
        return self.conv_out(F.silu(self.norm_out(x)))


def build() -> nn.Module:
    """The untrained network in eval mode; weights.safetensors fits its state dict."""
    return DigitsDDPM().eval()
