"""Image networks: ResNet, DenseNet, the MobileNets, EfficientNet, ConvNeXt, and a U-Net."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from tests.doors.architectures.parts import InvertedResidual, conv, grouped

CLASSES = 10


class BasicBlock(nn.Module):
    """Two convolutions and a shortcut (He et al. 2016, https://arxiv.org/abs/1512.03385)."""

    def __init__(self, wide: int, out: int, stride: int) -> None:
        super().__init__()
        self.first, self.second = conv(wide, out, stride=stride), conv(out, out, act=None)
        self.shortcut = nn.Identity() if wide == out else conv(wide, out, 1, stride, act=None)

    def forward(self, x: Tensor) -> Tensor:
        """``[N, wide, H, W]`` to ``[N, out, H / stride, W / stride]``."""
        return torch.relu(self.second(self.first(x)) + self.shortcut(x))


def resnet() -> nn.Module:
    """ResNet with a 7 × 7 stem, max pooling and two stages of two blocks."""
    blocks = [BasicBlock(16, 16, 1), BasicBlock(16, 16, 1), BasicBlock(16, 32, 2), BasicBlock(32, 32, 1)]
    head = [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(32, CLASSES)]
    return nn.Sequential(conv(3, 16, 7, 2), nn.MaxPool2d(3, 2, 1), *blocks, *head)


class DenseLayer(nn.Module):
    """Normalize, rectify, convolve, and put the result behind the input (Huang et al. 2017,
    https://arxiv.org/abs/1608.06993): the normalization has no convolution before it to be folded into.
    """

    def __init__(self, wide: int, growth: int) -> None:
        super().__init__()
        self.norm, self.conv = nn.BatchNorm2d(wide), nn.Conv2d(wide, growth, 3, padding=1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """``[N, wide, H, W]`` to ``[N, wide + growth, H, W]``."""
        return torch.cat([x, self.conv(torch.relu(self.norm(x)))], 1)


def densenet() -> nn.Module:
    """DenseNet with two blocks of two layers and a transition between them."""
    first = [nn.Conv2d(3, 16, 3, 2, 1, bias=False), DenseLayer(16, 8), DenseLayer(24, 8)]
    between = [nn.BatchNorm2d(32), nn.ReLU(), nn.Conv2d(32, 16, 1, bias=False), nn.AvgPool2d(2)]
    second = [DenseLayer(16, 8), DenseLayer(24, 8), nn.BatchNorm2d(32), nn.ReLU()]
    return nn.Sequential(*first, *between, *second, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(32, CLASSES))


def mobilenet_v2() -> nn.Module:
    """MobileNetV2: linear bottlenecks and ReLU6."""
    blocks = [InvertedResidual(8, 8, 1), InvertedResidual(8, 12, 6, stride=2), InvertedResidual(12, 12, 6)]
    head = [conv(12, 48, 1, act=nn.ReLU6), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Dropout(0.2)]
    return nn.Sequential(conv(3, 8, stride=2, act=nn.ReLU6), *blocks, *head, nn.Linear(48, CLASSES))


def mobilenet_v3() -> nn.Module:
    """MobileNetV3 (Howard et al. 2019, https://arxiv.org/abs/1905.02244): hard swish, hard sigmoid gates."""
    blocks = [
        InvertedResidual(8, 8, 1, stride=2, act=nn.ReLU, gate=nn.Hardsigmoid),
        InvertedResidual(8, 12, 4, size=5, act=nn.Hardswish, gate=nn.Hardsigmoid),
        InvertedResidual(12, 12, 4, size=5, act=nn.Hardswish, gate=nn.Hardsigmoid),
    ]
    head = [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(48, 64), nn.Hardswish(), nn.Linear(64, CLASSES)]
    stem = conv(3, 8, stride=2, act=nn.Hardswish)
    return nn.Sequential(stem, *blocks, conv(12, 48, 1, act=nn.Hardswish), *head)


def efficientnet() -> nn.Module:
    """EfficientNet (Tan and Le 2019, https://arxiv.org/abs/1905.11946): SiLU and gates by the sigmoid."""

    def block(wide: int, out: int, expand: int, size: int, stride: int) -> nn.Module:
        return InvertedResidual(wide, out, expand, size, stride, act=nn.SiLU, gate=nn.Sigmoid, squeeze=nn.SiLU)

    blocks = [block(8, 8, 1, 3, 1), block(8, 12, 6, 3, 2), block(12, 12, 6, 5, 1)]
    head = [conv(12, 48, 1, act=nn.SiLU), nn.AdaptiveAvgPool2d(1), nn.Flatten(1), nn.Linear(48, CLASSES)]
    return nn.Sequential(conv(3, 8, stride=2, act=nn.SiLU), *blocks, *head)


class ChannelNorm(nn.LayerNorm):
    """Layer normalization over the channels of ``[N, C, H, W]``."""

    def forward(self, x: Tensor) -> Tensor:
        """``[N, C, H, W]`` to the same."""
        return super().forward(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)


class ConvNeXtBlock(nn.Module):
    """7 × 7 depthwise, LayerNorm, two linear layers with GELU, layer scale (Liu et al. 2022,
    https://arxiv.org/abs/2201.03545).
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.filter = nn.Conv2d(width, width, 7, padding=3, groups=width)
        self.norm = nn.LayerNorm(width, eps=1e-6)
        self.up, self.down = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)
        self.gamma = nn.Parameter(torch.linspace(0.2, 0.8, width))

    def forward(self, x: Tensor) -> Tensor:
        """``[N, C, H, W]`` to the same."""
        y = self.norm(self.filter(x).permute(0, 2, 3, 1))
        y = self.gamma * self.down(F.gelu(self.up(y)))
        return x + y.permute(0, 3, 1, 2)


def convnext() -> nn.Module:
    """ConvNeXt with two stages."""
    stem = [nn.Conv2d(3, 16, 4, 4), ChannelNorm(16, eps=1e-6)]
    down = [ChannelNorm(16, eps=1e-6), nn.Conv2d(16, 32, 2, 2)]
    head = [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.LayerNorm(32, eps=1e-6), nn.Linear(32, CLASSES)]
    return nn.Sequential(*stem, ConvNeXtBlock(16), *down, ConvNeXtBlock(32), ConvNeXtBlock(32), *head)


class UNet(nn.Module):
    """Down three times and up by a transposed convolution, by nearest neighbours and bilinearly, with skips.

    Batch normalization on the way down, group normalization on the way up.
    Ronneberger et al. 2015, https://arxiv.org/abs/1505.04597.
    """

    def __init__(self) -> None:
        super().__init__()
        self.down = nn.ModuleList([conv(1, 8), conv(8, 16), conv(16, 24), conv(24, 32)])
        self.transposed = nn.ConvTranspose2d(32, 24, 2, 2)
        self.up = nn.ModuleList([grouped(48, 24), grouped(40, 16), grouped(24, 8)])
        self.head = nn.Conv2d(8, 3, 1)

    def forward(self, images: Tensor) -> Tensor:
        """``[N, 1, H, W]`` to ``[N, 3, H, W]``, H and W divisible by 8."""
        a = self.down[0](images)
        b = self.down[1](F.max_pool2d(a, 2))
        c = self.down[2](F.avg_pool2d(b, 2))
        d = self.down[3](F.max_pool2d(c, 2))
        x = self.up[0](torch.cat([self.transposed(d), c], 1))
        x = self.up[1](torch.cat([F.interpolate(x, scale_factor=2, mode="nearest"), b], 1))
        x = F.interpolate(x, scale_factor=2, mode="bilinear", align_corners=False)
        return self.head(self.up[2](torch.cat([x, a], 1)))
