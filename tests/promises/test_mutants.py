"""A bad file gives one typed error, never a dead or hung app: the promise in short, and that its proof can fail."""

from __future__ import annotations

import random
import sys
from pathlib import Path

import pytest

from benchmarks.promises import mutants
from benchmarks.promises.mutants.change import other_bytes, other_json, other_values
from benchmarks.promises.mutants.kinds import KINDS, ROUND
from benchmarks.promises.promise import Allowance

pytest.importorskip("PIL")
pytest.importorskip("transformers")
pytestmark = pytest.mark.timeout(600)


def test_the_promise():
    outcome = mutants.PROMISE.keep(Allowance(mutants.PROMISE.short))
    assert outcome.broken == ()
    assert outcome.tried >= 13_000
    # most are refused, and not all: changes that are too wild or too mild would say nothing
    assert 0.05 < outcome.figures["opened"] / outcome.tried < 0.6


@pytest.mark.parametrize("name", KINDS)
def test_each_kind_is_opened_now_and_then_and_refused_now_and_then(name, tmp_path):
    from qdebug.errors import QDebugError

    opened, refused = 0, 0
    for seed in range(400):
        try:
            KINDS[name].read(KINDS[name].make(random.Random(seed), tmp_path))
            opened += 1
        except QDebugError:
            refused += 1
        if opened and refused:
            return
    pytest.fail(f"{opened} opened, {refused} refused")


@pytest.fixture
def reader(tmp_path):
    """A reader that does what a text of Python says at the third mutant."""

    def made(text):
        script = tmp_path / "reader.py"
        script.write_text(
            "import os, sys, time\n_, folder, parent, seed, first, last = sys.argv\n"
            "for place in range(int(first), int(last)):\n"
            "    print('>', place, flush=True)\n"
            f"    if place == 2: {text}\n"
            "print('. 7 1', flush=True)\n"
        )
        return (sys.executable, str(script))

    return made


@pytest.mark.parametrize(
    ("text", "said", "tried"),
    [
        ("os.abort()", "status -6", 5),
        ("print('! 2 onnx: KeyError: x', flush=True)", "mutant 2 onnx: KeyError", 5),
        ("time.sleep(60)", "takes longer than 1 s", 5),
        ("os._exit(3)", "status 3", 5),
    ],
)
def test_what_dies_hangs_or_says_something_else_is_found(reader, monkeypatch, text, said, tried):
    monkeypatch.setattr(mutants, "HUNG", 1.0)
    monkeypatch.setattr(mutants, "ROUND", ("images",))
    told = mutants.read("0", 5, command=reader(text))
    assert told.tried == tried, "it does not go on behind the file"
    assert len(told.broken) == 1 and said in told.broken[0]


def test_what_is_read_behind_walls_may_end_its_reader(reader, monkeypatch):
    monkeypatch.setattr(mutants, "ROUND", ("onnx",))
    told = mutants.read("0", 5, command=reader("os.abort()"))
    assert told.broken == [] and len(told.died) == 1


def test_a_reader_that_does_not_start_is_found():
    told = mutants.read("0", 5, command=(sys.executable, "-c", "raise SystemExit(4)"))
    assert told.tried == 0 and "does not start (status 4)" in told.broken[0]


def test_the_same_seed_makes_the_same_files(tmp_path):
    for name in dict.fromkeys(ROUND):
        found = []
        for turn in "ab":
            (tmp_path / turn).mkdir(exist_ok=True)
            path = KINDS[name].make(random.Random("7"), tmp_path / turn)
            files = sorted(path.iterdir()) if path.is_dir() else [path]
            found.append([file.read_bytes() for file in files])
        if not name.startswith(("pt2", "npz")):  # archives have the time in them
            assert found[0] == found[1]


def test_changes_change():
    dice = random.Random(0)
    assert sum(other_bytes(b"0123456789" * 5, dice) != b"0123456789" * 5 for _ in range(100)) > 90
    assert sum(other_values({"a": [1, {"b": 2}]}, dice) != {"a": [1, {"b": 2}]} for _ in range(100)) > 80
    assert all(isinstance(other_json('{"a": [1, 2]}', dice), bytes) for _ in range(100))
    assert Path(mutants.__file__).name == "__init__.py"
