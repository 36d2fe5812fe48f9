"""Files for the tools of language models: what each is told of linear layers, and what of it is left unsaid."""

import json
from pathlib import Path

import pytest

from qdebug.errors import RecipeError
from qdebug.export import TARGETS
from qdebug.export.targets.llama_cpp import gguf_name
from qdebug.recipes import (
    CrossLayerEqualization,
    LayerPlan,
    Outliers,
    Recipe,
    TensorPlan,
    parse_activation_format,
    parse_weight_format,
)
from tests.export.made import FLOAT, layer, linear, said, tensor, write
from tests.export.schemas import read

TOKEN = parse_activation_format("int8-tok-sym")
UP, DOWN = "model.layers.0.mlp.up_proj", "model.layers.0.mlp.down_proj"
USUAL = {
    "llm-compressor": (parse_weight_format("int8-pc"), TOKEN),
    "torchao": (parse_weight_format("int8-pc"), TOKEN),
    "bitsandbytes": (parse_weight_format("int8-pc"), TOKEN),
    "quanto": (parse_weight_format("int8-pc"), FLOAT),
    "llama-cpp": (parse_weight_format("q8_0"), FLOAT),
}
WEIGHTS = ["int8-pc", "int8", "int4-pc", "int4g32", "int4g32-affine", "int4g128-affine", "int2g128-affine", "int6g48",
           "uint8", "int8-affine", "int8_narrow", "fp8_e4m3fn", "fp8_e4m3fn-pc", "mxfp4", "nvfp4", "mxfp8_e4m3", "nf4",
           "nf4-dq", "q4_0", "q4_k", "fp16", "bf16", "int8b2x4", "fp8_e4m3fnb16x16", "kmeans4", "ternary",
           "int16"]  # fmt: skip
INPUTS = ["fp32", "fp16", "int8", "int8-sym", "int8-dyn", "int8-tok", "int8-tok-sym", "fp8-tok", "fp8-dyn",
          "fp8_e4m3fn", "int4", "mxfp4", "nvfp4"]  # fmt: skip


def one(name, target, weight=None, inputs=None, **more):
    usual = USUAL[target]
    shape = more.pop("shape", (128, 256))
    return linear(name, weight or usual[0], inputs or usual[1], shape=shape, **more)


@pytest.mark.parametrize("target", USUAL)
@pytest.mark.parametrize("inputs", INPUTS)
def test_no_layer_is_dropped_in_silence(target, inputs):
    odd = "model.layers.3.self_attn.q_proj"
    for weight in WEIGHTS:
        plans = parse_weight_format(weight), parse_activation_format(inputs)
        others = [one(UP, target), one(DOWN, target)]
        document = write(target, *others, one(odd, target, *plans), source="pt2")
        written = json.dumps(read(target, document))
        held = odd in written or "attn_q" in written
        whole = odd in said(document)
        if target in ("bitsandbytes", "quanto"):  # what is not listed there is quantized
            assert held or whole or plans[0] == USUAL[target][0] or plans == USUAL[target], (weight, inputs)
        else:
            assert held or whole, (weight, inputs)
        assert all(text.endswith(".") and "  " not in text for text in document.unsaid)


@pytest.mark.parametrize("target", USUAL)
def test_a_recipe_of_which_nothing_can_be_said_is_refused_with_the_reason(target):
    with pytest.raises(RecipeError, match="only: it stays float"):
        write(target, one("only", target, parse_weight_format("kmeans4")))
    with pytest.raises(RecipeError, match="quantizes linear layers alone"):
        write(target, layer("only"))
    with pytest.raises(RecipeError, match="quantizes nothing"):
        write(target, one(UP, target, FLOAT, FLOAT))


@pytest.mark.parametrize("target", USUAL)
def test_what_is_about_the_whole_recipe_is_said(target):
    recipe = Recipe(default=LayerPlan(*USUAL[target]), fixes=(CrossLayerEqualization(),))
    layers = [one(UP, target), layer("conv")]
    document = write(target, *layers, recipe=recipe, replaced={f"{UP}.weight": layers[0].values},
                     points=(tensor("v", parse_activation_format("int8")),))  # fmt: skip
    words = said(document)
    assert "(cle) changed 1 stored tensors" in words
    assert "Values between layers" in words
    assert "opened from an ONNX file" in words
    assert "conv: it stays float" in words


