"""Recurrent networks: LSTM and GRU, one direction and two, one layer and two."""

from __future__ import annotations

import torch
from torch import Tensor, nn

FEATURES, HIDDEN, STEPS, CLASSES = 12, 16, 9, 5


class Recurrent(nn.Module):
    """An LSTM or a GRU and a linear head on every step."""

    def __init__(self, kind: type[nn.RNNBase], layers: int = 1, bidirectional: bool = False) -> None:
        super().__init__()
        self.rnn = kind(FEATURES, HIDDEN, layers, batch_first=True, bidirectional=bidirectional)
        self.head = nn.Linear(HIDDEN * (2 if bidirectional else 1), CLASSES)

    def forward(self, sequence: Tensor) -> tuple[Tensor, Tensor]:
        """``[N, steps, features]`` to ``[N, steps, classes]`` and the last hidden states ``[layers, N, hidden]``."""
        states, last = self.rnn(sequence)
        return self.head(states), last[0] if isinstance(last, tuple) else last


def recurrent(kind: type[nn.RNNBase], layers: int = 1, bidirectional: bool = False) -> nn.Module:
    """A recurrent network whose gates are neither shut nor linear."""
    generator = torch.Generator().manual_seed(0)
    model = Recurrent(kind, layers, bidirectional)
    with torch.no_grad():
        for weight in model.parameters():
            weight.normal_(0, 0.5 if weight.ndim == 2 else 0.2, generator=generator)
    return model.eval()


def sequences(batch: int, generator: torch.Generator) -> dict[str, Tensor]:
    """``[batch, steps, features]``."""
    return {"sequence": torch.randn(batch, STEPS, FEATURES, generator=generator)}
