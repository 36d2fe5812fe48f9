"""What several convolutional networks are made of."""

from __future__ import annotations

from torch import Tensor, nn


def conv(
    wide: int, out: int, size: int = 3, stride: int = 1, groups: int = 1, act: type[nn.Module] | None = nn.ReLU
) -> nn.Sequential:
    """A convolution without a bias, batch normalization, and an activation unless ``act`` is None."""
    parts = [nn.Conv2d(wide, out, size, stride, size // 2, groups=groups, bias=False), nn.BatchNorm2d(out)]
    return nn.Sequential(*parts, *([] if act is None else [act()]))


def grouped(wide: int, out: int, groups: int = 4) -> nn.Sequential:
    """A convolution, normalization over groups of channels, and SiLU."""
    return nn.Sequential(nn.Conv2d(wide, out, 3, padding=1), nn.GroupNorm(groups, out), nn.SiLU())


class SqueezeExcite(nn.Module):
    """Scales channels by what their means say (Hu et al. 2018, https://arxiv.org/abs/1709.01507)."""

    def __init__(self, wide: int, narrow: int, act: type[nn.Module], gate: type[nn.Module]) -> None:
        super().__init__()
        self.down, self.act, self.up, self.gate = nn.Conv2d(wide, narrow, 1), act(), nn.Conv2d(narrow, wide, 1), gate()

    def forward(self, x: Tensor) -> Tensor:
        """``[N, C, H, W]`` to the same."""
        return x * self.gate(self.up(self.act(self.down(x.mean((2, 3), keepdim=True)))))


class InvertedResidual(nn.Module):
    """Widen, filter each channel, narrow, and add where shapes allow it.

    Sandler et al. 2018, https://arxiv.org/abs/1801.04381; with squeeze and excitation as in MobileNetV3 and
    EfficientNet.
    """

    def __init__(
        self,
        wide: int,
        out: int,
        expand: int,
        size: int = 3,
        stride: int = 1,
        act: type[nn.Module] = nn.ReLU6,
        gate: type[nn.Module] | None = None,
        squeeze: type[nn.Module] = nn.ReLU,
    ) -> None:
        super().__init__()
        middle = wide * expand
        self.add = wide == out and stride == 1
        self.widen = conv(wide, middle, 1, act=act) if expand > 1 else nn.Identity()
        self.filter = conv(middle, middle, size, stride, groups=middle, act=act)
        self.scale = nn.Identity() if gate is None else SqueezeExcite(middle, middle // 4, squeeze, gate)
        self.narrow = conv(middle, out, 1, act=None)

    def forward(self, x: Tensor) -> Tensor:
        """``[N, wide, H, W]`` to ``[N, out, H / stride, W / stride]``."""
        y = self.narrow(self.scale(self.filter(self.widen(x))))
        return x + y if self.add else y
