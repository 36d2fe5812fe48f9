"""Tables are understood by their descriptions and read row by row; what is wrong with them is one error."""

import json
import os
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from qdebug.doors.datasets import Table, is_table, open_table
from qdebug.errors import DataError, FileError
from tests.doors.datasets.saved import IMAGE, MESSAGES, TEXT, classes, picture, save


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    columns = {"text": ["one", "two", "three", "four", "five"], "label": [0, 1, -1, 1, 0]}
    return save(tmp_path / "saved", columns, {"text": TEXT, "label": classes("bad", "good")}, shards=2)


def texts(table: Table) -> list[str]:
    return [row["text"] for row in table.rows(["text"])]


def test_a_saved_folder_is_its_shards_in_order(folder: Path) -> None:
    table = open_table(folder)
    assert is_table(folder) and not is_table(folder.parent)
    assert (table.count, len(table.files)) == (5, 2)
    assert texts(table) == ["one", "two", "three", "four", "five"]
    assert (table.features["label"].kind, table.features["label"].classes) == ("class", ("bad", "good"))


@pytest.mark.parametrize(
    ("feature", "kind"),
    [
        (TEXT, "text"), ({"dtype": "large_string", "_type": "Value"}, "text"), (MESSAGES, "messages"), (IMAGE, "image"),
        ({"dtype": "int64", "_type": "Value"}, "number"), ({"dtype": "timestamp[s]", "_type": "Value"}, "other"),
        ([{"role": TEXT, "content": TEXT}], "messages"), ({"_type": "Audio"}, "other"), ({"a": TEXT}, "other"),
        ({"feature": TEXT, "_type": "Sequence"}, "other"), ("string", "other"),
    ],
)  # fmt: skip
def test_columns_are_what_their_description_says(feature: object, kind: str, tmp_path: Path) -> None:
    assert open_table(save(tmp_path / "one", {"x": ["a"]}, {"x": feature})).features["x"].kind == kind


def test_a_parquet_file_is_described_by_the_library_or_by_its_types(tmp_path: Path) -> None:
    columns = pa.table({
        "text": ["a", "b"], "image": [picture(1), picture(2)], "label": [1, 0],
        "messages": [[{"role": "user", "content": "hi"}]] * 2, "when": pa.array([1, 2], pa.timestamp("s")),
    })  # fmt: skip
    pq.write_table(columns, tmp_path / "plain.parquet")
    plain = open_table(tmp_path / "plain.parquet")
    kinds = {name: feature.kind for name, feature in plain.features.items()}
    assert kinds == {"text": "text", "image": "image", "label": "number", "messages": "messages", "when": "other"}
    said = json.dumps({"info": {"features": {"label": classes("cat", "dog")}}})
    pq.write_table(columns.replace_schema_metadata({"huggingface": said}), tmp_path / "said.parquet")
    told = open_table(tmp_path / "said.parquet")
    assert told.features["label"].classes == ("cat", "dog") and texts(told) == ["a", "b"]
    pq.write_table(columns.replace_schema_metadata({"huggingface": "{"}), tmp_path / "damaged.parquet")
    assert open_table(tmp_path / "damaged.parquet").features == plain.features


def test_splits_are_named_and_a_single_one_is_taken(folder: Path, tmp_path: Path) -> None:
    whole = tmp_path / "whole"
    whole.mkdir()
    folder.rename(whole / "test")
    (whole / "dataset_dict.json").write_text('{"splits": ["test"]}')
    assert is_table(whole) and open_table(whole).count == 5
    (whole / "dataset_dict.json").write_text('{"splits": ["train", "test"]}')
    with pytest.raises(DataError, match=r"several splits: train, test .*Give one of them: .*whole/test"):
        open_table(whole)
    (whole / "dataset_dict.json").write_text('{"splits": ["../saved"]}')
    with pytest.raises(FileError, match="lies outside of the folder"):
        open_table(whole)


def test_a_missing_shard_is_named(folder: Path) -> None:
    (folder / "data-00001-of-00002.arrow").unlink()
    with pytest.raises(FileError, match=r"missing, one of 2 \(file .*data-00001-of-00002\.arrow\)"):
        open_table(folder)


@pytest.mark.parametrize("name", ["../data.arrow", "/etc/passwd", "a/b.arrow", "..", "a\\b.arrow"])
def test_files_outside_of_the_folder_are_refused(name: str, folder: Path) -> None:
    (folder / "state.json").write_text(json.dumps({"_data_files": [{"filename": name}]}))
    with pytest.raises(FileError, match="lies outside of the dataset's folder"):
        open_table(folder)


@pytest.mark.parametrize(
    ("file", "content", "says"),
    [
        ("state.json", "{", "This is no JSON"),
        ("state.json", "[]", "holds no JSON object"),
        ("state.json", "{}", "names no file of rows"),
        ("state.json", '{"_data_files": [{"filename": "a"}], "_indices_data_files": [1]}', "flatten_indices"),
        ("dataset_info.json", "{}", "describes no column"),
        ("dataset_info.json", None, "lacks a file"),
        ("dataset_info.json", '{"features": {"txt": {}}}', "'txt' is described and not there.*Did you mean text"),
        ("data-00000-of-00002.arrow", "nothing of the kind", "The table cannot be read"),
        ("data-00000-of-00002.arrow", "", "The table cannot be read"),
    ],
)
def test_damage_is_one_error_with_the_file(file: str, content: str | None, says: str, folder: Path) -> None:
    (folder / file).unlink()
    if content is not None:
        (folder / file).write_text(content)
    with pytest.raises(FileError, match=says):
        open_table(folder)


def test_a_shard_that_was_cut_off_is_an_error_while_it_is_read(folder: Path) -> None:
    file = folder / "data-00001-of-00002.arrow"
    os.truncate(file, file.stat().st_size // 2)
    with pytest.raises(FileError, match="The table cannot be read"):
        texts(open_table(folder))


def test_offsets_that_point_outside_are_found_before_they_are_followed(tmp_path: Path) -> None:
    folder = save(tmp_path / "one", {"text": ["abcdefgh", "ijklmnop"]}, {"text": TEXT})
    file = folder / "data-00000-of-00001.arrow"
    content = file.read_bytes()
    offsets = b"".join(number.to_bytes(4, "little") for number in (0, 8, 16))
    assert content.count(offsets) == 1
    file.write_bytes(content.replace(offsets, offsets[:8] + (2**30).to_bytes(4, "little")))
    with pytest.raises(FileError, match="The table cannot be read"):
        texts(open_table(folder))


def test_no_row_and_no_file_say_so(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="The table has no row"):
        open_table(save(tmp_path / "none", {"text": pa.array([], pa.string())}, {"text": TEXT}))
    with pytest.raises(FileError, match="There is no such file"):
        open_table(tmp_path / "none.parquet")


def test_what_the_library_writes_is_read(tmp_path: Path) -> None:
    library = pytest.importorskip("datasets")
    features = library.Features({"text": library.Value("string"), "label": library.ClassLabel(names=["bad", "good"])})
    rows = pa.table({"text": ["one", "two", "three"], "label": pa.array([0, 1, 1], pa.int64())})
    info = library.DatasetInfo(features=features)
    saved = library.Dataset(rows, info=info, fingerprint="one")  # its own way to one pickles this process
    saved.save_to_disk(str(tmp_path / "saved"), num_shards=2)
    saved.to_parquet(str(tmp_path / "saved.parquet"))
    for place in (tmp_path / "saved", tmp_path / "saved.parquet"):
        table = open_table(place)
        assert texts(table) == ["one", "two", "three"] and table.features["label"].classes == ("bad", "good")
