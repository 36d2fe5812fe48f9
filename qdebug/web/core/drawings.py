"""Figures as the browser is sent them: drawn once for everybody who looks at the same thing.

Plotly checks every property of a figure, which takes ten times as long as all else that a chart costs. In a room of
thirty on one sample most charts have been drawn before, so what was drawn is kept, under a key of all it depends on:
the function that drew it and the content of its arguments, the theme among them. Another content is another key.
"""

from __future__ import annotations

import hashlib
import threading
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any, ParamSpec

import msgspec
import plotly.graph_objects as go
import plotly.io

P = ParamSpec("P")
MOST_CHARACTERS = 6 * 2**20
"""Of all drawings kept, as JSON: some three hundred charts. In Python each takes five bytes: 30 MB for all sessions."""


@dataclass(frozen=True, slots=True)
class Drawing:
    """A finished figure.

    Attributes:
        title: the finding it shows, as markup.
        content: everything else, as Plotly writes it. It is shared and must not be changed.
        characters: how long it is as JSON.
    """

    title: str
    content: dict[str, Any]
    characters: int

    def figure(self, revision: str | None = None) -> go.Figure:
        """It as a figure for Streamlit, which asks for its content and gets it unchecked and uncopied.

        Args:
            revision: what the browser keeps a zoom by; without one it keeps none.
        """
        return _Finished({**self.content, "layout": {**self.content["layout"], "uirevision": revision}})


class _Finished(go.Figure):
    """A figure of which nothing can be asked but its content."""

    def __init__(self, content: dict[str, Any]) -> None:
        self._content = content

    def to_dict(self) -> dict[str, Any]:
        return self._content


class Drawings:
    """A store of drawings that forgets those unused for longest. Safe between threads.

    Args:
        most: characters of all of them together.
    """

    def __init__(self, most: int = MOST_CHARACTERS) -> None:
        self._most = most
        self._kept: OrderedDict[bytes, Drawing] = OrderedDict()
        self._characters = 0
        self._lock = threading.Lock()

    @property
    def characters(self) -> int:
        """Of all that is kept."""
        return self._characters

    def of(self, draw: Callable[P, go.Figure], *args: P.args, **options: P.kwargs) -> Drawing:
        """What a function draws of these arguments, drawn now or kept from before.

        Args:
            draw: a function of ``qdebug.figures``, where all are pure and no two share a name.
            args: results and plain values, to which MessagePack can be applied.
            options: the same by name.
        """
        key = key_of(draw, *args, **options)
        with self._lock:
            if key in self._kept:
                self._kept.move_to_end(key)
                return self._kept[key]
        drawn = finished(draw(*args, **options))
        with self._lock:
            before = self._kept.pop(key, None)
            self._kept[key] = drawn
            self._characters += drawn.characters - (before.characters if before else 0)
            while self._characters > self._most:
                self._characters -= self._kept.popitem(last=False)[1].characters
        return drawn


@cache
def drawings() -> Drawings:
    """The store of this process, one for all sessions."""
    return Drawings()


def key_of(draw: Callable[P, go.Figure], *args: P.args, **options: P.kwargs) -> bytes:
    """All that a drawing depends on, in 20 bytes: the function, the content of its arguments and their types.

    Raises:
        TypeError: an argument is no plain value, or the function is none of ``qdebug.figures``: what others draw may
            depend on more than what they are given, and a page's functions have names that other pages use too.
    """
    if not draw.__module__.startswith("qdebug.figures.") or "<" in draw.__qualname__:
        raise TypeError(f"{draw.__module__}.{draw.__qualname__} is no function of qdebug.figures")
    kinds = [type(one).__qualname__ for one in (*args, *options.values())]
    content = msgspec.msgpack.encode((draw.__module__, draw.__qualname__, kinds, args, options))
    return hashlib.blake2b(content, digest_size=20).digest()


def finished(figure: go.Figure) -> Drawing:
    """A figure without its title, which the page sets as a heading: Plotly would cut it off."""
    content = figure.to_dict()
    title = content["layout"].pop("title", {}).get("text") or ""
    return Drawing(title, content, len(str(plotly.io.to_json(content, validate=False))))
