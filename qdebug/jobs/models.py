"""The models that the compute process holds open."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Generic, TypeVar

from qdebug.results import ModelRef

if TYPE_CHECKING:
    from qdebug.engine.work import Work

S = TypeVar("S")
Stamp = tuple[tuple[int, int] | None, ...]
MOST_OPEN = 8


class OpenModels(Generic[S]):
    """Open models by reference, the least recently used closed first. Safe from any thread.

    A file that has changed on disk is another model: it is opened again.

    Args:
        opener: opens a reference. Called by one thread at a time, since torch's loaders are not safe for more.
        most: how many stay open. One that is closed while it still computes lives until it is done.
    """

    def __init__(self, opener: Callable[[ModelRef, Work], S], most: int = MOST_OPEN) -> None:
        self._opener = opener
        self._most = most
        self._opening = threading.Lock()
        self._lock = threading.Lock()
        self._open: OrderedDict[tuple[ModelRef, Stamp], S] = OrderedDict()

    def get(self, ref: ModelRef, work: Work) -> S:
        """The open model.

        Raises:
            QDebugError: it cannot be opened.
        """
        key = (ref, stamp(ref))
        if (found := self._find(key)) is not None:
            return found
        work.step(0, 0, f"opening {Path(ref.model).name}")
        with self.alone(work):
            if (found := self._find(key)) is not None:
                return found
            opened = self._opener(ref, work)
            with self._lock:
                for old in [other for other in self._open if other[0] == ref]:
                    del self._open[old]
                self._open[key] = opened
                while len(self._open) > self._most:
                    self._open.popitem(last=False)
            return opened

    @contextmanager
    def alone(self, work: Work) -> Iterator[None]:
        """While nobody else opens a model: torch's loaders bear one thread at a time."""
        while not self._opening.acquire(timeout=0.1):
            work.check()
        try:
            yield
        finally:
            self._opening.release()

    def is_open(self, ref: ModelRef) -> bool:
        """Whether :meth:`get` would answer at once."""
        with self._lock:
            return (ref, stamp(ref)) in self._open

    def _find(self, key: tuple[ModelRef, Stamp]) -> S | None:
        with self._lock:
            if key in self._open:
                self._open.move_to_end(key)
            return self._open.get(key)


def stamp(ref: ModelRef) -> Stamp:
    """Size and time of each of the reference's files; None for what is no file, such as a sample's name.

    A folder of images counts with what lies in it; images that are exchanged under the same names are not noticed.
    """
    return tuple(_stamp(path) for path in (ref.model, ref.data, ref.calib))


def stamps(path: str) -> tuple[tuple[str, tuple[int, int] | None], ...]:
    """Size and time of a file, or of all files of weights in a folder or beside an index, by name."""
    place = Path(path)
    folder = place if place.is_dir() else place.parent if place.name.endswith(".index.json") else None
    if folder is None:
        return ((str(place), _stamp(path)),)
    try:
        files = sorted(file for file in folder.iterdir() if file.suffix in (".json", ".safetensors", ".gguf"))
    except OSError:
        return ()
    return tuple((file.name, _stamp(str(file))) for file in files)


def _stamp(path: str | None) -> tuple[int, int] | None:
    try:
        place = Path(path) if path else None
        stats = [place.stat()] if place else []
        if place is not None and place.is_dir():
            cards = (
                one for above in (place, place.parent) for one in above.iterdir() if one.suffix in (".json", ".yaml")
            )
            stats += [one.stat() for one in (*cards, *(one for one in place.iterdir() if one.is_dir()))]
    except (OSError, ValueError):
        return None
    return (sum(one.st_size for one in stats), sum(one.st_mtime_ns for one in stats)) if stats else None
