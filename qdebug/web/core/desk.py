"""What all browser sessions share: the connection to the compute process, the answers drawn last, and partial ones."""

from __future__ import annotations

import threading
from collections import OrderedDict
from typing import Any

import streamlit as st

from qdebug.jobs.client import Client, connect

#: Answers are tables and binned histograms of some ten kilobytes, a large layer's matrix 150: this many are a few
#: megabytes for the whole server, and 25 if all were matrices.
MOST_ANSWERS = 160
MOST_PARTS = 32


class Answers:
    """A bounded store of answers by request, least recently used out first. Safe between threads."""

    def __init__(self, most: int = MOST_ANSWERS) -> None:
        self._most = most
        self._kept: OrderedDict[Any, Any] = OrderedDict()
        self._lock = threading.Lock()

    def find(self, request: Any) -> Any | None:
        """The answer to a request, if it is still held."""
        with self._lock:
            if request in self._kept:
                self._kept.move_to_end(request)
            return self._kept.get(request)

    def keep(self, request: Any, answer: Any) -> None:
        """Hold an answer."""
        with self._lock:
            self._kept[request] = answer
            self._kept.move_to_end(request)
            while len(self._kept) > self._most:
                self._kept.popitem(last=False)

    def drop(self, request: Any) -> None:
        """Hold an answer no longer."""
        with self._lock:
            self._kept.pop(request, None)


class Parts:
    """The newest partial answer to each request with its mark, as much as came of it. Bounded, safe between threads."""

    def __init__(self, most: int = MOST_PARTS) -> None:
        self._kept = Answers(most)

    def find(self, request: Any) -> Any | None:
        """The partial answer to a request, if one is held."""
        return (self._kept.find(request) or ("", None))[1]

    def mark(self, request: Any) -> str:
        """What names it to the compute process; empty where none is held."""
        return (self._kept.find(request) or ("", None))[0]

    def keep(self, request: Any, mark: str, part: Any) -> None:
        """Hold a partial answer in place of the one before."""
        self._kept.keep(request, (mark, part))


@st.cache_resource(show_spinner=False)
def client() -> Client:
    """The connection to the compute process, one for all sessions."""
    return connect()


@st.cache_resource(show_spinner=False)
def answers() -> Answers:
    """The answers drawn last, one store for all sessions."""
    return Answers()


@st.cache_resource(show_spinner=False)
def parts() -> Parts:
    """Partial answers, one store for all sessions."""
    return Parts()
