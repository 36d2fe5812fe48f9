"""Documents on the disk: whole or absent, under their own names; and the registry of targets."""

from pathlib import Path

import pytest

import qdebug
from qdebug.errors import FileError, UsageError
from qdebug.export import TARGETS, Document, export, json_document, save
from tests.export.schemas import SCHEMAS


def test_a_document_goes_into_a_folder_under_its_own_name_or_where_it_is_told(tmp_path):
    document = Document("a.json", b"{}")
    assert save(document, tmp_path) == tmp_path / "a.json"
    assert save(document, tmp_path / "b.json").read_bytes() == b"{}"
    assert sorted(one.name for one in tmp_path.iterdir()) == ["a.json", "b.json"]


def test_a_save_that_fails_leaves_the_old_file_and_no_part(tmp_path, monkeypatch):
    save(Document("a.json", b"old"), tmp_path)

    def fails(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("pathlib.Path.replace", fails)
    with pytest.raises(FileError, match="No space left"):
        save(Document("a.json", b"new"), tmp_path)
    assert [one.name for one in tmp_path.iterdir()] == ["a.json"]
    assert (tmp_path / "a.json").read_bytes() == b"old"


def test_a_folder_that_is_not_there_is_an_error_with_the_place(tmp_path):
    with pytest.raises(FileError) as caught:
        save(Document("a.json", b"x"), tmp_path / "none" / "a.json")
    assert "none" in caught.value.where["file"]


def test_json_says_each_sentence_once_and_no_nan():
    document = json_document("a.json", {"é": 1.5}, ["one", "two", "one"])
    assert document.unsaid == ("one", "two")
    assert document.text == '{\n  "é": 1.5\n}\n'
    with pytest.raises(ValueError, match="not JSON compliant"):
        json_document("a.json", float("nan"))


def test_every_target_has_a_schema_here_and_a_section_in_the_docs():
    page = (Path(__file__).parents[2] / "docs" / "targets.md").read_text("utf-8")
    assert set(SCHEMAS) == set(TARGETS)
    assert [name for name in TARGETS if f"`{name}`" not in page] == []


def test_an_unknown_target_lists_near_ones():
    with pytest.raises(UsageError, match="Did you mean modelopt"):
        export(qdebug.open("digits-resnet"), "w8a8", "model-opt")
