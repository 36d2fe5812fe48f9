"""Attention with keys, values, scores and probabilities quantized, in the place of the steps of the graph."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
import torch
from torch import Tensor

from qdebug.graph.attention import Attention
from qdebug.graph.calls import Values, fill
from qdebug.graph.program import Step
from qdebug.quantize import Activate, Grid, QParams, activation_quantizer, is_static
from qdebug.quantize.cache import quantize_cache
from qdebug.recipes import TensorPlan


@dataclass(frozen=True)
class Held:
    """Keys, values, scores or probabilities of one attention: their plan and, where that is static, their grid."""

    plan: TensorPlan
    grid: Grid | None = None

    @property
    def key(self) -> bytes:
        """A text that is equal when they are quantized alike."""
        if self.grid is None:
            return msgspec.json.encode(self.plan)
        grid = self.grid
        codes = (grid.zero_point.item(), grid.qmin, grid.qmax) if isinstance(grid, QParams) else ""
        return msgspec.json.encode(self.plan) + f"{grid.scale.item()!r} {codes!r}".encode()

    def cached(self, x: Tensor) -> Tensor:
        """Keys or values ``[…, T, D]`` as a cache holds them."""
        return quantize_cache(x, self.plan, self.grid)

    def activate(self) -> Activate:
        """What quantizes scores or probabilities."""
        return activation_quantizer(self.plan, self.grid)


@dataclass(frozen=True)
class Attended:
    """How one attention is computed.

    Attributes:
        attention: where.
        causal: whether no query sees later tokens. Then a token that is still in the window, or in a group of tokens
            that is not full yet, is seen in full precision by the queries of that moment, and quantized by later ones:
            what decoding token by token gives.
        window: how many of the newest tokens are in full precision, where ``causal``.
        keys, values: the cache; None where it is float.
        scores, probs: only of a fused operator: those of one that is written out are points of the sheet.
    """

    attention: Attention
    causal: bool
    window: int = 0
    keys: Held | None = None
    values: Held | None = None
    scores: Held | None = None
    probs: Held | None = None

    def key(self, step: int) -> bytes:
        """A text that is equal when a step computes the same from equal inputs."""
        parts = (self.keys, self.values, self.scores, self.probs)
        if not self.attention.is_fused:
            parts = (self.keys,) if step == self.attention.first else (self.values,)
        words = [b"" if one is None else one.key for one in parts]
        return f"{self.causal} {self.window} ".encode() + b"|".join(words)

    @property
    def steps(self) -> tuple[int, ...]:
        """The steps that are computed otherwise than the graph says."""
        if self.attention.is_fused:
            return (self.attention.first,)
        first = (self.attention.first,) if self.keys else ()
        return (*first, self.attention.second) if self.values else first

    def compute(self, step: Step, values: Values) -> Tensor:
        """The value of one of these steps."""
        args, keywords = fill(step.args, values), fill(dict(step.kwargs), values)
        if self.attention.is_fused:
            return self._fused(step, args, keywords)
        if step.index == self.attention.first:
            return self._raw(args[0], args[1].transpose(-1, -2))
        return self._weighed(args[0], args[1])

    def _raw(self, query: Tensor, keys: Tensor) -> Tensor:
        """``q kᵀ`` for keys ``[…, T, D]``, each query on the cache as it is at its moment."""
        if self.keys is None:
            return query @ keys.transpose(-1, -2)
        held = query @ self.keys.cached(keys).transpose(-1, -2)
        seen = self._seen(self.keys.plan, query.shape[-2], keys)
        return held if seen is None else torch.where(seen, held, query @ keys.transpose(-1, -2))

    def _weighed(self, probs: Tensor, values: Tensor) -> Tensor:
        """``p v``, each query on the cache as it is at its moment."""
        if self.values is None:
            return probs @ values
        held = self.values.cached(values)
        seen = self._seen(self.values.plan, probs.shape[-2], values)
        return probs @ held if seen is None else (probs * seen) @ held + (probs * ~seen) @ values

    def _seen(self, plan: TensorPlan, queries: int, cached: Tensor) -> Tensor | None:
        """Whether a query sees a token quantized, ``[queries, tokens]``; None where each sees all of them so."""
        if not self.causal or queries != cached.shape[-2]:
            return None
        return seen_quantized(queries, plan, self.window, cached.device)

    def _fused(self, step: Step, args: list[Any], keywords: Mapping[str, Any]) -> Tensor:
        query, key, value, *rest = args
        given = fused_arguments(rest, keywords)
        plain = self.scores is None and self.probs is None
        if plain and all(
            one is None or self._seen(one.plan, query.shape[-2], key) is None for one in (self.keys, self.values)
        ):
            assert step.target is not None
            read = [one.cached(x) if one else x for one, x in ((self.keys, key), (self.values, value))]
            found: Tensor = step.target(query, *read, *rest, **keywords)
            return found
        key, value = (_spread(x, query) for x in (key, value))
        scores = self._raw(query, key) * _scale(query, given)
        if self.scores is not None:
            scores = self.scores.activate()(scores)
        probs = softmax(masked(scores, given))
        if self.probs is not None:
            probs = self.probs.activate()(probs)
        return self._weighed(probs, value)


def seen_quantized(tokens: int, plan: TensorPlan, window: int, device: torch.device | None = None) -> Tensor | None:
    """Whether the query of token t sees token j quantized while text is read or written token by token, ``[t, j]``.

    With a scale per channel, groups of tokens are quantized when they are full, as whole windows are where there is a
    window: t sees j quantized once ⌊j / R⌋ < ⌊t / R⌋, R being the window, or the group without one (KIVI: the current
    token is read in full precision and its group is packed after). Otherwise a token is quantized once it leaves the
    window, t − j ≥ window, and at once without one.

    Returns:
        None where all are, whatever the query.
    """
    place = torch.arange(tokens, device=device)
    query, token = place.unsqueeze(1), place.unsqueeze(0)
    if plan.granularity == "channel":
        size = window or plan.group_size
        return token // size < query // size
    return query - token >= window if window else None


def fused_arguments(rest: Sequence[Any], keywords: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments of a fused attention behind queries, keys and values, by name."""
    return dict(zip(("attn_mask", "dropout_p", "is_causal"), rest, strict=False)) | dict(keywords)


