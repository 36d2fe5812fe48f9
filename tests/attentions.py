"""Attention token by token, in float64, with lists for caches: what the engine has to give in one pass."""

import numpy as np
import torch
from torch import nn

from qdebug.quantize.cache import quantize_cache

Array = np.ndarray


class Cache:
    """Keys or values of one head while text is read: what was packed, and what waits in full precision."""

    def __init__(self, plan, window):
        self.plan, self.window = plan, window
        self.packed, self.waiting = [], []

    def add(self, row: Array) -> Array:
        """Take the next token's row; what its query sees, ``[tokens, channels]``."""
        if self.plan.is_float32:
            self.waiting.append(row)
            return np.stack(self.waiting)
        together = self.plan.granularity == "channel"
        size = self.window or (self.plan.group_size if together else 0)
        self.waiting.append(row)
        if not together:
            while len(self.waiting) > size:
                self.packed.append(self._pack([self.waiting.pop(0)])[0])
            return np.stack([*self.packed, *self.waiting])
        seen = np.stack([*self.packed, *self.waiting])
        if len(self.waiting) == size:
            for start in range(0, size, self.plan.group_size):
                self.packed += list(self._pack(self.waiting[start : start + self.plan.group_size]))
            self.waiting = []
        return seen

    def _pack(self, rows: list[Array]) -> Array:
        return quantize_cache(torch.tensor(np.stack(rows)).float()[None, None], self.plan)[0, 0].double().numpy()


def softmax(scores: Array) -> Array:
    """Of a row of scores."""
    powers = np.exp(scores - scores.max())
    return powers / powers.sum()


def decoded(q: Array, k: Array, v: Array, plan, scale: float, scores=None, probs=None) -> Array:
    """One head's output ``[T, D]`` for queries, keys and values ``[T, D]`` that come one after the other.

    ``scores`` and ``probs`` are what happens to a row of them.
    """
    keys, values = Cache(plan.keys, plan.window), Cache(plan.values, plan.window)
    found = []
    for query, key, value in zip(q, k, v, strict=True):
        row = keys.add(key) @ query * scale
        row = softmax(row if scores is None else scores(row))
        found.append((row if probs is None else probs(row)) @ values.add(value))
    return np.stack(found)


class Fused(nn.Module):
    """Causal attention of four query heads that share two heads of keys and values, in one operator of torch's."""

    heads, shared, width, vocabulary = 4, 2, 8, 13

    def __init__(self, form: str = "causal") -> None:
        super().__init__()
        self.form = form
        self.embed = nn.Embedding(self.vocabulary, 24)
        self.place = nn.Parameter(torch.randn(24, 24))
        self.q = nn.Linear(24, self.heads * self.width)
        self.k, self.v = (nn.Linear(24, self.shared * self.width) for _ in range(2))
        self.out = nn.Linear(self.heads * self.width, self.vocabulary)
        self.mask: torch.Tensor
        self.register_buffer("mask", torch.ones(24, 24).tril().bool())

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        """``[N, 24]`` to ``[N, 24, vocabulary]``."""
        x = self.embed(tokens) + self.place
        q, k, v = (one(x).unflatten(-1, (-1, self.width)).transpose(1, 2) for one in (self.q, self.k, self.v))
        if self.form == "gqa":
            y = nn.functional.scaled_dot_product_attention(q, k, v, attn_mask=self.mask, enable_gqa=True)
        else:
            k, v = (one.repeat_interleave(self.heads // self.shared, 1) for one in (k, v))
            y = self.attend(q, k, v)
        return self.out(y.transpose(1, 2).flatten(2))

    def attend(self, q: torch.Tensor, k: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
        """In the form that was asked for."""
        attention = nn.functional.scaled_dot_product_attention
        match self.form:
            case "causal":
                return attention(q, k, v, is_causal=True)
            case "added":
                return attention(q, k, v, torch.zeros(24, 24).masked_fill(~self.mask, -torch.inf), scale=0.25)
            case "all":
                return attention(q, k, v)
        scores = (q @ k.transpose(-1, -2)) / self.width**0.5
        return scores.masked_fill(~self.mask, -torch.inf).softmax(-1) @ v

    def by_hand(self, tokens: torch.Tensor, plan, **rows) -> Array:
        """``[T, vocabulary]`` for the tokens of one sample, token by token in float64."""

        def linear(layer: nn.Linear, x: Array) -> Array:
            return x @ layer.weight.detach().double().numpy().T + layer.bias.detach().double().numpy()

        x = (self.embed(tokens) + self.place).detach().double().numpy()
        q, k, v = (linear(one, x).reshape(24, -1, self.width) for one in (self.q, self.k, self.v))
        scale = 0.25 if self.form == "added" else self.width**-0.5
        group = self.heads // self.shared
        parts = [
            decoded(q[:, head], k[:, head // group], v[:, head // group], plan, scale, **rows)
            for head in range(self.heads)
        ]
        return linear(self.out, np.concatenate(parts, 1))


def fused(form: str = "causal") -> Fused:
    """The network with random weights that let attention choose."""
    torch.manual_seed(3)
    model = Fused(form).eval()
    with torch.no_grad():
        for layer in (model.q, model.k):
            layer.weight.mul_(3)
        model.k.bias.add_(torch.randn(16) * 3)
    return model


def data(count: int = 6) -> dict[str, torch.Tensor]:
    """Random tokens with the next ones as labels."""
    tokens = torch.randint(0, 13, (count, 25), generator=torch.Generator().manual_seed(4))
    return {"tokens": tokens[:, :-1].contiguous(), "labels": tokens[:, 1:].contiguous()}
