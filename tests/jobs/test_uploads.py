"""Uploads: kept by content, named safely, known by their place, and bounded."""

import os
import stat
import time

import pytest

from qdebug.errors import FileError, UsageError
from qdebug.jobs import uploads


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("QDEBUG_UPLOADS", str(tmp_path / "up"))
    for name in ("QDEBUG_UPLOAD_MB", "QDEBUG_UPLOADS_MB"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path / "up"


def entries(folder):
    return {path.name for path in folder.iterdir() if path.is_dir()}


def test_files_of_one_upload_lie_together_for_this_user_s_eyes_only(folder):
    model, weights = uploads.store([("net.onnx", b"graph"), ("net.weights", memoryview(b"numbers"))])
    assert model.parent == weights.parent
    assert model.parent.parent == folder
    assert model.read_bytes() == b"graph"
    assert weights.read_bytes() == b"numbers"
    for path, mode in ((folder, 0o700), (model.parent, 0o700), (model, 0o600)):
        assert stat.S_IMODE(path.stat().st_mode) == mode


def test_the_same_upload_is_kept_once_and_stays_as_it_was(folder):
    (first,) = uploads.store([("net.onnx", b"graph")])
    before = first.stat().st_mtime_ns
    assert uploads.store([("net.onnx", b"graph")]) == (first,)
    assert first.stat().st_mtime_ns == before
    (other,) = uploads.store([("net.onnx", b"another")])
    (renamed,) = uploads.store([("other.onnx", b"graph")])
    assert len({first.parent, other.parent, renamed.parent}) == 3
    assert entries(folder) == {first.parent.name, other.parent.name, renamed.parent.name}


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("net.onnx", "net.onnx"),
        ("../../etc/passwd", "passwd"),
        ("C:\\Users\\me\\net.onnx", "net.onnx"),
        ("/abs/net.onnx", "net.onnx"),
        ("größe 量.onnx", "größe 量.onnx"),
        ("u\u0308.onnx", "ü.onnx"),
        ("a\x00b\nc\u202e.onnx", "a_b_c_.onnx"),
        ("a:b?.onnx", "a_b_.onnx"),
        ("..", "file"),
        (".", "file"),
        ("", "file"),
        ("\ud800.onnx", "_.onnx"),
    ],
)
def test_names(given, kept):
    assert uploads.safe_name(given) == kept


def test_a_long_name_keeps_its_ending_and_is_whole_text():
    name = uploads.safe_name("ü" * 5000 + ".onnx")
    assert len(name.encode()) <= uploads.LONGEST_NAME
    assert name.endswith("ü.onnx")
    assert "…" in name


def test_an_upload_is_known_by_its_place_however_it_is_named(folder, tmp_path, monkeypatch):
    (path,) = uploads.store([("net.onnx", b"graph")])
    assert uploads.is_upload(path)
    assert uploads.is_upload(folder / "x" / ".." / path.parent.name / "net.onnx")
    (tmp_path / "link.onnx").symlink_to(path)
    assert uploads.is_upload(tmp_path / "link.onnx")
    monkeypatch.setenv("QDEBUG_UPLOADS", str(tmp_path / "elsewhere"))  # as a process with other settings sees it
    assert uploads.is_upload(path)
    assert not uploads.is_upload(tmp_path / "net.onnx")
    assert not uploads.is_upload("digits-mobilenet")
    assert not uploads.is_upload("a\0b")


def test_a_link_out_of_the_folder_is_an_upload_too(folder, tmp_path):
    (path,) = uploads.store([("net.onnx", b"graph")])
    (tmp_path / "own.onnx").write_bytes(b"own")
    (path.parent / "link.onnx").symlink_to(tmp_path / "own.onnx")
    assert uploads.is_upload(path.parent / "link.onnx")


def test_too_large_and_twice_the_same_name(folder, monkeypatch):
    monkeypatch.setenv("QDEBUG_UPLOAD_MB", "1")
    with pytest.raises(FileError, match="more than the 1 MB"):
        uploads.store([("net.onnx", bytes(600_000)), ("net.data", bytes(600_000))])
    with pytest.raises(FileError, match="same name"):
        uploads.store([("a/net.onnx", b"1"), ("b/net.onnx", b"2")])
    monkeypatch.setenv("QDEBUG_UPLOAD_MB", "many")
    with pytest.raises(UsageError, match="QDEBUG_UPLOAD_MB is 'many'"):
        uploads.store([("net.onnx", b"1")])


def test_a_folder_that_cannot_be_used_is_an_error(tmp_path, monkeypatch):
    (tmp_path / "file").write_bytes(b"")
    monkeypatch.setenv("QDEBUG_UPLOADS", str(tmp_path / "file" / "up"))
    with pytest.raises(FileError, match="cannot be kept"):
        uploads.store([("net.onnx", b"1")])


def test_the_oldest_goes_first_and_what_is_in_use_stays(folder, monkeypatch):
    monkeypatch.setenv("QDEBUG_UPLOADS_MB", "2")
    paths = [uploads.store([(f"{at}.onnx", bytes([at]) * 700_000)])[0] for at in range(2)]
    hours = uploads.IN_USE_SECONDS + 60
    for age, path in zip((hours + 100, hours), paths, strict=True):
        os.utime(path.parent, (time.time() - age,) * 2)
    uploads.touch([paths[0], None, "digits-vit"])
    (third,) = uploads.store([("2.onnx", b"2" * 700_000)])
    assert entries(folder) == {paths[0].parent.name, third.parent.name}
    with pytest.raises(FileError, match="2 MB for uploads are in use"):
        uploads.store([("3.onnx", b"3" * 900_000)])
    assert entries(folder) == {paths[0].parent.name, third.parent.name}


def test_nothing_half_written_is_left(folder, monkeypatch):
    def full(*args):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(uploads.os, "fdopen", full)
    with pytest.raises(FileError, match="No space left"):
        uploads.store([("net.onnx", b"1")])
    assert entries(folder) == set()
