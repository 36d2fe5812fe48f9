"""Regular expressions that a stranger's folder brings: matched only where that is soon done.

Python's engine tries ways through a pattern one after the other, and a pattern such as ``(a+)+$`` has more of them for
a short name than anybody waits for. Here the ways are counted beforehand: a part that may take several lengths has as
many as there are places in the name where it could end; parts that follow each other multiply. What could take more
than :data:`MOST` ways, or has such a part inside another that repeats, is refused.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache
from re import _constants as codes  # type: ignore[attr-defined]
from re import _parser as parser  # type: ignore[attr-defined]
from typing import Any

from qdebug.errors import ModelError

MOST = 20_000
"""Ways through a pattern for one name; each is a look at no more than the name's length."""
LONGEST = 1000
"""Characters of a pattern."""

_ONE = (codes.LITERAL, codes.NOT_LITERAL, codes.ANY, codes.IN)
_REPEATS = (codes.MAX_REPEAT, codes.MIN_REPEAT)
_LOOKS = (codes.ASSERT, codes.ASSERT_NOT)


def matches(pattern: str, name: str) -> bool:
    """Whether a pattern fits the beginning of a name, as ``re.match`` has it.

    Raises:
        ModelError: it is no regular expression, or could take too long.
    """
    found, parts = _read(pattern)
    try:
        ways = _ways(parts, name)
    except _NestedError:
        ways = MOST + 1
    if ways > MOST:
        raise ModelError(
            f"quantization_config: matching '{_short(pattern)}' could take very long", file="config.json",
            do="Write the names out, or a pattern with fewer parts of any length.",
        )  # fmt: skip
    return found.match(name) is not None


class _NestedError(Exception):
    """Parts of several lengths lie within one that repeats, or the pattern has what is not counted here."""


@lru_cache(maxsize=1024)
def _read(pattern: str) -> tuple[re.Pattern[str], Sequence[Any]]:
    if len(pattern) > LONGEST:
        raise ModelError(
            f"quantization_config: the pattern '{_short(pattern)}' has {len(pattern)} characters", file="config.json",
            do=f"Patterns of up to {LONGEST} are read.",
        )  # fmt: skip
    try:
        return re.compile(pattern), list(parser.parse(pattern))
    except (re.error, RecursionError, OverflowError):
        raise ModelError(
            f"quantization_config: '{_short(pattern)}' is no regular expression",
            file="config.json",
            do="Write the checkpoint anew with the tool that made it.",
        ) from None


def _ways(parts: Sequence[Any], name: str, *, is_last: bool = True) -> int:
    """The most ways through parts that follow each other."""
    ways = 1
    for at, (code, said) in enumerate(parts):
        last = is_last and at == len(parts) - 1
        ways *= _part(code, said, parts[at + 1] if at + 1 < len(parts) else None, name, last)
        if ways > MOST:
            break
    return ways


def _part(code: Any, said: Any, after: Any, name: str, is_last: bool) -> int:
    if code in _ONE or code is codes.AT:
        return 1
    if code is codes.SUBPATTERN:
        return _ways(said[-1], name, is_last=is_last)
    if code is codes.BRANCH:
        return sum(_ways(one, name, is_last=is_last) for one in said[1])
    if code in _LOOKS:
        return _ways(said[1], name, is_last=False)
    if code in _REPEATS:
        low, high, inner = said
        if high > 1 and _ways(inner, name, is_last=False) > 1:
            raise _NestedError
        if is_last and low == 0:
            return 1  # whatever it takes is a match
        inside = _ways(inner, name, is_last=False)
        return min(high - low + 1, _ends(after, name)) * inside if high > low else inside
    raise _NestedError


def _ends(after: Any, name: str) -> int:
    """In how many places a part could end before the next one; a letter may be meant in either case."""
    if after is None or after[0] is not codes.LITERAL or after[1] >= 128:
        return len(name) + 1
    return name.casefold().count(chr(after[1]).casefold()) + 1


def _short(pattern: str) -> str:
    return pattern if len(pattern) <= 80 else f"{pattern[:77]}…"
