"""The journal keeps what it is given, and nothing that is done to its file crashes or misleads."""

import sqlite3
import subprocess
import sys

import pytest

from qdebug.errors import FileError
from qdebug.search.sweep.journal import NAME, Journal, workspace

NUMBERS = bytes(range(64))


def filled(folder, many=1):
    journal = Journal(folder)
    for number in range(many):
        journal.put(f"key{number}", NUMBERS, 1.5)
    journal.close()
    return folder / NAME


def test_it_keeps_numbers(tmp_path):
    filled(tmp_path)
    journal = Journal(tmp_path)
    assert journal.get("key0") == (NUMBERS, 1.5)
    assert journal.get("other") is None
    journal.put("key0", b"12345678", 2.0)
    assert journal.get("key0") == (b"12345678", 2.0)


def test_a_file_of_nonsense_is_set_aside(tmp_path):
    (tmp_path / NAME).write_bytes(b"nonsense" * 1000)
    journal = Journal(tmp_path)
    assert journal.get("key0") is None
    journal.put("key0", NUMBERS, 1.0)
    assert journal.get("key0") == (NUMBERS, 1.0)
    assert journal.set_aside is not None and journal.set_aside.read_bytes().startswith(b"nonsense")


@pytest.mark.parametrize("kept", [1, 100, 4096, 5000, 20000, 60000])
def test_a_file_that_was_cut_off_never_crashes(tmp_path, kept):
    path = filled(tmp_path, 500)
    path.write_bytes(path.read_bytes()[:kept])
    journal = Journal(tmp_path)
    for number in range(500):
        assert journal.get(f"key{number}") in (None, (NUMBERS, 1.5))
    journal.put("new", NUMBERS, 1.0)
    assert journal.get("new") == (NUMBERS, 1.0)


@pytest.mark.parametrize("seed", range(12))
def test_overwritten_pages_never_crash_nor_mislead(tmp_path, seed):
    import random

    path = filled(tmp_path, 500)
    content, rng = bytearray(path.read_bytes()), random.Random(seed)
    for _ in range(20):
        start = rng.randrange(100, len(content))
        content[start : start + 50] = rng.randbytes(len(content[start : start + 50]))
    path.write_bytes(content)
    try:
        journal = Journal(tmp_path)
    except FileError:
        return  # one clear error is fine too
    for number in range(500):
        assert journal.get(f"key{number}") in (None, (NUMBERS, 1.5))


def test_a_changed_number_is_no_number(tmp_path):
    path = filled(tmp_path)
    other = sqlite3.connect(path)
    other.execute("UPDATE measured SET numbers = ?", (NUMBERS[::-1],))
    other.commit()
    other.close()
    assert Journal(tmp_path).get("key0") is None


def test_another_program_s_file_is_left_alone(tmp_path):
    other = sqlite3.connect(tmp_path / NAME)
    other.execute("CREATE TABLE recipes (name TEXT)")
    other.commit()
    other.close()
    before = (tmp_path / NAME).read_bytes()
    with pytest.raises(FileError, match="another program"):
        Journal(tmp_path)
    assert (tmp_path / NAME).read_bytes() == before


def test_a_newer_file_is_left_alone(tmp_path):
    path = filled(tmp_path)
    other = sqlite3.connect(path)
    other.execute("PRAGMA user_version = 99")
    other.commit()
    other.close()
    with pytest.raises(FileError, match="newer"):
        Journal(tmp_path)


def test_a_folder_that_cannot_be_is_one_clear_error(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(FileError, match="journal"):
        Journal(tmp_path / "file" / "folder")


def test_many_may_write_at_once(tmp_path):
    script = (
        "import sys; from pathlib import Path; from qdebug.search.sweep.journal import Journal\n"
        "j = Journal(Path(sys.argv[1]))\n"
        "for n in range(100): j.put(f'{sys.argv[2]} {n}', bytes(64), 1.0)"
    )
    writers = [subprocess.Popen([sys.executable, "-c", script, str(tmp_path), str(one)]) for one in range(3)]
    assert [writer.wait(120) for writer in writers] == [0, 0, 0]
    journal = Journal(tmp_path)
    assert all(journal.get(f"{one} {number}") for one in range(3) for number in range(100))


def test_the_folder_can_be_named(monkeypatch, tmp_path):
    monkeypatch.setenv("QDEBUG_WORKSPACE", str(tmp_path))
    assert workspace() == tmp_path


def test_what_is_old_is_forgotten(tmp_path, monkeypatch):
    monkeypatch.setattr("qdebug.search.sweep.journal.MOST", 64 * 100)
    filled(tmp_path, 200)
    journal = Journal(tmp_path)
    assert journal.get("key0") is None
    assert journal.get("key199") is not None


def test_several_are_kept_together(tmp_path):
    journal = Journal(tmp_path)
    journal.put("key1", b"12345678", 2.0)
    journal.put_all([(f"key{number}", NUMBERS, 1.5) for number in range(3)])
    again = Journal(tmp_path)  # while the first is open
    assert [again.get(f"key{number}") for number in range(4)] == [(NUMBERS, 1.5)] * 3 + [None]
