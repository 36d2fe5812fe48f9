"""BatchNorm for training only: put behind every convolution, folded into it before the weights are saved."""

import torch
from torch import nn


class NormedConv(nn.Module):
    """A convolution followed by batch normalisation; the convolution's own bias is switched off."""

    def __init__(self, conv: nn.Conv2d):
        super().__init__()
        self.conv = conv
        self.conv.bias = None  # the normalisation's shift takes its place
        self.norm = nn.BatchNorm2d(conv.out_channels)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """[N, C, H, W] -> [N, C', H', W']"""
        return self.norm(self.conv(x))

    @torch.no_grad()
    def folded(self) -> nn.Conv2d:
        """One convolution with bias that computes the same as this module does in eval mode."""
        gain = self.norm.weight / (self.norm.running_var + self.norm.eps).sqrt()
        conv = self.conv
        conv.weight.mul_(gain.view(-1, 1, 1, 1))
        conv.bias = nn.Parameter(self.norm.bias - self.norm.running_mean * gain)
        return conv


def add_batchnorm(model: nn.Module) -> None:
    """Replace every Conv2d in the model by a NormedConv, in place."""
    for parent in list(model.modules()):
        for name, child in list(parent.named_children()):
            if isinstance(child, nn.Conv2d):
                setattr(parent, name, NormedConv(child))


def fold_batchnorm(model: nn.Module) -> None:
    """Undo `add_batchnorm`, keeping the function: the original names and structure come back."""
    for parent in list(model.modules()):
        for name, child in list(parent.named_children()):
            if isinstance(child, NormedConv):
                setattr(parent, name, child.folded())
