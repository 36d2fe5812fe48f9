"""Small SQLite files in the workspace, opened anew for every call, so that threads need not share a connection."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from qdebug.errors import FileError

PATIENCE = 10.0
"""Seconds to wait for another writer."""


@contextmanager
def opened(path: Path, tables: tuple[str, ...], what: str) -> Iterator[sqlite3.Connection]:
    """A connection whose changes are kept together when the block ends, or not at all when it fails.

    Args:
        path: the file; made if missing, in a folder for this user's eyes only.
        tables: what makes each table where there is none yet.
        what: what cannot be kept if it fails, such as ``Answers``.

    Raises:
        FileError: the file cannot be read or written.
    """
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with closing(sqlite3.connect(path, timeout=PATIENCE)) as file, file:
            file.execute("PRAGMA journal_mode = WAL")
            for table in tables:
                file.execute(table)
            yield file
    except (sqlite3.Error, OSError) as error:
        raise FileError(
            f"{what} cannot be kept: {error}", file=path,
            do="Check the folder's rights and space, or name another one in QDEBUG_WORKSPACE.",
        ) from None  # fmt: skip
