"""Architecture: a plain CNN for 8x8 digits, three strided stages of 3x3 convolutions, no BatchNorm."""

import torch
from torch import nn


class Stage(nn.Module):
    """Two 3x3 convolutions, the first of which may halve the image."""

    def __init__(self, inside: int, outside: int, stride: int = 1):
        super().__init__()
        self.conv1 = nn.Conv2d(inside, outside, 3, stride=stride, padding=1)
        self.conv2 = nn.Conv2d(outside, outside, 3, padding=1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """[N, inside, H, W] -> [N, outside, H / stride, W / stride]"""
        return torch.relu(self.conv2(torch.relu(self.conv1(x))))


class DigitsLongtail(nn.Module):
    """Three stages, mean over the image, classifier."""

    def __init__(self):
        super().__init__()
        self.stages = nn.ModuleList([Stage(1, 24), Stage(24, 32, stride=2), Stage(32, 48, stride=2)])
        self.fc = nn.Linear(48, 10)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """images float32 [N, 1, 8, 8] -> logits [N, 10]"""
        x = images
        for stage in self.stages:
            x = stage(x)
        return self.fc(x.mean((2, 3)))


def build() -> nn.Module:
    """The untrained network in eval mode; weights.safetensors fits its state dict."""
    return DigitsLongtail().eval()
