"""How far a language model's distributions move."""

from __future__ import annotations

from qdebug.results.base import Result


class Divergence(Result, frozen=True, kw_only=True):
    """The Kullback-Leibler divergence from the float model's next-token distribution to the quantized one's, in nats.

    As llama.cpp's ``perplexity --kl-divergence`` defines them; of all tokens that are targets.

    Attributes:
        mean: over tokens.
        ci95: its 95 % interval; sequences are independent, tokens are not.
        median: over tokens.
        p99: the 99th percentile.
        most: the largest.
        same_top1: the share of tokens for which both models give the same token the highest probability.
        tokens: how many.
    """

    mean: float
    ci95: tuple[float, float]
    median: float
    p99: float
    most: float
    same_top1: float
    tokens: int
