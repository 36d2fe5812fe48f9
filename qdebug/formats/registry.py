"""Formats by name."""

from __future__ import annotations

import re

from qdebug.errors import RecipeError, near
from qdebug.formats.blocks import BLOCKS, GGUF, KMEANS, VECTORS
from qdebug.formats.floats import FLOATS
from qdebug.formats.qformat import INTEGERS, QFormat
from qdebug.formats.tables import TABLES

_ALL = {value.name: value for value in (*FLOATS, *INTEGERS, *BLOCKS, *TABLES, *GGUF, *KMEANS, *VECTORS)}
_FIRST = ("fp32", "fp16", "bf16", "int8", "int4", "fp8_e4m3fn", "nf4", "mxfp4", "nvfp4", "q4_k", "kmeans4", "ternary")

#: Every format, those that most people look for first.
FORMATS: dict[str, QFormat] = {name: _ALL[name] for name in (*_FIRST, *_ALL)}

#: Names that others use for the same format.
ALIASES: dict[str, str] = {
    "fp8": "fp8_e4m3fn", "fp8_e4m3": "fp8_e4m3fn", "fp4_e2m1": "fp4", "fp4_e2m1fn": "fp4", "fp6_e2m3fn": "fp6_e2m3",
    "fp6_e3m2fn": "fp6_e3m2", "float16": "fp16", "bfloat16": "bf16", "float32": "fp32", "mxfp8": "mxfp8_e4m3",
    "mxfp6": "mxfp6_e2m3", "q4_k_s": "q4_k",
}  # fmt: skip

_NAMES = re.compile("|".join(sorted((*FORMATS, *ALIASES), key=len, reverse=True)))


def find(name: str) -> QFormat:
    """The format whose own name that is: recipes know each format by one name, so that equal ones are equal.

    Raises:
        RecipeError: no format has it; the message gives the own name of an alias, else near names.
    """
    try:
        return FORMATS[name]
    except KeyError:
        do = f"Write {ALIASES[name]}." if name in ALIASES else near(name, FORMATS)
        raise RecipeError(f"Unknown number format '{name}'", do=do) from None


def split_name(text: str) -> tuple[str, str] | None:
    """A format's own name at the start of a text (aliases understood, the longest wins), and what follows it."""
    match = _NAMES.match(text)
    return (ALIASES.get(match[0], match[0]), text[match.end() :]) if match else None
