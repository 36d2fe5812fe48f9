"""Which files a path means: a file, an index, a folder; and what an index may not say."""

import json

import pytest
import torch
from safetensors.torch import save_file

from qdebug.doors.stored import find_checkpoint
from qdebug.errors import FileError
from tests.doors.stored_files import gguf

INDEX = "model.safetensors.index.json"


@pytest.fixture
def folder(tmp_path):
    """Two shards and their index."""
    save_file({"a": torch.ones(2, 3), "b": torch.zeros(4)}, tmp_path / "one.safetensors")
    save_file({"c": torch.ones(5)}, tmp_path / "two.safetensors")
    index(tmp_path, {"a": "one.safetensors", "b": "one.safetensors", "c": "two.safetensors"})
    return tmp_path


def index(folder, places):
    (folder / INDEX).write_text(json.dumps({"metadata": {"total_size": 60}, "weight_map": places}))


def test_a_folder_and_its_index_mean_all_shards(folder):
    for path in (folder, folder / INDEX):
        found = find_checkpoint(path)
        assert [one.name for one in found.tensors] == ["a", "b", "c"]
        assert [file.name for file in found.files] == ["one.safetensors", "two.safetensors"]
        assert [one.file.name for one in found.tensors] == ["one.safetensors", "one.safetensors", "two.safetensors"]
        assert (found.source, found.notes) == ("safetensors", ())


def test_a_shard_alone(folder):
    found = find_checkpoint(folder / "two.safetensors")
    assert [one.name for one in found.tensors] == ["c"]


def test_a_folder_with_one_file(tmp_path):
    (tmp_path / "w.gguf").write_bytes(gguf([("a", [8], 0, 0)]))
    assert find_checkpoint(tmp_path).source == "gguf"
    assert find_checkpoint(str(tmp_path / "w.gguf")).tensors[0].name == "a"


def test_tensors_that_the_index_leaves_out_are_noted(folder):
    index(folder, {"a": "one.safetensors", "c": "two.safetensors"})
    found = find_checkpoint(folder)
    assert [one.name for one in found.tensors] == ["a", "c"]
    assert found.notes == ("The shards hold 1 tensors that the index does not name; they are left out.",)


@pytest.mark.parametrize(
    ("places", "said"),
    [
        ({"a": "one.safetensors", "c": "three.safetensors"}, "'three.safetensors' that the index names is missing"),
        ({"a": "two.safetensors"}, "'a' is in 'two.safetensors', which has no such tensor"),
        ({"a": "../one.safetensors"}, "no .safetensors file beside it"),
        ({"a": "/etc/passwd"}, "no .safetensors file beside it"),
        ({"a": "model.bin"}, "no .safetensors file beside it"),
        ({"a": 3}, "no weight_map"),
        ({}, "no weight_map"),
        (["a"], "no weight_map"),
    ],
)
def test_what_is_wrong_with_an_index_is_said(folder, places, said):
    index(folder, places)
    with pytest.raises(FileError, match=said):
        find_checkpoint(folder)


def test_an_index_that_names_a_tensor_twice(folder):
    (folder / INDEX).write_text('{"weight_map": {"a": "one.safetensors", "a": "two.safetensors"}}')
    with pytest.raises(FileError, match="'a' is named twice"):
        find_checkpoint(folder)


def test_an_index_that_is_no_json(folder):
    (folder / INDEX).write_text('{"weight_map": ')
    with pytest.raises(FileError, match="not JSON"):
        find_checkpoint(folder)


def test_what_is_not_there(tmp_path):
    with pytest.raises(FileError, match="no such file or folder"):
        find_checkpoint(tmp_path / "none")
    with pytest.raises(FileError, match="holds no"):
        find_checkpoint(tmp_path)
    for name in "ab":
        save_file({"a": torch.ones(1)}, tmp_path / f"{name}.safetensors")
    with pytest.raises(FileError, match=r"2 files of weights \(a.safetensors, b.safetensors\)"):
        find_checkpoint(tmp_path)


def test_a_part_of_a_split_file_says_so(tmp_path):
    import struct

    from tests.doors.stored_files import text

    pairs = text("split.no") + struct.pack("<IH", 2, 0) + text("split.count") + struct.pack("<IH", 2, 3)
    (tmp_path / "w.gguf").write_bytes(gguf([("a", [8], 0, 0)], pairs, 2))
    assert find_checkpoint(tmp_path / "w.gguf").notes == (
        "The file is part 1 of 3; the others are files of their own.",
    )
