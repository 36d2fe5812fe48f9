"""The options that say how attentions hold what they compute with."""

from __future__ import annotations

import argparse
from typing import Any

import msgspec

from qdebug.recipes import AttentionPlan, parse_cache_format, parse_probs_format, parse_scores_format
from qdebug.recipes.attention import check_attention


def add_attention(parser: argparse.ArgumentParser) -> None:
    """Declare them."""
    group = parser.add_argument_group("attention (all of the model's; docs/attention.md)")
    group.add_argument(
        "--kv", metavar="F",
        help="keys and values as a cache holds them: int8, int4 (keys per channel of 32 tokens, values per token), "
        "int4-tok, int4g32, fp8_e4m3fn (one scale), q8_0 …",
    )  # fmt: skip
    group.add_argument("--kv-keys", metavar="F", help="keys alone, over --kv")
    group.add_argument("--kv-values", metavar="F", help="values alone, over --kv")
    group.add_argument("--kv-window", metavar="N", type=int, help="newest tokens that stay in full precision")
    group.add_argument("--attention-scores", metavar="F", help="products of queries and keys: int8, fp8_e4m3fn …")
    group.add_argument("--attention-probs", metavar="F", help="what softmax gives: int8 (256 codes from 0 to 1) …")


def with_attention(plan: AttentionPlan, options: argparse.Namespace) -> AttentionPlan:
    """A plan of attention with what the options say over it.

    Raises:
        RecipeError: an unknown format, or plans that contradict each other.
    """
    said: dict[str, Any] = {}
    for tensor, own in (("keys", options.kv_keys), ("values", options.kv_values)):
        text = options.kv if own is None else own
        if text is not None:
            said[tensor] = parse_cache_format(text, tensor)
    if options.kv_window is not None:
        said["window"] = options.kv_window
    if options.attention_scores is not None:
        said["scores"] = parse_scores_format(options.attention_scores)
    if options.attention_probs is not None:
        said["probs"] = parse_probs_format(options.attention_probs)
    found = msgspec.structs.replace(plan, **said)
    check_attention(found)
    return found