@pytest.mark.parametrize("target", USUAL)
def test_a_file_has_the_suffix_that_its_card_says(target):
    document = write(target, one(UP, target))
    assert Path(document.name).suffix == TARGETS[target].suffix


def test_llm_compressor_has_a_group_for_each_plan():
    groups = parse_weight_format("int4g32-affine")
    document = write("llm-compressor", one("a", "llm-compressor"), one("b", "llm-compressor", groups, FLOAT),
                     one("c", "llm-compressor"))  # fmt: skip
    stage = read("llm-compressor", document)["default_stage"]["default_modifiers"]["QuantizationModifier"]
    first, second = stage["config_groups"].values()
    assert (first["targets"], second["targets"]) == (["a", "c"], ["b"])
    assert second == {
        "targets": ["b"],
        "weights": {
            "num_bits": 4, "type": "int", "symmetric": False, "strategy": "group", "group_size": 32, "dynamic": False,
            "observer": "minmax",
        },
    }  # fmt: skip
    assert first["input_activations"] == {
        "num_bits": 8, "type": "int", "symmetric": True, "strategy": "token", "dynamic": True,
    }  # fmt: skip


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    "weight", ["int8-pc", "int4g32", "int3g32-affine", "fp8_e4m3fn", "fp8_e4m3fnb16x16", "nvfp4", "mxfp4"]
)
@pytest.mark.parametrize("inputs", ["fp32", "int8-tok", "int8", "fp8-tok", "fp8_e4m3fn", "nvfp4", "mxfp4"])
def test_llm_compressors_schemes_are_those_of_its_library(weight, inputs):
    package = pytest.importorskip("compressed_tensors.quantization")
    plans = parse_weight_format(weight), parse_activation_format(inputs)
    document = write("llm-compressor", one("a", "llm-compressor", *plans))
    stage = read("llm-compressor", document)["default_stage"]["default_modifiers"]["QuantizationModifier"]
    scheme = package.QuantizationScheme.model_validate(stage["config_groups"]["group_0"])
    assert scheme.weights.num_bits == int(plans[0].format[3:]) if plans[0].format.startswith("int") else True
    assert (scheme.input_activations is None) == plans[1].is_float32


def test_bitsandbytes_skips_what_it_cannot_have():
    nf4 = TensorPlan("nf4", "group", 64, scale_format="double")
    layers = [
        one("a", "bitsandbytes", nf4, parse_activation_format("bf16")),
        one("b", "bitsandbytes", nf4, parse_activation_format("bf16")), one("c", "bitsandbytes"),
        one("lm_head", "bitsandbytes", FLOAT, FLOAT),
    ]  # fmt: skip
    assert read("bitsandbytes", write("bitsandbytes", *layers)) == {
        "load_in_8bit": False, "load_in_4bit": True, "bnb_4bit_quant_type": "nf4", "bnb_4bit_use_double_quant": True,
        "bnb_4bit_compute_dtype": "bfloat16", "llm_int8_skip_modules": ["c", "lm_head"],
    }  # fmt: skip


def test_bitsandbytes_keeps_outliers_where_the_recipe_does():
    got = read("bitsandbytes", write("bitsandbytes", one("a", "bitsandbytes")))
    assert got == {
        "load_in_8bit": True, "load_in_4bit": False, "llm_int8_threshold": 0.0, "llm_int8_skip_modules": None,
    }  # fmt: skip
    recipe = Recipe(default=LayerPlan(*USUAL["bitsandbytes"]), fixes=(Outliers(threshold=6.0),))
    assert (
        read("bitsandbytes", write("bitsandbytes", one("a", "bitsandbytes"), recipe=recipe))["llm_int8_threshold"]
        == 6.0
    )


