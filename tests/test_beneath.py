"""The one way from a name to a file: beneath a folder, over no link, to a regular file."""

from __future__ import annotations

import os
import socket

import pytest

from qdebug import beneath
from qdebug.beneath import NotBeneath, check_replaceable, create_beneath, open_beneath, place_beneath
from qdebug.errors import FileError

pytestmark = pytest.mark.skipif(os.name != "posix", reason="links and pipes")


@pytest.fixture(params=["walked", "looked at"])
def folder(request, tmp_path, monkeypatch):
    """With files in it; once as systems have it that open a name in an open folder, once as others."""
    if request.param == "looked at":
        monkeypatch.setattr(beneath, "_WALKS", False)
    (tmp_path / "in" / "sub").mkdir(parents=True)
    (tmp_path / "out").write_bytes(b"secret")
    (tmp_path / "in" / "one").write_bytes(b"one")
    (tmp_path / "in" / "sub" / "two").write_bytes(b"two")
    return tmp_path / "in"


def content(folder, name, **how):
    with os.fdopen(open_beneath(folder, name, **how), "rb") as file:
        return file.read()


@pytest.mark.parametrize(
    ("name", "held"), [("one", b"one"), ("sub/two", b"two"), ("./one", b"one"), ("sub//two", b"two")]
)
def test_files_within_are_opened(folder, name, held):
    assert content(folder, name) == held


@pytest.mark.parametrize(
    "name", ["", ".", "..", "../out", "/", "sub/../../out", "a\\b", "C:x", "\0", "one\0", "\\\\a\\b", "/etc/passwd"]
)
def test_names_that_lead_out_are_refused_by_their_words(folder, name):
    with pytest.raises(NotBeneath, match="no file in the model's own folder"):
        open_beneath(folder, name)


def test_links_are_not_followed_wherever_they_stand(folder):
    (folder / "link").symlink_to("one")
    (folder / "way").symlink_to("sub")
    for name in ("link", "way/two"):
        with pytest.raises(NotBeneath, match="is a link"):
            open_beneath(folder, name)


def test_pipes_folders_sockets_and_what_is_not_there(folder, monkeypatch):
    os.mkfifo(folder / "pipe")
    monkeypatch.chdir(folder)
    with socket.socket(socket.AF_UNIX) as heard:
        heard.bind("heard")
        for name in ("pipe", "sub"):
            with pytest.raises(NotBeneath, match="no regular file"):
                open_beneath(folder, name)
        with pytest.raises(NotBeneath, match="cannot be read"):
            open_beneath(folder, "heard")
    with pytest.raises(NotBeneath) as caught:
        open_beneath(folder, "gone")
    assert caught.value.missing
    with pytest.raises(NotBeneath):
        open_beneath(folder, "\ud800")
    with pytest.raises(NotBeneath, match="cannot be read"):
        open_beneath(folder, "a" * 5000)


def test_no_handle_is_left_open(folder):
    before = len(os.listdir("/proc/self/fd"))
    for name in ("one", "sub/two", "sub", "gone", "../out", "sub/gone/more"):
        try:
            os.close(open_beneath(folder, name))
        except NotBeneath:
            continue
    assert len(os.listdir("/proc/self/fd")) == before


def test_a_hard_link_to_somebody_else_s_file(folder, monkeypatch):
    (folder / "hard").hardlink_to(folder.parent / "out")
    assert content(folder, "hard") == b"secret"  # one's own
    monkeypatch.setattr(os, "getuid", lambda: folder.stat().st_uid + 1)
    with pytest.raises(NotBeneath, match="hard link to somebody else's"):
        open_beneath(folder, "hard")


def test_a_snapshot_of_the_hub_s_cache_is_read_and_no_other_link(tmp_path):
    snapshot, blobs = tmp_path / "models--a--b" / "snapshots" / "main", tmp_path / "models--a--b" / "blobs"
    for one in (snapshot, blobs):
        one.mkdir(parents=True)
    (blobs / "abc").write_bytes(b"blob")
    (tmp_path / "out").write_bytes(b"secret")
    for name, aim in (("good", "../../blobs/abc"), ("far", "../../../out"), ("sly", "../../blobs/../../out")):
        (snapshot / name).symlink_to(aim)
    assert content(snapshot, "good", cached=True) == b"blob"
    assert place_beneath(snapshot, "good", "The shard") == snapshot / "good"
    with pytest.raises(NotBeneath, match="is a link"):
        open_beneath(snapshot, "good")
    for name in ("far", "sly"):
        with pytest.raises(NotBeneath, match="is a link"):
            open_beneath(snapshot, name, cached=True)


def test_a_place_is_given_for_libraries(folder):
    assert place_beneath(folder, "sub/two", "The shard") == folder / "sub" / "two"
    assert place_beneath(folder, "sub", "The split", folder=True) == folder / "sub"
    assert place_beneath(folder, "gone", "The shard") == folder / "gone"  # whoever opens it says more
    (folder / "link").symlink_to(folder.parent / "out")
    (folder / "way").symlink_to(folder.parent)
    for name, is_folder in (("link", False), ("way", True), ("../out", False), ("..", True)):
        with pytest.raises(FileError, match="The shard") as caught:
            place_beneath(folder, name, "The shard", folder=is_folder)
        assert caught.value.do


def test_a_new_file_is_made_where_there_is_none(folder):
    with os.fdopen(create_beneath(folder, "new"), "wb") as file:
        file.write(b"new")
    assert (folder / "new").read_bytes() == b"new"
    assert (folder / "new").stat().st_mode & 0o777 == 0o600
    (folder / "link").symlink_to(folder.parent / "made")
    for name in ("one", "link"):
        with pytest.raises(FileExistsError):
            create_beneath(folder, name)
    for name in ("../made", "sub/made", "/made"):
        with pytest.raises(NotBeneath):
            create_beneath(folder, name)
    assert not (folder.parent / "made").exists()


def test_only_files_are_replaced(folder):
    os.mkfifo(folder / "pipe")
    for name in ("one", "gone"):
        check_replaceable(folder / name)
    for name, said in (("pipe", "no regular file"), ("sub", "a folder")):
        with pytest.raises(FileError, match=said):
            check_replaceable(folder / name)


def test_a_device_is_not_replaced_by_what_is_saved(tmp_path):
    from qdebug.export.document import write_whole
    from qdebug.recipes import preset, save

    os.mkfifo(tmp_path / "pipe.yaml")
    with pytest.raises(FileError, match="no regular file"):
        save(preset("w8a8"), tmp_path / "pipe.yaml")
    with pytest.raises(FileError, match="no regular file"):
        write_whole(tmp_path / "pipe.yaml", b"x")
    assert (tmp_path / "pipe.yaml").is_fifo()
