"""What all browser sessions share: the connection to the compute process, and the answers that were drawn last."""

from __future__ import annotations

import threading
from collections import OrderedDict
from typing import Any

import streamlit as st

from qdebug.jobs.client import Client, connect

#: Answers are tables and binned histograms of some ten kilobytes: this many are a few megabytes for the whole server.
MOST_ANSWERS = 160


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


@st.cache_resource(show_spinner=False)
def client() -> Client:
    """The connection to the compute process, one for all sessions."""
    return connect()


@st.cache_resource(show_spinner=False)
def answers() -> Answers:
    """The answers drawn last, one store for all sessions."""
    return Answers()
