"""What a quantized cache costs and saves on the sample language model: ``python -m benchmarks.cache``."""

from __future__ import annotations

import json

import qdebug
from qdebug.recipes import AttentionPlan, Recipe, parse_cache_format

FORMATS = ("fp8_e4m3fn", "int8", "int8-tok", "q8_0", "int4", "int4-tok", "q4_0", "int2", "int2-tok")
WINDOW = 32
"""Newest tokens in full precision, for 2 bits."""


def main() -> None:
    """Print perplexity, divergence from float and bytes of a token for each format."""
    session = qdebug.open("pydoc-gpt")
    rows = []
    for text in FORMATS:
        keys, values = (parse_cache_format(text, tensor) for tensor in ("keys", "values"))
        for window in (0, WINDOW) if text.startswith("int2") else (0,):
            recipe = Recipe(attention=AttentionPlan(keys, values, window))
            metric, moved, size = session.score(recipe).metric, session.divergence(recipe), session.cache_size(recipe)
            assert moved is not None and size is not None
            rows.append({
                "format": text, "window": window, "perplexity": round(metric.quantized, 3),
                "nats_a_token": float(f"{moved.mean:.2g}"), "bytes_a_token": round(size.quantized_bytes),
                "bits_a_value": round(size.bits_per_value, 2),
            })  # fmt: skip
    plain = session.score(Recipe()).metric.quantized
    print(json.dumps({"model": "pydoc-gpt", "float": round(plain, 3), "rows": rows}, indent=1))


if __name__ == "__main__":
    main()