def products(query: Tensor, key: Tensor, given: Mapping[str, Any]) -> Tensor:
    """The scores of a fused attention, before its mask."""
    return query @ _spread(key, query).transpose(-1, -2) * _scale(query, given)


def _scale(query: Tensor, given: Mapping[str, Any]) -> float:
    """What a fused attention multiplies its scores by."""
    scale = given.get("scale")
    return 1.0 / math.sqrt(query.shape[-1]) if scale is None else float(scale)


def masked(scores: Tensor, given: Mapping[str, Any]) -> Tensor:
    """Scores with a fused attention's mask."""
    mask = given.get("attn_mask")
    if given.get("is_causal"):
        mask = torch.ones(scores.shape[-2:], dtype=torch.bool, device=scores.device).tril()
    if mask is None:
        return scores
    return scores.masked_fill(~mask, -math.inf) if mask.dtype == torch.bool else scores + mask


def softmax(scores: Tensor) -> Tensor:
    """A softmax that is zero where a query may look at nothing, as torch's fused attention has it."""
    nothing = (scores == -math.inf).all(-1, keepdim=True)
    return torch.softmax(scores, -1).masked_fill(nothing, 0.0)


def _spread(x: Tensor, query: Tensor) -> Tensor:
    """Heads of keys or values repeated for the query heads that share them (``enable_gqa``)."""
    heads = query.shape[-3] if query.dim() > 3 else 1
    return x if x.dim() < 4 or x.shape[-3] == heads else x.repeat_interleave(heads // x.shape[-3], -3)


def needs_range(plan: TensorPlan) -> bool:
    """Whether keys, values or scores need a range from calibration."""
    return plan.granularity == "tensor" and is_static(plan)
