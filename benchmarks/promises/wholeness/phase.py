"""Something that is kept on a disk: how it is written, what lay there before, and what may lie there after a fault."""

from __future__ import annotations

import hashlib
import os
import re
import zipfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

Files = Mapping[str, str]
"""Digests of files by their place below a folder."""
_REST = re.compile(r"(^|/)(\.?part-[0-9a-f]+|\.[^/]*\.part($|/)|[^/]*-(wal|shm|journal)$)")


def _whole(place: Path) -> None:
    """Nothing more to look at than the files."""


@dataclass(frozen=True)
class Phase:
    """Something that is kept.

    Attributes:
        name: in words.
        write: keeps it, below a folder.
        before: what it finds there.
        units: what is whole or absent by itself: a pattern for each; what no pattern has belongs to no unit.
        leads: the one file without which the unit is absent; None where a unit is all its files.
        check: looks closer, and raises AssertionError; of what is no plain file, all there is to see.
    """

    name: str
    write: Callable[[Path], object]
    before: Callable[[Path], object] = _whole
    units: tuple[str, ...] = (".*",)
    leads: str | None = None
    check: Callable[[Path], object] = _whole
    is_database: bool = False


def files(folder: Path) -> Files:
    """What lies below a folder under names of its own."""
    return {name: digest for name, digest in _all(folder) if not _REST.search(name)}


def rest(folder: Path) -> list[str]:
    """What was left under names that nobody looks for."""
    return [name for name, _ in _all(folder) if _REST.search(name) and not name.endswith(("-wal", "-shm", "-journal"))]


def torn(phase: Phase, older: Files, newer: Files, found: Files) -> str:
    """What is neither as it was before nor as it should be, in a sentence; empty where all is whole or absent."""
    for unit in phase.units:
        old, new, now = ({name: one for name, one in all_.items() if re.fullmatch(unit, name)}
                         for all_ in (older, newer, found))  # fmt: skip
        absent = phase.leads not in now if phase.leads else not now
        if not absent and now not in (old, new):
            return f"{unit} is torn: {_told(now, old, new)}"
    strange = sorted(name for name in found if name not in {*older, *newer})
    return f"{strange[0]} is no file of it" if strange else ""


def _told(now: Files, old: Files, new: Files) -> str:
    def age(name: str) -> str:
        return "old" if now[name] == old.get(name) else "new" if now[name] == new.get(name) else "cut"

    return ", ".join(
        [*(f"{name} {age(name)}" for name in now), *(f"{name} missing" for name in new if name not in now)]
    )


def _all(folder: Path) -> Iterator[tuple[str, str]]:
    for place, _, names in os.walk(folder):
        for name in names:
            path = Path(place, name)
            yield str(path.relative_to(folder)), hashlib.blake2b(_content(path), digest_size=8).hexdigest()


def _content(path: Path) -> bytes:
    """The bytes; of an archive what is in it, since it says when it was written. One that is cut is its bytes."""
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            if archive.testzip() is None:
                return b"".join(name.encode() + archive.read(name) for name in sorted(archive.namelist()))
    return path.read_bytes()
