"""A checkpoint's folder with quantized layers: all of it or nothing, and what is read from it again."""

import json

import pytest
import torch
from safetensors.torch import save_file

from qdebug.doors.checkpoints import Shards, read_checkpoint
from qdebug.errors import FileError
from qdebug.export.checkpoints import compressed_tensors, linear_of, write_folder
from qdebug.quantize import weight_grid
from qdebug.recipes import TensorPlan

PLAN = TensorPlan("int4", "group", 16, scale_format="bf16")


@pytest.fixture
def original(tmp_path):
    folder = tmp_path / "original"
    folder.mkdir()
    torch.manual_seed(0)
    tensors = {f"layers.{place}.up.weight": torch.randn(32, 64).bfloat16() for place in range(3)}
    save_file(tensors | {"norm.weight": torch.ones(64).bfloat16()}, folder / "model.safetensors")
    (folder / "config.json").write_text('{"model_type": "made"}')
    (folder / "tokenizer.json").write_text("{}")
    (folder / "pytorch_model.bin").write_bytes(b"not to be copied")
    return folder


def written(folder, names=("layers.0.up", "layers.2.up")):
    shards = Shards(folder)
    values = {name: shards[f"{name}.weight"].float() for name in names}
    layers = [linear_of(name, one, PLAN, weight_grid(one, PLAN)) for name, one in values.items()]
    return layers, compressed_tensors(layers, ignore=["layers.1.up"])


@pytest.mark.parametrize("size", [5 << 30, 4096])
def test_the_folder_holds_codes_and_all_else(original, tmp_path, size):
    layers, made = written(original)
    folder = write_folder(original, tmp_path / "new", made.tensors, made.config, shard=size)
    names = {one.name for one in folder.iterdir()}
    assert {"config.json", "tokenizer.json"} < names
    assert "pytorch_model.bin" not in names
    assert ("model.safetensors.index.json" in names) == (size == 4096)
    config = json.loads((folder / "config.json").read_text())
    assert config["model_type"] == "made"
    found = read_checkpoint(Shards(folder), config["quantization_config"])
    assert found.modules == ("layers.0.up", "layers.2.up")
    floats = dict(found.floats())
    assert set(floats) == set(Shards(original))
    assert torch.equal(floats["layers.1.up.weight"], Shards(original)["layers.1.up.weight"])
    for layer in layers:
        assert torch.equal(floats[f"{layer.module}.weight"], layer.weight)


def test_an_index_tells_where_each_tensor_is(original, tmp_path):
    _, made = written(original)
    folder = write_folder(original, tmp_path / "new", made.tensors, made.config, shard=1024)
    index = json.loads((folder / "model.safetensors.index.json").read_text())
    shards = Shards(folder)
    assert {name: path.name for name, path in shards.files.items()} == index["weight_map"]
    assert index["metadata"]["total_size"] == sum(one.numel() * one.element_size() for one in shards.values())
    assert len(set(index["weight_map"].values())) > 2


def test_nothing_is_left_of_a_folder_that_fails(original, tmp_path, monkeypatch):
    _, made = written(original)

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("qdebug.export.checkpoints.folder.save_file", full)
    with pytest.raises(FileError, match="No space left"):
        write_folder(original, tmp_path / "new", made.tensors, made.config)
    assert sorted(one.name for one in tmp_path.iterdir()) == ["original"]


def change(name, text):
    def write(folder):
        (folder / name).write_text(text)

    return write


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (change("config.json", "{"), "no config.json"),
        (change("config.json", '{"quantization_config": {}}'), "quantized already"),
        (lambda folder: (folder.parent / "new").mkdir(), "something already"),
    ],
)
def test_folders_that_are_refused(original, tmp_path, spoil, words):
    _, made = written(original)
    spoil(original)
    with pytest.raises(FileError, match=words):
        write_folder(original, tmp_path / "new", made.tensors, made.config)


def test_layers_of_another_model_are_refused(original, tmp_path):
    values = torch.ones(8, 16)
    made = compressed_tensors([linear_of("other", values, PLAN, weight_grid(values, PLAN))])
    with pytest.raises(FileError, match=r"other\.weight"):
        write_folder(original, tmp_path / "new", made.tensors, made.config)


@pytest.mark.filterwarnings("ignore")
def test_transformers_computes_with_these_weights(tmp_path):
    pytest.importorskip("compressed_tensors")
    transformers = pytest.importorskip("transformers")
    config = transformers.LlamaConfig(
        hidden_size=32, intermediate_size=64, num_hidden_layers=1, num_attention_heads=2, vocab_size=64
    )
    torch.manual_seed(0)
    model = transformers.LlamaForCausalLM(config).to(torch.bfloat16)
    model.save_pretrained(tmp_path / "float")
    names = [name for name, one in model.named_modules() if isinstance(one, torch.nn.Linear) and name != "lm_head"]
    weights = {name: model.get_submodule(name).weight.data.float() for name in names}
    layers = [linear_of(name, one, PLAN, weight_grid(one, PLAN)) for name, one in weights.items()]
    made = compressed_tensors(layers, ignore=["lm_head"])
    folder = write_folder(tmp_path / "float", tmp_path / "int4", made.tensors, made.config)
    opened = transformers.AutoModelForCausalLM.from_pretrained(folder, dtype=torch.bfloat16)
    with torch.no_grad():
        opened(torch.arange(8)[None])  # transformers decompresses weights when they are first needed
    for layer in layers:
        assert torch.equal(opened.get_submodule(layer.module).weight, layer.weight.bfloat16())
