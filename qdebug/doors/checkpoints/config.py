"""Entries of a ``quantization_config``, each checked before it is believed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from qdebug.errors import ModelError, near

_WHERE = "config.json"


def integer(config: Mapping[str, Any], key: str, default: int, *, among: Sequence[int] | None = None) -> int:
    """A whole number; the default where the key is missing or null.

    Raises:
        ModelError: it is something else, or none of those that are known.
    """
    value = config.get(key)
    if value is None:
        return default
    if not isinstance(value, int) or isinstance(value, bool):
        raise ModelError(f"quantization_config: '{key}' is {value!r}, no whole number", file=_WHERE, do="Correct it.")
    if among is not None and value not in among:
        known = ", ".join(map(str, among))
        raise ModelError(f"quantization_config: '{key}' is {value}", file=_WHERE, do=f"There is a reading of {known}.")
    return value


def one_of(config: Mapping[str, Any], key: str, known: Sequence[str], default: str) -> str:
    """A word among known ones, in small letters; the default where the key is missing or null.

    Raises:
        ModelError: it is another.
    """
    value = config.get(key)
    if value is None:
        return default
    word = value.lower() if isinstance(value, str) else ""
    if word not in known:
        raise ModelError(
            f"quantization_config: there is no reading of '{key}': {value!r}", file=_WHERE, do=near(str(value), known)
        )
    return word


def entry(config: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    """An object inside the config; empty where the key is missing or null.

    Raises:
        ModelError: it is no object.
    """
    value = config.get(key)
    if value is None:
        return {}
    if not isinstance(value, Mapping):
        raise ModelError(f"quantization_config: '{key}' is {value!r}, no object", file=_WHERE, do="Correct it.")
    return value


def words(config: Mapping[str, Any], key: str) -> tuple[str, ...]:
    """A list of texts; empty where the key is missing or null.

    Raises:
        ModelError: it is no list of texts.
    """
    value = config.get(key)
    if value is None:
        return ()
    if not isinstance(value, (list, tuple)) or not all(isinstance(one, str) for one in value):
        raise ModelError(f"quantization_config: '{key}' is no list of texts", file=_WHERE, do="Correct it.")
    return tuple(value)


def two_sizes(value: Any) -> tuple[int, int] | None:
    """Two positive whole numbers in a list; None for anything else."""
    if not isinstance(value, (list, tuple)) or len(value) != 2:
        return None
    first, second = value
    whole = all(isinstance(one, int) and not isinstance(one, bool) and one > 0 for one in value)
    return (first, second) if whole else None
