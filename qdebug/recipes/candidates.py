"""The formats that are worth comparing, in the notation of the command line, by what they have in common."""

from __future__ import annotations

WEIGHTS: dict[str, tuple[str, ...]] = {
    "16-bit floats": ("fp16", "bf16"),
    "integers, one scale per tensor": ("int8", "int6", "int4"),
    "integers, one scale per channel": ("int8-pc", "int6-pc", "int5-pc", "int4-pc", "int3-pc", "int2-pc"),
    "integers in groups": ("int8g128", "int4g128", "int4g64", "int4g32", "int4g32-affine", "int3g32", "int2g32"),
    "small floats": ("fp8_e4m3fn", "fp8_e4m3fn-pc", "fp8_e5m2-pc", "fp6_e2m3-pc", "fp6_e3m2-pc", "fp4-pc", "fp4g32"),
    "MX and NV blocks": (
        "mxint8", "mxfp8_e4m3", "mxfp8_e5m2", "mxint6", "mxfp6_e2m3", "mxfp6_e3m2", "mxint4", "mxfp4", "nvint4",
        "nvfp4",
    ),
    "llama.cpp": ("q8_0", "q6_k", "q5_0", "q4_1", "q4_0", "q4_k"),
    "not uniform": ("nf4", "nf4-dq", "apot4-pc", "log2_4-pc", "kmeans4", "kmeans4-pc", "kmeans3-pc", "kmeans2-pc"),
    "vectors of weights": ("vq2_256", "vq2_16", "vq4_256"),
    "ternary and binary": ("ternary-pc", "ternary_twn-pc", "ternary_3_4-pc", "binary-pc"),
}  # fmt: skip
"""For weights."""

ACTIVATIONS: dict[str, tuple[str, ...]] = {
    "16-bit floats": ("fp16", "bf16"),
    "integers, one scale per tensor": ("int8", "int8-sym", "int6", "int4"),
    "integers, one scale per token": ("int8-tok", "int6-tok", "int4-tok"),
    "small floats": ("fp8_e4m3fn", "fp8_e4m3fn-tok", "fp8_e5m2", "fp6_e2m3-tok", "fp6_e3m2-tok", "fp4-tok"),
    "MX and NV blocks": WEIGHTS["MX and NV blocks"],
}
"""For activations."""
