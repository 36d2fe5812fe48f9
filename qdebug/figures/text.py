"""Names and sentences as figures need them."""

from __future__ import annotations

import html
import re
from collections import Counter
from collections.abc import Sequence

from qdebug.errors import written_out
from qdebug.results import TensorSpec


def shorten(name: str, most: int = 28) -> str:
    """A long name cut in the middle, so that both ends can be read; what could not be seen is written out.

    >>> shorten("transformer.blocks.11.attention.out_proj", 21)
    'transforme…n.out_proj'
    """
    name = written_out(name)
    if len(name) <= most:
        return name
    head = most // 2
    return f"{name[:head]}…{name[len(name) - (most - 1 - head) :]}"


MOST_SHARE = 0.75
"""The part of the names that has to begin alike; the others are an embedding or a head."""


def common_head(names: Sequence[str]) -> str:
    """What most names begin with, in whole parts between dots or slashes; nothing where there is but one name.

    >>> common_head(["encoder.layers.1.fc", "encoder.layers.12.fc"])
    'encoder.layers.'
    >>> common_head(["model.embed", *(f"model.layers.{at}.fc" for at in range(6)), "lm_head"])
    'model.layers.'
    """
    head, some = "", [re.findall(r"[^./]*[./]", name) for name in names]
    for depth in range(max(map(len, some), default=0)):
        heads = Counter("".join(parts[: depth + 1]) for parts in some if len(parts) > depth)
        found, many = max(heads.items(), key=lambda pair: pair[1], default=("", 0))
        if many < 2 or many < MOST_SHARE * len(names) or not found.startswith(head):
            break
        head = found
    return head


def telling(name: str, head: str, most: int = 28) -> str:
    """A long name shortened as :func:`shorten` does, but first by the head that it shares with most others.

    >>> telling("encoder.layers.12.attention.output.dense", "encoder.layers.")
    '…12.attention.output.dense'
    """
    if len(name) <= most:
        return written_out(name)
    return shorten("…" + name[len(head) :] if head and name.startswith(head) else name, most)


def plain(text: str) -> str:
    """The text as Plotly must get it: it reads tags, and layer names come from strangers."""
    return html.escape(written_out(text), quote=False)


def escaped(text: str) -> str:
    """The text as HTML; what could not be seen is written out."""
    return html.escape(written_out(text))


def listed(names: Sequence[str], most: int = 3) -> str:
    """Names as a sentence lists them: ``a, b and 4 more``."""
    shown = names[:most]
    if len(names) > most:
        return f"{', '.join(shown)} and {len(names) - most} more"
    return " and ".join([", ".join(shown[:-1]), shown[-1]] if len(shown) > 1 else list(shown))


def plural(number: int, one: str, many: str | None = None) -> str:
    """``1 layer``, ``3 layers``, ``no layers``."""
    return f"{f'{number:,}' if number else 'no'} {one if number == 1 else many or one + 's'}"


def input_in_words(spec: TensorSpec) -> str:
    """Type and sizes of a model's input; N is the number of samples, ? another size that may vary.

    >>> input_in_words(TensorSpec(name="x", shape=(None, 3, None), dtype="float32"))
    'float32 [N, 3, ?]'
    >>> input_in_words(TensorSpec(name="mask", shape=(16, 16), dtype="float32"))
    'float32 [16, 16], the same for every sample'
    """
    if not spec.shape:
        return f"{spec.dtype}, one number for all samples"
    first, *rest = spec.shape
    sizes = ["N" if first is None else str(first), *("?" if size is None else str(size) for size in rest)]
    return f"{spec.dtype} [{', '.join(sizes)}]{'' if first is None else ', the same for every sample'}"
