"""What is kept in SQLite files: some rows at once, or none, and what was said to be kept is."""

from __future__ import annotations

import hashlib
import json
import sqlite3
from contextlib import closing
from pathlib import Path

from benchmarks.promises.wholeness.phase import Phase


def databases() -> list[Phase]:
    from qdebug.classroom.store import Classroom
    from qdebug.jobs.links import Links
    from qdebug.recipes import preset
    from qdebug.search.sweep.journal import Journal

    def rows(batch: int) -> list[tuple[str, bytes, float]]:
        return [(f"{batch}-{one}", bytes([batch]) * 2000, 0.5) for one in range(4)]

    def measure(folder: Path) -> None:
        journal = Journal(folder)
        for batch in range(1, 4):
            journal.put_all(rows(batch))
            _acknowledge(folder, batch)

    def measured(folder: Path) -> None:
        journal = Journal(folder)
        assert journal.set_aside is None, "the journal was damaged"
        there = [[journal.get(key) == (numbers, took) for key, numbers, took in rows(batch)] for batch in range(4)]
        journal.close()
        assert all(len(set(one)) == 1 for one in there), "a part of what was put at once"
        whole = [one[0] for one in there]
        assert whole == sorted(whole, reverse=True), "later numbers without earlier ones"
        assert sum(whole) > _acknowledged(folder), "numbers that were said to be kept are not there"

    def answer(folder: Path) -> None:
        room = Classroom(folder)
        for place in range(1, 4):
            room.record("p", "lesson", f"q{place}", "given", right=True)
            _acknowledge(folder, place)

    def answered(folder: Path) -> None:
        there = [("lesson", f"q{place}") in Classroom(folder).answers("p") for place in range(4)]
        assert there == sorted(there, reverse=True), "later answers without earlier ones"
        assert sum(there) > _acknowledged(folder), "an answer that was said to be kept is not there"
        _intact(next(folder.glob("classroom*.sqlite3")))

    def link(folder: Path) -> None:
        for bits in range(2, 5):
            Links(folder).name_recipe(preset(f"w{bits}a8"))
            _acknowledge(folder, bits - 1)

    def linked(folder: Path) -> None:
        names = [_recipe_name(preset(f"w{bits}a8")) for bits in range(2, 5)]
        there = [Links(folder).recipe(name) == preset(f"w{bits}a8") for bits, name in enumerate(names, 2)]
        assert there == sorted(there, reverse=True), "later addresses without earlier ones"
        assert sum(there) >= _acknowledged(folder), "an address that was given is not known"
        _intact(folder / "links.sqlite3")

    def _intact(path: Path) -> None:
        with closing(sqlite3.connect(path)) as file:
            assert file.execute("PRAGMA integrity_check").fetchall() == [("ok",)]

    return [
        Phase("journal written", measure, lambda folder: Journal(folder).put_all(rows(0)), check=measured,
              is_database=True),
        Phase("answers of a class kept", answer,
              lambda folder: Classroom(folder).record("p", "lesson", "q0", "given", right=True), check=answered,
              is_database=True),
        Phase("addresses kept", link, check=linked, is_database=True),
    ]  # fmt: skip


def _acknowledge(folder: Path, count: int) -> None:
    folder.with_name("acknowledged").write_text(json.dumps(count))


def _acknowledged(folder: Path) -> int:
    try:
        return json.loads(folder.with_name("acknowledged").read_text())
    except (FileNotFoundError, ValueError):
        return 0


def _recipe_name(recipe: object) -> str:
    from qdebug.recipes import dumps

    return hashlib.blake2b(dumps(recipe).encode(), digest_size=8).hexdigest()  # type: ignore[arg-type]
