"""A recipe as a GGUF file: llama.cpp's own package reads the values that were computed with, transformers the model."""

import json
import math
import sys

import pytest
import torch
from gguf import GGUFReader, quants

from qdebug.checkpoint import scan
from qdebug.doors.checkpoints import Shards
from qdebug.doors.huggingface import open_checkpoint
from qdebug.errors import FileError, ModelError, UsageError
from qdebug.export import GGUF, beforehand, export_file
from qdebug.export.gguf.architectures import interleaved, rope_factors
from qdebug.quantize import quantize_weight
from qdebug.recipes import LayerPlan, Recipe, parse_fix, parse_weight_format, preset, set_layers
from qdebug.session import open as open_model
from tests.doors.huggingface import zoo

ARCHITECTURES = ("llama", "mistral", "qwen2", "qwen3", "phi3", "gemma2", "gpt2")
FORMATS = {"q4_0": "Q4_0", "q5_0": "Q5_0", "q8_0": "Q8_0", "int4g32-fp16": "Q4_0", "int8g32-fp16": "Q8_0",
           "int6g32-fp16": "Q8_0", "mxfp4": "MXFP4"}  # fmt: skip


def recipe_of(name):
    return Recipe(default=LayerPlan(weight=parse_weight_format(name)))


def saved(name, place):
    """A folder and its text; without a window on attention, which this architecture has not in llama.cpp."""
    folder = zoo.save(name, place / "net")
    if name == "mistral":
        config = json.loads((folder / "config.json").read_text())
        (folder / "config.json").write_text(json.dumps(config | {"sliding_window": None}))
    (place / "story.txt").write_text(zoo.STORY, "utf-8")
    return folder, place / "story.txt"


@pytest.fixture(scope="module", params=ARCHITECTURES)
def any_net(request, tmp_path_factory):
    folder, story = saved(request.param, tmp_path_factory.mktemp(request.param))
    return request.param, open_model(folder, story), folder, story


@pytest.fixture(scope="module")
def llama(tmp_path_factory):
    folder, story = saved("llama", tmp_path_factory.mktemp("llama"))
    return open_model(folder, story), folder


@pytest.fixture(scope="module")
def wide(tmp_path_factory):
    """Rows of 256 values, which K-quants want."""
    place = tmp_path_factory.mktemp("wide")
    specs = zoo.SPECS["llama"][1]
    torch.manual_seed(1)
    import transformers

    config = transformers.LlamaConfig(**{**specs, "hidden_size": 256, "intermediate_size": 256, "num_hidden_layers": 1})
    transformers.LlamaForCausalLM(config).save_pretrained(place / "net")
    zoo.tokenizer().save_pretrained(place / "net")
    (place / "story.txt").write_text(zoo.STORY, "utf-8")
    return open_model(place / "net", place / "story.txt"), place / "net"


def tensors(path):
    """What llama.cpp's package reads: types and values by name."""
    found = {}
    for one in GGUFReader(path).tensors:
        found[one.name] = one.tensor_type.name, torch.from_numpy(quants.dequantize(one.data, one.tensor_type).copy())
    return found


def facts(path):
    return {name: field.contents() for name, field in GGUFReader(path).fields.items()}


