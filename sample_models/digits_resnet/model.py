"""Architecture: a small residual CNN for 8x8 digits (He et al. 2016), no BatchNorm."""

import torch
from torch import nn


class Stem(nn.Module):
    """The first convolution."""

    def __init__(self, channels: int):
        super().__init__()
        self.conv = nn.Conv2d(1, channels, 3, padding=1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """[N, 1, H, W] -> [N, channels, H, W]"""
        return torch.relu(self.conv(x))


class ResidualBlock(nn.Module):
    """Two 3x3 convolutions around a shortcut; the shortcut is a 1x1 convolution where the shape changes."""

    def __init__(self, inside: int, outside: int, stride: int = 1):
        super().__init__()
        self.conv1 = nn.Conv2d(inside, outside, 3, stride=stride, padding=1)
        self.conv2 = nn.Conv2d(outside, outside, 3, padding=1)
        changes = stride != 1 or inside != outside
        self.shortcut = nn.Conv2d(inside, outside, 1, stride=stride) if changes else nn.Identity()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """[N, inside, H, W] -> [N, outside, H / stride, W / stride]"""
        return torch.relu(self.shortcut(x) + self.conv2(torch.relu(self.conv1(x))))


class DigitsResNet(nn.Module):
    """Stem, four residual blocks, mean over the image, classifier."""

    def __init__(self):
        super().__init__()
        self.stem = Stem(16)
        self.blocks = nn.ModuleList(
            [
                ResidualBlock(16, 16),
                ResidualBlock(16, 32, stride=2),
                ResidualBlock(32, 32),
                ResidualBlock(32, 64, stride=2),
            ]
        )
        self.fc = nn.Linear(64, 10)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """images float32 [N, 1, 8, 8] -> logits [N, 10]"""
        x = self.stem(images)
        for block in self.blocks:
            x = block(x)
        return self.fc(x.mean((2, 3)))


def build() -> nn.Module:
    """The untrained network in eval mode; weights.safetensors fits its state dict."""
    return DigitsResNet().eval()
