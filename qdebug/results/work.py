"""Answers about fixes and about work under way."""

from __future__ import annotations

from qdebug.results.base import Result
from qdebug.results.layer import ChannelRanges


class FixSite(Result, frozen=True, kw_only=True):
    """A place where a fix applies, or does not and why.

    Attributes:
        layers: the layers it ties together, in the order of the data.
        refused: the reason it does not apply here, or None.
        tensor: what ``before`` and ``after`` are ranges of, in words.
        before, after: per-channel ranges without and with the fix; None where refused or not meaningful.
    """

    layers: tuple[str, ...]
    refused: str | None
    tensor: str = ""
    before: ChannelRanges | None = None
    after: ChannelRanges | None = None


class FixCard(Result, frozen=True, kw_only=True):
    """A fix and what it would do here.

    Attributes:
        method: ``cle``, ``bias-correction`` or ``smoothquant``.
        title: its name in words.
        about: what it does, two sentences.
        source: the paper.
        sites: where it applies and where not.
    """

    method: str
    title: str
    about: str
    source: str
    sites: tuple[FixSite, ...]


class CacheStats(Result, frozen=True, kw_only=True):
    """The engine's cache: bytes held, its budget, values held, look-ups answered and not, values dropped."""

    bytes: int
    budget: int
    entries: int
    hits: int
    misses: int
    evictions: int


class Progress(Result, frozen=True, kw_only=True):
    """How far a piece of work is: ``done`` of ``total`` steps (0 where unknown) and what it is doing."""

    done: int
    total: int
    text: str


class TargetCard(Result, frozen=True, kw_only=True):
    """A kind of file that a recipe can be taken home as: its name, what it is, and the ending of its file's name."""

    name: str
    title: str
    suffix: str
