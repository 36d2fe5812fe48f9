"""Answers about fixes and about work under way."""

from __future__ import annotations

from typing import Any

from qdebug.results.base import Result, path
from qdebug.results.layer import ChannelRanges


class FixSite(Result, frozen=True, kw_only=True):
    """A place where a fix applies, or does not and why.

    Attributes:
        layers: the layers it ties together, in the order of the data.
        refused: the reason it does not apply here, or None.
        tensor: what ``before`` and ``after`` are ranges of, in words.
        before, after: per-channel ranges without and with the fix; None where refused or not meaningful.
        note: what the fix chose here, in words.
        first: how many of the layers write the values in between; the others read them.
    """

    layers: tuple[str, ...]
    refused: str | None
    tensor: str = ""
    before: ChannelRanges | None = None
    after: ChannelRanges | None = None
    note: str = ""
    first: int = 1

    @property
    def path(self) -> str:
        """The layers as people read them: those that write → those that read."""
        return path(self.layers, self.first)


class FixParameter(Result, frozen=True, kw_only=True):
    """A parameter of a fix.

    Attributes:
        name: as on the command line.
        kind: ``bool``, ``int``, ``float``, ``choice``, or ``other``.
        value: what it is in the recipe, or the default where the fix is off.
        default: what it is if not said.
        choices: of a choice.
        about: what it is.
    """

    name: str
    kind: str
    value: Any
    default: Any
    choices: tuple[str | int, ...]
    about: str


class FixCard(Result, frozen=True, kw_only=True):
    """A fix and what it would do here.

    Attributes:
        method: its name, such as ``cle`` (``qdebug.recipes.fixes`` lists them).
        title: its name in words.
        about: what it does, two sentences.
        cures: what it cures, in a word or two.
        source: the paper.
        stage: when it is applied (``qdebug.recipes.fixes.STAGES``).
        pace: ``live``, ``seconds`` or ``minutes``.
        sites: where it applies and where not.
        active: whether the recipe has it.
        parameters: what can be set.
        replaces: the titles of fixes in the recipe that make no sense with it: it would take their place.
        outcome: what it did to the error here, in a sentence or two, where it measures that itself; else empty.
    """

    method: str
    title: str
    about: str
    cures: str
    source: str
    stage: str
    pace: str
    sites: tuple[FixSite, ...]
    active: bool = False
    parameters: tuple[FixParameter, ...] = ()
    replaces: tuple[str, ...] = ()
    outcome: str = ""


class CacheStats(Result, frozen=True, kw_only=True):
    """The engine's cache: bytes held, its budget, values held, look-ups answered and not, values dropped."""

    bytes: int
    budget: int
    entries: int
    hits: int
    misses: int
    evictions: int


class Progress(Result, frozen=True, kw_only=True):
    """How far a piece of work is: ``done`` of ``total`` steps (0 where unknown) and what it is doing.

    ``can_finish``: it would end with the best so far, if somebody said that this is enough.
    """

    done: int
    total: int
    text: str
    can_finish: bool = False


class TargetCard(Result, frozen=True, kw_only=True):
    """A kind of file that a recipe can be taken home as.

    Attributes:
        name: what people type.
        title: what it is.
        suffix: the ending of its file's name; empty for a folder.
        from_folder: whether it is written from the Hugging Face folder that the model came from, and from nothing else.
    """

    name: str
    title: str
    suffix: str
    from_folder: bool = False
