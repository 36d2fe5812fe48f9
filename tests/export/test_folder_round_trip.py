"""A recipe on a Hugging Face folder goes home as a quantized folder, which says what was measured, here and there."""

import json

import pytest
import torch

from qdebug.doors.huggingface import open_checkpoint
from qdebug.errors import FileError, UsageError
from qdebug.export import FOLDERS, export_file
from qdebug.quantize import quantize_weight
from qdebug.recipes import LayerPlan, Recipe, parse_activation_format, parse_fix, parse_weight_format, preset
from qdebug.session import open as open_model
from tests.doors.huggingface import zoo


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return zoo.save("phi", tmp_path_factory.mktemp("float") / "phi")


@pytest.fixture(scope="module")
def story(tmp_path_factory):
    file = tmp_path_factory.mktemp("story") / "story.txt"
    file.write_text(zoo.STORY, "utf-8")
    return file


def loaded(folder, *, dequantize=False):
    """The library's model; with its layers as float ones from the beginning, or as the library keeps them."""
    import transformers

    how = {"quantization_config": transformers.CompressedTensorsConfig(dequantize=True)} if dequantize else {}
    return transformers.AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32, **how).eval()


def measured_elsewhere(folder, story, model=None):
    """The perplexity by the library, from the same windows."""
    arrays, _ = open_checkpoint(folder).read(story)
    ids, labels = (torch.from_numpy(arrays[name]) for name in ("input_ids", "labels"))
    model = model or loaded(folder)
    with torch.no_grad():
        logits = model(input_ids=ids).logits.double()
    return float(torch.nn.functional.cross_entropy(logits.flatten(0, 1), labels.flatten()).exp())


@pytest.mark.parametrize("kind", FOLDERS)
def test_what_was_written_says_what_was_measured(folder, story, tmp_path, kind):
    session = open_model(folder, story)
    # All three keep scales of 16 bits as they are; GPTQ and AWQ have no others.
    recipe = Recipe(default=LayerPlan(weight=parse_weight_format("int4g32-fp16")))
    found = session.score(recipe).metric
    assert found.float_ != found.quantized
    done = export_file(session, recipe, kind, tmp_path / "quantized")
    config = json.loads((tmp_path / "quantized" / "config.json").read_text())
    assert config["quantization_config"]["quant_method"] == kind
    assert (done.path, done.unsaid) == (str(tmp_path / "quantized"), ())
    again = open_model(done.path, story)
    own = again.own_recipe()
    assert own is not None
    assert again.score(own).metric.quantized == pytest.approx(found.quantized, rel=1e-6)
    assert again.score(own).metric.quantized == again.score(own).metric.float_  # it is rounded already


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("recipe", ["w4g32a32", "w8a32-pc"])
def test_transformers_measures_the_same(folder, story, tmp_path, recipe):
    pytest.importorskip("compressed_tensors")
    session = open_model(folder, story)
    found = session.score(recipe).metric
    export_file(session, recipe, "compressed-tensors", tmp_path / "quantized")
    assert measured_elsewhere(tmp_path / "quantized", story) == pytest.approx(found.quantized, rel=1e-5)
    assert measured_elsewhere(folder, story) == pytest.approx(found.float_, rel=1e-5)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(("weight", "inputs"), [
    ("int8-pc", "fp32"), ("int8-pc", "int8"), ("int8", "int8-sym"), ("int8-pc-affine", "int8-tok"), ("int4g32", "fp32"),
    ("int4-pc", "fp32"), ("fp8_e4m3fn", "fp32"), ("fp8_e4m3fn-pc", "fp8-tok"), ("fp8_e4m3fn", "fp8_e4m3fn"),
    ("fp8_e4m3fnb16x16", "fp32"),
])  # fmt: skip
def test_transformers_computes_the_same_on_this_cpu(folder, story, tmp_path, weight, inputs):
    pytest.importorskip("compressed_tensors")
    session = open_model(folder, story)
    recipe = Recipe(default=LayerPlan(parse_weight_format(weight), parse_activation_format(inputs)))
    found = session.score(recipe).metric
    done = export_file(session, recipe, "compressed-tensors", tmp_path / "quantized")
    assert not [text for text in done.unsaid if "float:" in text]
    model = loaded(done.path)
    near = 1e-5 if inputs.endswith("tok") else 1e-6  # a token's value at a tie falls to either side
    assert measured_elsewhere(folder, story, model) == pytest.approx(found.quantized, rel=near)
    for name, module in loaded(folder).named_modules():
        if isinstance(module, torch.nn.Linear):  # which the first pass has made of codes
            ours = quantize_weight(module.weight.detach(), parse_weight_format(weight))[0]
            assert torch.equal(model.get_submodule(name).weight, ours), name


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    "weight", ["int4g32-affine", "int4-pc-affine", "int8g32-affine", "mxfp4", "mxfp8_e4m3", "nvfp4"]
)
def test_what_it_loads_as_float_layers(folder, story, tmp_path, weight):
    pytest.importorskip("compressed_tensors")
    session = open_model(folder, story)
    recipe = Recipe(default=LayerPlan(parse_weight_format(weight)))
    found = session.score(recipe).metric
    export_file(session, recipe, "compressed-tensors", tmp_path / "quantized")
    model = loaded(tmp_path / "quantized", dequantize=True)
    plain = loaded(folder)
    for name, module in plain.named_modules():
        if isinstance(module, torch.nn.Linear):
            ours = quantize_weight(module.weight.detach(), parse_weight_format(weight))[0]
            ours = ours.bfloat16().float() if weight == "nvfp4" else ours  # whose reals the library rounds so
            assert torch.equal(model.get_submodule(name).weight, ours), name
    near = 1e-4 if weight == "nvfp4" else 1e-6
    assert measured_elsewhere(folder, story, model) == pytest.approx(found.quantized, rel=near)


def test_gptq_s_weights_go_home(folder, story, tmp_path):
    session = open_model(folder, story)
    recipe = preset("w3g32a32")
    mended = Recipe(default=recipe.default, fixes=(parse_fix("gptq"),))
    plain, better = session.score(recipe).metric.quantized, session.score(mended).metric.quantized
    assert plain != better
    export_file(session, mended, "compressed-tensors", tmp_path / "quantized")
    again = open_model(tmp_path / "quantized", story)
    assert again.score(again.own_recipe()).metric.quantized == pytest.approx(better, rel=1e-6)


def test_only_a_folder_becomes_one_and_nothing_is_overwritten(folder, story, tmp_path):
    with pytest.raises(UsageError, match="'pydoc-gpt' is no Hugging Face folder"):
        export_file(open_model("pydoc-gpt"), "w4g32a16", "gptq", tmp_path / "out")
    session = open_model(folder, story)
    (tmp_path / "there").mkdir()
    with pytest.raises(FileError, match="something already"):
        export_file(session, "w4g32a16", "compressed-tensors", tmp_path / "there")
