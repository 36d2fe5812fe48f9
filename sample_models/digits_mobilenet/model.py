"""Architecture: a small MobileNetV2 for 8x8 digits (Sandler et al. 2018), plain ReLU, no BatchNorm."""

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


class SeparableBlock(nn.Module):
    """Depthwise then pointwise: the inverted residual without expansion."""

    def __init__(self, inside: int, outside: int):
        super().__init__()
        self.dw = nn.Conv2d(inside, inside, 3, padding=1, groups=inside)
        self.project = nn.Conv2d(inside, outside, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """[N, inside, H, W] -> [N, outside, H, W]"""
        return self.project(torch.relu(self.dw(x)))


class InvertedResidual(nn.Module):
    """Expand, depthwise, linear projection; added to the input where shapes agree."""

    def __init__(self, inside: int, middle: int, outside: int, stride: int = 1):
        super().__init__()
        self.residual = stride == 1 and inside == outside
        self.expand = nn.Conv2d(inside, middle, 1)
        self.dw = nn.Conv2d(middle, middle, 3, stride=stride, padding=1, groups=middle)
        self.project = nn.Conv2d(middle, outside, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """[N, inside, H, W] -> [N, outside, H / stride, W / stride]"""
        y = self.project(torch.relu(self.dw(torch.relu(self.expand(x)))))
        return x + y if self.residual else y


class DigitsMobileNet(nn.Module):
    """Stem, four blocks, 1x1 head, mean over the image, classifier."""

    def __init__(self):
        super().__init__()
        self.stem = Stem(64)
        self.blocks = nn.ModuleList(
            [
                SeparableBlock(64, 64),
                InvertedResidual(64, 256, 96, stride=2),
                InvertedResidual(96, 448, 96),
                InvertedResidual(96, 384, 128, stride=2),
            ]
        )
        self.head = nn.Conv2d(128, 320, 1)
        self.fc = nn.Linear(320, 10)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """images float32 [N, 1, 8, 8] -> logits [N, 10]"""
        x = self.stem(images)
        for block in self.blocks:
            x = block(x)
        x = torch.relu(self.head(x))
        return self.fc(x.mean((2, 3)))


def build() -> nn.Module:
    """The untrained network in eval mode; weights.safetensors fits its state dict."""
    return DigitsMobileNet().eval()
