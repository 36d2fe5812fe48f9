"""The keys of a sheet's cells, each worked out when it, or one behind it, is asked for."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import overload

Make = Callable[[int, Sequence[bytes]], bytes]


class Keys(Sequence[bytes]):
    """One key for each step of a program, in graph order.

    A table of layers asks each of as many sheets as there are layers for a key or two: were all keys worked out for
    each of them, a model of thousands of layers would spend its time on that.

    Args:
        count: how many there are.
        make: makes a step's key from the step's number and the keys before it.
        known: the first ones, where they are known.
    """

    def __init__(self, count: int, make: Make, known: Sequence[bytes] = ()) -> None:
        self._count, self._make, self._known = count, make, list(known)
        self._growing = threading.Lock()

    def __len__(self) -> int:
        return self._count

    @overload
    def __getitem__(self, index: int) -> bytes: ...

    @overload
    def __getitem__(self, index: slice) -> list[bytes]: ...

    def __getitem__(self, index: int | slice) -> bytes | list[bytes]:
        places = range(self._count)[index]
        if isinstance(places, int):
            self._grow(places + 1)
            return self._known[places]
        self._grow(max(places, default=-1) + 1)
        return [self._known[place] for place in places]

    def __eq__(self, other: object) -> bool:
        return self[:] == list(other) if isinstance(other, Sequence) else NotImplemented

    __hash__ = None  # type: ignore[assignment]

    def _grow(self, count: int) -> None:
        if len(self._known) < count:
            with self._growing:
                while len(self._known) < count:
                    self._known.append(self._make(len(self._known), self._known))
