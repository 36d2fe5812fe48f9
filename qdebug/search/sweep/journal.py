"""What sweeps have measured, kept on disk as it comes: a killed sweep goes on where it was.

One SQLite file, in the mode that many processes may write to at once (write-ahead log). It holds plain values: a key,
float64 numbers as little-endian bytes, a checksum of both, and seconds. Nothing in it is ever executed or unpickled.
"""

from __future__ import annotations

import hashlib
import secrets
import sqlite3
import struct
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from qdebug.errors import FileError
from qdebug.places import workspace

NAME = "sweeps.sqlite3"
APPLICATION = 0x71646267
"""Names the file's kind in its header (``PRAGMA application_id``), so that nobody else's is written to."""
VERSION = 1
PATIENCE = 30.0
"""Seconds to wait for another writer."""
MOST = 256 * 2**20
"""Bytes beyond which what was used the longest ago is forgotten."""
_TABLE = """CREATE TABLE IF NOT EXISTS measured
    (key TEXT PRIMARY KEY, numbers BLOB NOT NULL, seconds REAL NOT NULL, sum BLOB NOT NULL, used REAL NOT NULL)
    WITHOUT ROWID"""


class Journal:
    """Numbers by key. They are on disk when :meth:`put` returns; a damaged file is set aside and a new one begun.

    One journal is for one thread; open one each in other threads and processes.

    Args:
        folder: where the file lies; made if missing, for this user's eyes only.

    Attributes:
        path: the file.
        set_aside: where a damaged file was put, if one was met.

    Raises:
        FileError: the file cannot be opened, belongs to another program, or was written by a newer version.
    """

    def __init__(self, folder: Path | None = None) -> None:
        self.path = (folder or workspace()) / NAME
        self.set_aside: Path | None = None
        self._open = self._opened()

    def get(self, key: str) -> tuple[bytes, float] | None:
        """Numbers and seconds, or None where they are missing or damaged."""
        try:
            row = self._open.execute("SELECT numbers, seconds, sum FROM measured WHERE key = ?", (key,)).fetchone()
        except sqlite3.OperationalError as error:
            raise self._refused(error) from None
        except sqlite3.DatabaseError:
            self._replace()
            return None
        if row is None or not (isinstance(row[0], bytes) and isinstance(row[1], float)):
            return None
        numbers, seconds, checksum = row
        return (numbers, seconds) if checksum == _sum(key, numbers, seconds) else None

    def put(self, key: str, numbers: bytes, seconds: float) -> None:
        """Keep numbers; what has the key already is replaced."""
        self.put_all([(key, numbers, seconds)])

    def put_all(self, entries: Sequence[tuple[str, bytes, float]]) -> None:
        """Keep several at once, or none: it costs hardly more than one.

        Args:
            entries: key, numbers and seconds of each.
        """
        rows = [(*entry, _sum(*entry), time.time()) for entry in entries]
        for last in (False, True):
            try:
                with self._transaction():
                    self._open.executemany("INSERT OR REPLACE INTO measured VALUES (?, ?, ?, ?, ?)", rows)
                return
            except sqlite3.OperationalError as error:
                raise self._refused(error) from None
            except sqlite3.DatabaseError as error:
                if last:
                    raise self._refused(error) from None
                self._replace()

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        self._open.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            with suppress(sqlite3.Error):
                self._open.execute("ROLLBACK")
            raise
        self._open.execute("COMMIT")

    def close(self) -> None:
        """Let go of the file."""
        self._open.close()

    def _opened(self) -> sqlite3.Connection:
        try:
            self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            return self._connected()
        except (sqlite3.OperationalError, OSError) as error:
            raise self._refused(error) from None
        except sqlite3.DatabaseError:
            self._put_aside()
        try:
            return self._connected()
        except (sqlite3.Error, OSError) as error:
            raise self._refused(error) from None

    def _connected(self) -> sqlite3.Connection:
        opened = sqlite3.connect(self.path, timeout=PATIENCE, isolation_level=None)
        try:
            self._checked(opened)
            _write_ahead(opened)
            opened.execute("PRAGMA synchronous = NORMAL")
            opened.execute("BEGIN IMMEDIATE")
            opened.execute(f"PRAGMA application_id = {APPLICATION}")
            opened.execute(f"PRAGMA user_version = {VERSION}")
            opened.execute(_TABLE)
            opened.execute("SELECT key, numbers, seconds, sum, used FROM measured LIMIT 1")
            self._forget(opened)
            opened.execute("COMMIT")
        except BaseException:
            opened.close()
            raise
        return opened

    def _checked(self, opened: sqlite3.Connection) -> None:
        """Refuse what another program, or a newer version, has written."""
        opened.execute("BEGIN")  # one state of the file: another process may be writing its header right now
        (tables,), (kind,), (version,) = (
            opened.execute(text).fetchone()
            for text in ("SELECT count(*) FROM sqlite_master", "PRAGMA application_id", "PRAGMA user_version")
        )
        opened.execute("COMMIT")
        if tables and kind != APPLICATION:
            raise FileError(
                "This is no journal of measurements but another program's file", file=self.path,
                do="Name another folder in QDEBUG_WORKSPACE, or measure with --no-journal.",
            )  # fmt: skip
        if kind == APPLICATION and version > VERSION:
            raise FileError(
                f"The journal was written by a newer qdebug (its version is {version})", file=self.path,
                do="Update qdebug, name another folder in QDEBUG_WORKSPACE, or measure with --no-journal.",
            )  # fmt: skip

    def _forget(self, opened: sqlite3.Connection) -> None:
        (held,) = opened.execute("SELECT coalesce(sum(length(numbers)), 0) FROM measured").fetchone()
        while held > MOST:
            opened.execute(
                "DELETE FROM measured WHERE key IN (SELECT key FROM measured ORDER BY used LIMIT max(1, "
                "(SELECT count(*) / 4 FROM measured)))"
            )
            (held,) = opened.execute("SELECT coalesce(sum(length(numbers)), 0) FROM measured").fetchone()

    def _replace(self) -> None:
        """Begin a new file in the place of a damaged one."""
        self._open.close()
        self._put_aside()
        self._open = self._opened()

    def _put_aside(self) -> None:
        aside = self.path.with_name(f"{NAME}.damaged-{secrets.token_hex(4)}")
        try:
            # What was written last lies in the log beside the file. It goes first: a new file must not meet it.
            for ending in ("-wal", "-shm", ""):
                with suppress(FileNotFoundError):
                    self.path.with_name(NAME + ending).rename(f"{aside}{ending}")
        except OSError as error:
            raise self._refused(error) from None
        self.set_aside = aside

    def _refused(self, error: Exception) -> FileError:
        return FileError(
            f"The journal of measurements cannot be used: {error}", file=self.path,
            do="Name another folder in QDEBUG_WORKSPACE, or measure with --no-journal.",
        )  # fmt: skip


def _write_ahead(opened: sqlite3.Connection) -> None:
    """Switch the file's mode. SQLite does not wait for others here as it does elsewhere."""
    until = time.monotonic() + PATIENCE
    while True:
        try:
            opened.execute("PRAGMA journal_mode = WAL")
            return
        except sqlite3.OperationalError:
            if time.monotonic() > until:
                raise
            time.sleep(0.02)


def _sum(key: str, numbers: bytes, seconds: float) -> bytes:
    return hashlib.blake2b(key.encode() + struct.pack("<d", seconds) + numbers, digest_size=8).digest()
