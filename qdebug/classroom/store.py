"""Answers of participants, and rooms of workshops: one SQLite file that outlives the server."""

from __future__ import annotations

import os
import secrets
import sqlite3
import time
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

from qdebug.places import workspace
from qdebug.tables import opened

NAME = "classroom.sqlite3"
VARIABLE = "QDEBUG_WORKSHOP"
"""Names the workshop's room in the server's environment; without it there is no workshop."""
LONGEST = 200
"""Characters of an answer or a name that are kept."""
_LETTERS = "ABCDEFGHJKMNPQRSTUVWXYZ23456789"
"""Of join codes: none that is taken for another when it stands on a wall."""
_CODE = 6
_TABLES = (
    """CREATE TABLE IF NOT EXISTS room
    (name TEXT PRIMARY KEY, code TEXT NOT NULL, teacher TEXT NOT NULL, began REAL NOT NULL) WITHOUT ROWID""",
    """CREATE TABLE IF NOT EXISTS participant
    (id TEXT PRIMARY KEY, room TEXT NOT NULL, name TEXT NOT NULL, joined REAL NOT NULL) WITHOUT ROWID""",
    """CREATE TABLE IF NOT EXISTS teacher
    (id TEXT NOT NULL, room TEXT NOT NULL, PRIMARY KEY (id, room)) WITHOUT ROWID""",
    """CREATE TABLE IF NOT EXISTS answer
    (participant TEXT NOT NULL, lesson TEXT NOT NULL, question TEXT NOT NULL, given TEXT NOT NULL, right INTEGER
    NOT NULL, tries INTEGER NOT NULL, at REAL NOT NULL, PRIMARY KEY (participant, lesson, question)) WITHOUT ROWID""",
)


@dataclass(frozen=True, slots=True)
class Room:
    """A workshop.

    Attributes:
        name: of the room.
        code: what participants type to come in.
        teacher: the secret that opens the teacher's view.
    """

    name: str
    code: str
    teacher: str


@dataclass(frozen=True, slots=True)
class Participant:
    """Somebody in a room; ``joined`` in seconds since 1970."""

    id: str
    name: str
    joined: float


@dataclass(frozen=True, slots=True)
class Answered:
    """What somebody has answered last.

    Attributes:
        given: as it was typed or picked.
        right: whether it, or one before it, was right.
        tries: how many answers there were up to the first right one.
        at: when, in seconds since 1970.
    """

    given: str
    right: bool
    tries: int
    at: float


def workshop() -> str | None:
    """The name of the room that this server serves, or None where it serves nobody in particular."""
    return os.environ.get(VARIABLE) or None


class Classroom:
    """The file.

    Args:
        folder: where it lies; made if missing, for this user's eyes only.

    Raises:
        FileError: by every method: the file cannot be read or written.
    """

    def __init__(self, folder: Path | None = None) -> None:
        self.path = (folder or workspace()) / NAME

    def answers(self, participant: str) -> dict[tuple[str, str], Answered]:
        """What a participant has answered, by lesson and question."""
        with self._open() as file:
            rows = file.execute(
                "SELECT lesson, question, given, right, tries, at FROM answer WHERE participant = ?", (participant,)
            )
            return {(row[0], row[1]): Answered(row[2], bool(row[3]), row[4], row[5]) for row in rows}

    def record(self, participant: str, lesson: str, question: str, given: str, *, right: bool) -> None:
        """Keep an answer. One that was right stays right, whatever is tried after it."""
        with self._open() as file:
            file.execute(
                """INSERT INTO answer VALUES (?, ?, ?, ?, ?, 1, ?)
                ON CONFLICT (participant, lesson, question) DO UPDATE SET
                given = excluded.given, at = excluded.at, right = excluded.right, tries = tries + 1
                WHERE NOT answer.right""",
                (participant, lesson, question, given[:LONGEST], right, time.time()),
            )

    def room(self, name: str) -> Room:
        """The room of a name; made, with a new code and a new secret, where there is none."""
        with self._open() as file:
            known = "SELECT name, code, teacher FROM room WHERE name = ?"
            row = file.execute(known, (name,)).fetchone()
            if row is None:  # every run of every page asks: only the first may wait for other writers
                code = "".join(secrets.choice(_LETTERS) for _ in range(_CODE))
                file.execute(
                    "INSERT INTO room VALUES (?, ?, ?, ?) ON CONFLICT (name) DO NOTHING",
                    (name, code, secrets.token_urlsafe(12), time.time()),
                )
                row = file.execute(known, (name,)).fetchone()
            return Room(*row)

    def join(self, participant: str, room: str, name: str) -> None:
        """Let somebody in, under the name they give; who is in already gets the new name."""
        with self._open() as file:
            file.execute(
                """INSERT INTO participant VALUES (?, ?, ?, ?)
                ON CONFLICT (id) DO UPDATE SET room = excluded.room, name = excluded.name""",
                (participant, room, name[:LONGEST], time.time()),
            )

    def who(self, participant: str, room: str) -> Participant | None:
        """Somebody in a room, or None where they have not joined it."""
        with self._open() as file:
            row = file.execute(
                "SELECT id, name, joined FROM participant WHERE id = ? AND room = ?", (participant, room)
            ).fetchone()
            return Participant(*row) if row else None

    def participants(self, room: str) -> tuple[Participant, ...]:
        """All in a room, in the order that they came in."""
        with self._open() as file:
            rows = file.execute("SELECT id, name, joined FROM participant WHERE room = ? ORDER BY joined, id", (room,))
            return tuple(Participant(*row) for row in rows)

    def teach(self, person: str, room: str) -> None:
        """Remember who a room's teacher is; there may be several."""
        with self._open() as file:
            file.execute("INSERT INTO teacher VALUES (?, ?) ON CONFLICT DO NOTHING", (person, room))

    def teaches(self, person: str, room: str) -> bool:
        """Whether somebody is a room's teacher."""
        with self._open() as file:
            found = file.execute("SELECT 1 FROM teacher WHERE id = ? AND room = ?", (person, room))
            return found.fetchone() is not None

    def reset(self, room: str) -> None:
        """Forget a room's participants and their answers; the code stays, and all may join again."""
        with self._open() as file:
            inside = "SELECT id FROM participant WHERE room = ?"
            file.execute(f"DELETE FROM answer WHERE participant IN ({inside})", (room,))
            file.execute("DELETE FROM participant WHERE room = ?", (room,))

    def _open(self) -> AbstractContextManager[sqlite3.Connection]:
        return opened(self.path, _TABLES, "Answers")
