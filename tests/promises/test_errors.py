"""What errors say and what a browser is sent when something goes wrong; and that whatever leaks would be noticed."""

import ast
from pathlib import Path

import pytest

import qdebug
from benchmarks.promises import errors
from benchmarks.promises.errors import GOLDEN, PROMISE, SAID, Searched
from benchmarks.promises.promise import Allowance
from benchmarks.promises.provoked import lacking
from qdebug.errors import BY_NAME, FileError, WorkerError
from qdebug.jobs import uploads
from qdebug.places import workspace
from qdebug.web.core import problem
from qdebug.web.core.unplaced import unplaced


def test_every_class_says_what_a_person_read_and_nothing_of_the_server_reaches_a_browser():
    outcome = PROMISE.keep(Allowance(PROMISE.short))
    assert outcome.broken == ()
    assert outcome.tried == len(BY_NAME) - 1 + len(SAID) == PROMISE.short
    assert outcome.figures["messages searched"] > 300


def test_another_message_than_the_one_that_was_read_is_noticed(monkeypatch, tmp_path):
    lines = GOLDEN.read_text("utf-8").splitlines()
    changed = tmp_path / "errors.txt"
    changed.write_text("\n".join(line.replace("Known:", "There are:") for line in lines[1:]), "utf-8")
    monkeypatch.setattr(errors, "GOLDEN", changed)
    said = PROMISE.keep(Allowance(0)).broken
    assert len(said) == 2
    assert any(one.startswith("ModelError says") for one in said)
    assert any(one.startswith("DataError says") for one in said)


@pytest.mark.parametrize(
    ("text", "faults"),
    [
        ("FileError: It is gone (file a). Write it again.", 0),
        ("FileError: It is gone (file a).", 1),
        ("DataError: It is gone (file a). Write it again.", 1),
        ("nothing was raised", 2),
    ],
)
def test_a_message_that_lacks_something_is_noticed(text, faults):
    assert len(lacking("FileError", text)) == faults


def test_what_a_message_must_not_have_is_found_in_it():
    heard = Searched(("Traceback (most recent", "/srv/secret"))
    heard.hear(b"nothing")
    heard.hear(b"\x08\x01 Traceback (most recent call last): in /srv/secret/x")
    assert heard.messages == 2
    assert len(heard.broken) == 2


def test_every_error_that_is_raised_says_what_to_do():
    """By its source: an error without a next step leaves a person alone with it."""
    lacking_one, seen = [], 0
    for file in Path(qdebug.__file__).parent.rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text("utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in BY_NAME:
                named = {one.arg for one in node.keywords}
                seen += 1
                if node.func.id != "Cancelled" and not named & {"do", None}:
                    lacking_one.append(f"{file.name}:{node.lineno}")
    assert lacking_one == []
    assert seen > 500


def test_a_browser_is_told_a_files_name_and_not_where_it_lies():
    upload = uploads.folder() / "0123" / "net.onnx"
    text = problem.problem_html(FileError(f"It lies in {workspace()}/links.sqlite3", do="Look.", file=upload))
    assert "links.sqlite3" in text and "net.onnx" in text
    assert str(workspace()) not in text and str(uploads.folder()) not in text
    assert "/model/layers.0/MatMul" in problem.problem_html(WorkerError("It ended", layer="/model/layers.0/MatMul"))
    assert unplaced(f"{Path(qdebug.__file__).parents[1]}/app.py") == "app.py"
