"""Small networks with what real ones have: branches, depthwise filters, attention, shared weights, missing biases."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class Residual(nn.Module):
    """Convolutions with a branch, a depthwise filter, batch normalization and a linear head."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 8, 3, padding=1)
        self.norm = nn.BatchNorm2d(8)
        self.dw = nn.Conv2d(8, 8, 3, padding=1, groups=8)
        self.pw = nn.Conv2d(8, 8, 1, bias=False)
        self.head = nn.Linear(8, 5)

    def forward(self, images: Tensor) -> Tensor:
        """``[N, 3, 8, 8]`` to ``[N, 5]``."""
        x = torch.relu_(self.norm(self.stem(images)))
        x = x + torch.relu(self.pw(torch.relu(self.dw(x))))
        return self.head(x.mean((2, 3)))


class Attention(nn.Module):
    """An embedding, a normalization feeding three projections, attention and a head without a bias."""

    def __init__(self, vocabulary: int = 11, width: int = 16) -> None:
        super().__init__()
        self.embed = nn.Embedding(vocabulary, width)
        self.norm = nn.LayerNorm(width)
        self.q, self.k, self.v = (nn.Linear(width, width) for _ in range(3))
        self.norm2 = nn.LayerNorm(width)
        self.up, self.down = nn.Linear(width, 32), nn.Linear(32, width)
        self.head = nn.Linear(width, vocabulary, bias=False)
        self.register_buffer("mask", torch.ones(8, 8).tril().bool())

    def forward(self, tokens: Tensor) -> Tensor:
        """``[N, 8]`` to ``[N, 8, vocabulary]``."""
        x = self.embed(tokens)
        h = self.norm(x)
        scores = self.q(h) @ self.k(h).transpose(-1, -2) / 4
        x = x + scores.masked_fill(~self.mask, float("-inf")).softmax(-1) @ self.v(h)
        x = x + self.down(torch.relu(self.up(self.norm2(x))))
        return self.head(x)


class Grouped(nn.Module):
    """Attention whose query heads share value heads, and a feed-forward layer with a gate, both behind RMS norms."""

    def __init__(self, width: int = 16, heads: int = 4, shared: int = 2) -> None:
        super().__init__()
        self.heads, self.shared, self.size = heads, shared, width // heads
        self.embed = nn.Embedding(11, width)
        self.norm, self.norm2 = nn.RMSNorm(width), nn.RMSNorm(width)
        self.q = nn.Linear(width, width)
        self.k, self.v = (nn.Linear(width, shared * self.size) for _ in range(2))
        self.o = nn.Linear(width, width)
        self.gate, self.up, self.down = nn.Linear(width, 24), nn.Linear(width, 24), nn.Linear(24, width)
        self.head = nn.Linear(width, 11, bias=False)

    def forward(self, tokens: Tensor) -> Tensor:
        """``[N, 8]`` to ``[N, 8, 11]``."""
        n, t = tokens.shape
        x = self.embed(tokens)
        h = self.norm(x)
        q = self.q(h).view(n, t, self.heads, self.size).transpose(1, 2)
        k, v = (self._copies(one(h).view(n, t, self.shared, self.size).transpose(1, 2)) for one in (self.k, self.v))
        read = (q @ k.transpose(-1, -2) / 2).softmax(-1) @ v
        x = x + self.o(read.transpose(1, 2).reshape(n, t, -1))
        h = self.norm2(x)
        x = x + self.down(nn.functional.silu(self.gate(h)) * self.up(h))
        return self.head(x)

    def _copies(self, x: Tensor) -> Tensor:
        """Each head as often as query heads read it."""
        n, shared, t, size = x.shape
        return x[:, :, None].expand(n, shared, self.heads // shared, t, size).reshape(n, self.heads, t, size)


def seeded(kind: type[nn.Module], seed: int = 0) -> nn.Module:
    """A network with random weights, and batch statistics that are not trivial, in evaluation mode."""
    torch.manual_seed(seed)
    model = kind()
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.running_mean.normal_()
            module.running_var.uniform_(0.5, 2.0)
    return model.eval()


def data_for(kind: type[nn.Module], count: int = 24, seed: int = 1) -> dict[str, Tensor]:
    """Random evaluation data with labels."""
    generator = torch.Generator().manual_seed(seed)
    if kind is Residual:
        images = torch.randn(count, 3, 8, 8, generator=generator)
        return {"images": images, "labels": torch.randint(0, 5, (count,), generator=generator)}
    tokens = torch.randint(0, 11, (count, 8), generator=generator)
    return {"tokens": tokens, "labels": torch.randint(0, 11, (count, 8), generator=generator)}
