"""A folder that is not whole, or not what it says, is refused in one sentence; nothing of it is ever run."""

import json

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from qdebug.errors import FileError, ModelError
from qdebug.session import open as open_model
from tests.doors.huggingface import zoo

IDS = {"input_ids": np.arange(4, 28).reshape(2, 12)}
ONE, INDEX = "model.safetensors", "model.safetensors.index.json"


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """One folder for all tests of this file."""
    return zoo.save("llama", tmp_path_factory.mktemp("llama"))


@pytest.fixture
def folder(saved, tmp_path):
    """A copy that may be damaged."""
    for file in saved.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    return tmp_path


def change(folder, **values):
    """Other values in config.json."""
    file = folder / "config.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | values))


def refused(folder, error, *words):
    """The sentence that a folder is refused with."""
    with pytest.raises(error) as told:
        open_model(folder, IDS)
    for word in words:
        assert word in str(told.value), str(told.value)
    return told.value


def in_two(folder):
    """The weights in two shards with an index, as large models have them."""
    tensors = load_file(folder / ONE)
    names = sorted(tensors)
    parts = {"a.safetensors": names[::2], "b.safetensors": names[1::2]}
    for file, some in parts.items():
        save_file({name: tensors[name] for name in some}, folder / file, {"format": "pt"})
    (folder / ONE).unlink()
    index = {"metadata": {}, "weight_map": {name: file for file, some in parts.items() for name in some}}
    (folder / INDEX).write_text(json.dumps(index))
    return index


def test_shards_are_read_as_one(folder, saved):
    in_two(folder)
    sharded, whole = open_model(folder, IDS), open_model(saved, IDS)
    assert sharded.info().digest == whole.info().digest


def test_a_missing_shard_is_named(folder):
    in_two(folder)
    (folder / "b.safetensors").unlink()
    refused(folder, FileError, "The shard 'b.safetensors' that the index names is missing", INDEX)


def test_an_index_that_names_a_tensor_twice(folder):
    in_two(folder)
    file = folder / INDEX
    twice = '"weight_map": {"model.norm.weight": "a.safetensors", '
    file.write_text(file.read_text().replace('"weight_map": {', twice))
    refused(folder, FileError, "'model.norm.weight' is named twice")


@pytest.mark.parametrize("name", ["../a.safetensors", "/etc/passwd", "sub/a.safetensors", ".."])
def test_an_index_names_no_file_elsewhere(folder, name):
    index = in_two(folder)
    index["weight_map"]["model.norm.weight"] = name
    (folder / INDEX).write_text(json.dumps(index))
    refused(folder, FileError, "which is no .safetensors file beside it")


def test_an_index_that_names_what_a_shard_lacks(folder):
    index = in_two(folder)
    index["weight_map"]["model.extra.weight"] = "a.safetensors"
    (folder / INDEX).write_text(json.dumps(index))
    refused(folder, FileError, "'model.extra.weight' is in 'a.safetensors', which has no such tensor")


def test_shapes_that_disagree_with_the_configuration(folder):
    change(folder, intermediate_size=48)
    refused(folder, ModelError, "down_proj.weight' has shape [32, 64]", "makes it [32, 48]")


def test_weights_that_are_not_there(folder):
    tensors = load_file(folder / ONE)
    del tensors["model.layers.1.mlp.up_proj.weight"]
    save_file(tensors, folder / ONE, {"format": "pt"})
    refused(folder, ModelError, "lack 'model.layers.1.mlp.up_proj.weight'")


@pytest.mark.parametrize("length", [0, 4, 9, 400])
def test_weights_that_are_cut_off(folder, length):
    (folder / ONE).write_bytes((folder / ONE).read_bytes()[:length])
    refused(folder, FileError, "or it is damaged", ONE)


def test_an_unknown_architecture(folder):
    change(folder, architectures=["LlamoForCausalLM"], model_type="llamo")
    refused(folder, ModelError, "'LlamoForCausalLM' is not known", "llama")


@pytest.mark.parametrize("name", ["PreTrainedModel.from_pretrained", "logging", "AutoModel", "pipeline", ""])
def test_only_architectures_are_looked_up(folder, name):
    change(folder, architectures=[name])
    refused(folder, ModelError, "config.json")


def test_code_in_the_folder_is_never_run(folder):
    marker = folder / "ran"
    code = f"import pathlib\npathlib.Path({str(marker)!r}).touch()\n"
    for name in ("modeling_own.py", "configuration_own.py", "tokenization_own.py"):
        (folder / name).write_text(code)
    auto = {"AutoConfig": "configuration_own.OwnConfig", "AutoModelForCausalLM": "modeling_own.OwnForCausalLM"}
    change(folder, auto_map=auto)
    session = open_model(folder, IDS)  # llama, which the library has code of its own for
    assert any("modeling_own.OwnForCausalLM" in one and "not run" in one for one in session.info().not_understood)
    change(folder, auto_map=auto, architectures=["OwnForCausalLM"], model_type="own")
    told = refused(folder, ModelError, "'OwnForCausalLM' exists only as code in its folder", "never runs")
    assert "modeling_own.OwnForCausalLM" in str(told)
    assert not marker.exists()


def test_pickled_weights_are_not_read(folder):
    tensors = load_file(folder / ONE)
    (folder / ONE).unlink()
    torch.save(tensors, folder / "pytorch_model.bin")
    refused(folder, FileError, "pickles (pytorch_model.bin)", "save_pretrained")


@pytest.mark.parametrize(
    ("content", "words"),
    [("{", "This is no JSON"), ("[1]", "holds no JSON object"), ("{}", "does not say which architecture")],
)
def test_a_damaged_configuration(folder, content, words):
    (folder / "config.json").write_text(content)
    refused(folder, (FileError, ModelError), words)


def test_a_configuration_that_describes_nothing(folder):
    change(folder, num_attention_heads="many")
    refused(folder, ModelError, "config.json does not describe a LlamaForCausalLM")


def test_a_folder_without_a_configuration(tmp_path):
    refused(tmp_path, ModelError, "Hugging Face folder (with config.json)")


def test_a_folder_without_data(folder):
    with pytest.raises(Exception, match="This model comes without data") as told:
        open_model(folder)
    assert ".jsonl" in str(told.value)