def straight(values, heads):
    """Rows of queries or keys as the library has them again."""
    return values.view(heads, len(values) // heads // 2, 2, *values.shape[1:]).transpose(1, 2).reshape(values.shape)


@pytest.mark.parametrize("name", FORMATS)
def test_the_file_has_the_simulation_s_values(llama, name, tmp_path):
    session, folder = llama
    done = export_file(session, recipe_of(name), GGUF, tmp_path / "a.gguf")
    found, floats = tensors(done.path), Shards(folder)
    parts = {"self_attn.q_proj": "attn_q", "self_attn.k_proj": "attn_k", "self_attn.v_proj": "attn_v",
             "self_attn.o_proj": "attn_output", "mlp.gate_proj": "ffn_gate", "mlp.up_proj": "ffn_up",
             "mlp.down_proj": "ffn_down"}  # fmt: skip
    for block in range(2):
        for module, part in parts.items():
            kind, values = found[f"blk.{block}.{part}.weight"]
            heads = {"attn_q": 4, "attn_k": 2}.get(part)
            values = straight(values, heads) if heads else values
            own = floats[f"model.layers.{block}.{module}.weight"].float()
            assert torch.equal(values, quantize_weight(own, parse_weight_format(name))[0])
            assert kind == FORMATS[name]
    kind, values = found["token_embd.weight"]
    assert torch.equal(values, floats["model.embed_tokens.weight"].float())
    assert found["blk.0.attn_norm.weight"][0] == "F32"
    assert not [text for text in done.unsaid if "tokenizer" not in text]


@pytest.mark.parametrize("name", ["q4_k", "q6_k"])
def test_k_quants_too(wide, name, tmp_path):
    session, folder = wide
    found = tensors(export_file(session, recipe_of(name), GGUF, tmp_path / "a.gguf").path)
    for part, module in (("ffn_down", "mlp.down_proj"), ("attn_v", "self_attn.v_proj")):
        kind, values = found[f"blk.0.{part}.weight"]
        own = Shards(folder)[f"model.layers.0.{module}.weight"].float()
        assert torch.equal(values, quantize_weight(own, parse_weight_format(name))[0])
        assert kind == name.upper()


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", ["q4_0", "int8-pc"])
def test_transformers_reads_the_model_and_measures_the_same(any_net, name, tmp_path):
    pytest.importorskip("accelerate")
    import transformers

    kind, session, folder, story = any_net
    recipe = recipe_of(name)
    if kind == "gemma2":  # llama.cpp has one tensor for its embedding and its head
        recipe = set_layers(recipe, {"model.embed_tokens": recipe.default})
    export_file(session, recipe, GGUF, tmp_path / "a.gguf")
    # The library does not read a head's size of Qwen 3, nor how many positions GPT-2 has.
    known = {"config": transformers.AutoConfig.from_pretrained(folder)} if kind in ("qwen3", "gpt2") else {}
    model = transformers.AutoModelForCausalLM.from_pretrained(
        tmp_path, gguf_file="a.gguf", dtype=torch.float32, **known
    ).eval()
    arrays, _ = open_checkpoint(folder).read(story)
    ids, labels = (torch.from_numpy(arrays[one]) for one in ("input_ids", "labels"))
    with torch.no_grad():
        logits = model(input_ids=ids).logits.double()
    found = session.score(recipe).metric
    there = float(torch.nn.functional.cross_entropy(logits.flatten(0, 1), labels.flatten()).exp())
    assert there == pytest.approx(found.quantized, rel=1e-6)
    assert abs(found.quantized / found.float_ - 1) > 1e-5, "nothing was quantized"


def test_what_it_says_of_a_llama(llama, tmp_path):
    session, folder = llama
    found = facts(export_file(session, "w8a8", GGUF, tmp_path / "a.gguf").path)
    assert found["general.architecture"] == "llama"
    assert {name.partition(".")[2]: value for name, value in found.items() if name.startswith("llama.")} == {
        "context_length": 64, "embedding_length": 32, "block_count": 2, "feed_forward_length": 64,
        "attention.head_count": 4, "attention.head_count_kv": 2, "attention.key_length": 8,
        "attention.value_length": 8, "attention.layer_norm_rms_epsilon": pytest.approx(1e-6),
        "rope.freq_base": 10000.0, "rope.dimension_count": 8, "vocab_size": 128,
    }  # fmt: skip
    tokens = json.loads((folder / "tokenizer.json").read_text())["model"]
    listed = found["tokenizer.ggml.tokens"]
    assert {token: at for at, token in enumerate(listed) if token in tokens["vocab"]} == tokens["vocab"]
    assert found["tokenizer.ggml.merges"] == [" ".join(pair) for pair in tokens["merges"]]
    assert (found["tokenizer.ggml.bos_token_id"], found["tokenizer.ggml.eos_token_id"]) == (1, 2)
    assert found["tokenizer.ggml.add_bos_token"] is False


def test_formats_that_it_has_no_blocks_for_are_stored_rounded(llama, tmp_path):
    session, folder = llama
    done = export_file(session, "w4a8", GGUF, tmp_path / "a.gguf")
    kind, values = tensors(done.path)["blk.1.ffn_up.weight"]
    own = Shards(folder)["model.layers.1.mlp.up_proj.weight"].float()
    assert torch.equal(values, quantize_weight(own, preset("w4a8").default.weight)[0])
    assert kind == "F32"
    assert "lm_head: llama.cpp has no blocks for these values (int4, rows of 32); they are stored rounded, as f32." in (
        done.unsaid
    )
    assert "lm_head: llama.cpp decides by itself how activations are quantized." in done.unsaid


def test_fixed_weights_are_those_of_the_fix(llama, tmp_path):
    session, folder = llama
    recipe = Recipe(default=recipe_of("int4g32-fp16").default, fixes=(parse_fix("gptq"),))
    kind, values = tensors(export_file(session, recipe, GGUF, tmp_path / "a.gguf").path)["blk.0.ffn_up.weight"]
    own = Shards(folder)["model.layers.0.mlp.up_proj.weight"].float()
    assert kind == "Q4_0"
    assert not torch.equal(values, quantize_weight(own, recipe.default.weight)[0])
    assert torch.equal(values, session.decided(recipe).layers[6].rounded.values)


def test_what_is_told_beforehand(llama):
    info = llama[0].info()
    assert beforehand(info, recipe_of("q4_0"), GGUF) == ()
    assert beforehand(info, recipe_of("int4g32-fp16"), GGUF) == ()
    (blocks,) = beforehand(info, recipe_of("q6_k"), GGUF)
    assert blocks.startswith("15 layers (")
    _, inputs = beforehand(info, preset("w8a8"), GGUF)
    assert inputs.endswith("llama.cpp decides by itself how activations are quantized.")


def test_a_scan_reads_it(llama, tmp_path):
    found = scan(export_file(llama[0], recipe_of("q8_0"), GGUF, tmp_path / "a.gguf").path)
    assert {one.kind for one in found.tensors if "ffn" in one.name and "norm" not in one.name} == {"Q8_0"}


def test_a_head_that_is_the_embedding_s_has_a_tensor_of_its_own_where_it_is_quantized_otherwise(tmp_path):
    folder, story = saved("gpt2", tmp_path)
    session = open_model(folder, story)
    both = set_layers(recipe_of("q4_0"), {"transformer.wte": recipe_of("q4_0").default})
    names = [
        set(tensors(export_file(session, one, GGUF, tmp_path / "a.gguf").path)) for one in (recipe_of("q4_0"), both)
    ]
    assert ["output.weight" in one for one in names] == [True, False]


def test_the_order_of_rotated_rows():
    assert interleaved(8, 2).tolist() == [0, 2, 1, 3, 4, 6, 5, 7]
    values = torch.arange(32).view(32, 1)
    assert torch.equal(straight(values[interleaved(32, 4)], 4), values)


def test_llama_3_s_frequencies_are_the_library_s():
    import transformers
    from transformers.modeling_rope_utils import ROPE_INIT_FUNCTIONS

    said = {"rope_type": "llama3", "rope_theta": 500000.0, "factor": 8.0, "low_freq_factor": 1.0,
            "high_freq_factor": 4.0, "original_max_position_embeddings": 8192}  # fmt: skip
    config = transformers.LlamaConfig(hidden_size=512, num_attention_heads=4, rope_parameters=said)
    there, _ = ROPE_INIT_FUNCTIONS["llama3"](config, torch.device("cpu"))
    plain = 500000.0 ** -(torch.arange(0, 128, 2).double() / 128)
    factors = rope_factors(config)
    assert torch.allclose((plain / factors.double()).float(), there, rtol=1e-6)
    assert factors.min() == 1
    assert factors.max() == 8
    assert math.prod(factors.shape) == 64


def test_what_cannot_be_written_is_refused(llama, tmp_path, monkeypatch):
    folder, story = saved("opt", tmp_path)
    with pytest.raises(ModelError, match="How OPTForCausalLM goes into a GGUF file is not known here"):
        export_file(open_model(folder, story), "w8a8", GGUF, tmp_path / "a.gguf")
    with pytest.raises(UsageError, match="no Hugging Face folder"):
        export_file(open_model("digits-mobilenet"), "w8a8", GGUF, tmp_path / "a.gguf")
    with pytest.raises(FileError, match="Cannot write the file"):
        export_file(llama[0], "w8a8", GGUF, tmp_path / "none" / "a.gguf")
    monkeypatch.setitem(sys.modules, "gguf", None)
    with pytest.raises(UsageError, match="needs the package gguf"):
        export_file(llama[0], "w8a8", GGUF, tmp_path / "a.gguf")
    assert not [one for one in tmp_path.iterdir() if "gguf" in one.name]
