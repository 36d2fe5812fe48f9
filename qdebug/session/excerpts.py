"""What a language model read and said, as text a person can read."""

from __future__ import annotations

from collections.abc import Sequence

from qdebug.doors import Dataset
from qdebug.results import Excerpt

BYTES = 256
"""A vocabulary of this size is one of bytes."""
READ = 40
"""Characters shown of what was read; of numbers a quarter."""
_SEEN = {0x0A: "⏎", 0x0D: "␍", 0x09: "⇥"}


def excerpt(
    data: Dataset, vocabulary: int, sample: int, position: int, target: int | None, a: int, b: int
) -> Excerpt | None:
    """The end of what was read up to a position, the token that is right, and both answers.

    Args:
        data: the first input of whole numbers, ``[N, T]``, is what was read.
        vocabulary: how many tokens there are; 256 are bytes and shown as characters, others as numbers.
        sample: which sequence.
        position: of the token that answers, in it; the answer follows it.
        target: the right token, or None.
        a: one answer.
        b: the other.

    Returns:
        The text; None where no input is a sequence of that length.
    """
    for name, tensor in data.inputs.items():
        if name in data.alike or tensor.is_floating_point() or tensor.dim() != 2 or tensor.shape[1] <= position:
            continue
        is_bytes = vocabulary == BYTES and bool(((tensor[sample] >= 0) & (tensor[sample] < BYTES)).all())
        most = READ if is_bytes else READ // 4
        start = max(0, position + 1 - most)
        read: list[int] = tensor[sample, start : position + 1].tolist()
        return Excerpt(
            before=("…" if start else "") + _shown(read, is_bytes=is_bytes),
            target="" if target is None else _shown([target], is_bytes=is_bytes),
            a=_shown([a], is_bytes=is_bytes), b=_shown([b], is_bytes=is_bytes), is_bytes=is_bytes,
        )  # fmt: skip
    return None


def _shown(tokens: Sequence[int], *, is_bytes: bool) -> str:
    if not is_bytes:
        return " ".join("NaN" if token < 0 else str(token) for token in tokens)
    return "".join(map(_character, tokens))


def _character(token: int) -> str:
    """A byte as one character, also where it is half of one or none that shows."""
    if token < 0:
        return "NaN"
    if token in _SEEN:
        return _SEEN[token]
    return chr(token) if 0x20 <= token < 0x7F else "·"
