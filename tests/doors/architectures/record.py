"""What an architecture of the zoo is, and how random weights are made that say something."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

Inputs = dict[str, Tensor]

OPSETS = tuple(range(17, 24))
FROM_18 = OPSETS[1:]


@dataclass(frozen=True, slots=True)
class Architecture:
    """A small network and what is known of it before it is exported.

    Attributes:
        build: makes the network, in evaluation mode, with random weights that are the same every time.
        inputs: ``inputs(batch, generator)`` draws its inputs by name, in the order of ``forward``.
        outputs: names of the outputs.
        layers: how many layers with a weight a run meets, counted by hand from the torch module: convolutions (plain,
            depthwise and transposed), linear layers, and embeddings whose indices depend on the inputs.
        opsets: those of its opsets that every test run exports; ``-m slow`` exports the others.
        translations: ``custom_translation_table`` of the exporter, for operators of our own.
        register: tells the same to torch's older exporter, called with the opset.
        reach: the opsets that can be exported.
        traced: whether the older exporter writes it.
    """

    build: Callable[[], nn.Module]
    inputs: Callable[[int, torch.Generator], Inputs]
    layers: tuple[int, int, int]
    opsets: tuple[int, ...]
    outputs: tuple[str, ...] = ("output",)
    translations: Callable[[], dict] = field(default=dict)
    register: Callable[[int], None] | None = None
    reach: tuple[int, ...] = OPSETS
    traced: bool = False


def images(channels: int, size: int) -> Callable[[int, torch.Generator], Inputs]:
    """Draws ``[batch, channels, size, size]`` from the normal distribution."""
    return lambda batch, generator: {"images": torch.randn(batch, channels, size, size, generator=generator)}


def settled(model: nn.Module, inputs: Callable[[int, torch.Generator], Inputs], seed: int = 0) -> nn.Module:
    """The model with weights that keep a signal alive, and with statistics of data in its batch normalizations.

    Weights are drawn by He's rule (He et al. 2015, https://arxiv.org/abs/1502.01852), scales and shifts around 1 and 0.
    The running statistics are those of random data, so that no channel is dead or huge.

    Args:
        model: any network; changed in place.
        inputs: draws its inputs.
        seed: of weights and data.

    Returns:
        The model in evaluation mode.
    """
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for module in model.modules():
            if isinstance(module, nn.Conv2d | nn.ConvTranspose2d | nn.Linear):
                fan_in = module.weight[0].numel() if not isinstance(module, nn.ConvTranspose2d) else module.in_channels
                module.weight.normal_(0, (2 / fan_in) ** 0.5, generator=generator)
                if module.bias is not None:
                    module.bias.normal_(0, 0.1, generator=generator)
            if isinstance(module, nn.BatchNorm2d | nn.LayerNorm | nn.GroupNorm):
                module.weight.uniform_(0.7, 1.3, generator=generator)
                module.bias.normal_(0, 0.2, generator=generator)
            if isinstance(module, nn.BatchNorm2d):
                module.momentum = None  # the statistics become the plain mean over what was seen
        model.train()
        for _ in range(2):
            model(*inputs(8, generator).values())
    return model.eval()