def test_bitsandbytes_skips_by_the_beginning_of_names():
    document = write("bitsandbytes", one("up", "bitsandbytes", FLOAT, FLOAT), one("upper", "bitsandbytes"))
    assert "upper: transformers skips every module" in said(document)


def test_quanto_has_one_format():
    layers = [one("a", "quanto", parse_weight_format("int4g128-affine")), one("b", "quanto"),
              one("c", "quanto", inputs=parse_activation_format("int8-sym"))]  # fmt: skip
    got = read(
        "quanto", write("quanto", layers[0], one("d", "quanto", parse_weight_format("int4g128-affine")), layers[1])
    )
    assert got == {"weights": "int4", "activations": None, "modules_to_not_convert": ["b"]}
    assert read("quanto", write("quanto", layers[2]))["activations"] == "int8"


@pytest.mark.parametrize(("target", "kind"), [("bitsandbytes", "BitsAndBytesConfig"), ("quanto", "QuantoConfig")])
def test_transformers_takes_the_arguments(target, kind):
    config = pytest.importorskip("transformers.utils.quantization_config")
    got = read(target, write(target, one("a", target), one("b", target, FLOAT, FLOAT)))
    made = getattr(config, kind)(**got)
    assert ["b"] in (getattr(made, "llm_int8_skip_modules", None), getattr(made, "modules_to_not_convert", None))


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    ("weight", "inputs", "kind"),
    [
        ("int8-pc", "fp32", "Int8WeightOnlyConfig"),
        ("int8-pc", "int8-tok-sym", "Int8DynamicActivationInt8WeightConfig"),
        ("int4g32", "fp16", "IntxWeightOnlyConfig"),
        ("int4-pc", "fp32", "IntxWeightOnlyConfig"),
        ("int4g32-affine", "int8-tok", "Int8DynamicActivationIntxWeightConfig"),
        ("fp8_e4m3fn-pc", "fp32", "Float8WeightOnlyConfig"),
        ("fp8_e4m3fn", "fp32", "Float8WeightOnlyConfig"),
        ("fp8_e4m3fn-pc", "fp8-tok", "Float8DynamicActivationFloat8WeightConfig"),
    ],
)
def test_torchao_is_told_each_layers_configuration(weight, inputs, kind):
    document = write("torchao", one("a.b", "torchao", parse_weight_format(weight), parse_activation_format(inputs)))
    got = read("torchao", document)
    assert got["_data"]["fqn_to_config"]["a.b"]["_type"] == kind
    assert not any("stays float" in text for text in document.unsaid)
    config = pytest.importorskip("torchao.core.config")
    opened = config.config_from_dict(got)
    assert type(opened.fqn_to_config["a.b"]).__name__ == kind


def test_llama_cpp_names_tensors_as_gguf_does():
    fp16, q4, q6 = map(parse_weight_format, ("fp16", "q4_k", "q6_k"))
    layers = [one(UP, "llama-cpp", q6), one("lm_head", "llama-cpp", fp16),
              one("model.layers.11.self_attn.o_proj", "llama-cpp", q4, shape=(8, 32))]  # fmt: skip
    document = write("llama-cpp", *layers, one(DOWN, "llama-cpp", FLOAT, FLOAT), source="pt2")
    assert document.text.splitlines() == [
        r"^blk\.0\.ffn_up\.weight$=q6_k", r"^output\.weight$=f16", r"^blk\.11\.attn_output\.weight$=q4_k",
    ]  # fmt: skip
    assert "stores rows of 32 values as q5_0" in said(document)
    assert "1 linear layers have no line" in said(document)


@pytest.mark.parametrize(
    ("module", "name"),
    [
        ("model.layers.7.self_attn.k_proj", "blk.7.attn_k"),
        ("model.language_model.layers.7.mlp.gate_proj", "blk.7.ffn_gate"),
        ("blk.3.ffn_down", "blk.3.ffn_down"),
        ("output", "output"),
        ("encoder.layer.3.dense", None),
        ("model.layers.7.mlp.experts.3.up_proj", None),
    ],
)
def test_names_of_modules_in_gguf_files(module, name):
    assert gguf_name(module) == name
