"""What platforms refuse: always in a sentence, never against what is known of them."""

import itertools
import re
from pathlib import Path

import msgspec
import pytest

from qdebug.errors import RecipeError
from qdebug.export.targets import tensorrt
from qdebug.recipes import (
    LayerPlan,
    Recipe,
    TensorPlan,
    parse_activation_format,
    parse_plan,
    parse_weight_format,
    preset,
    set_layers,
)
from qdebug.recipes.candidates import ACTIVATIONS, WEIGHTS
from qdebug.targets import PLATFORMS, find_platform, kind_of
from tests.targets.layers import ALL, CONV, DEPTHWISE, EMBEDDING, MATMUL, TRANSPOSED

PRESETS = [
    "w8a8", "w8a8-pc", "w8a8-pc-all", "w8a8-dyn", "w8a8-pc-tok", "w4a8", "w4a8-pc", "w4a16-pc", "w4g32a16", "w4g128a16",
    "w4g32a8-tok", "w4g100a16", "w8a16", "w16a16", "w32a32", "w6a6", "w3a8", "w2g32a8-dyn", "w8a32", "w32a8",
]  # fmt: skip
EVERY = [
    LayerPlan(parse_weight_format(weight), parse_activation_format(activation))
    for weight, activation in itertools.product(
        dict.fromkeys(itertools.chain(*WEIGHTS.values())),
        dict.fromkeys(("fp32", *itertools.chain(*ACTIVATIONS.values()))),
    )
]


def plan(weight, activation="fp32"):
    return LayerPlan(parse_weight_format(weight), parse_activation_format(activation))


@pytest.fixture(params=PLATFORMS)
def platform(request):
    return find_platform(request.param)


def is_a_sentence(platform, text):
    return (
        text.startswith(f"{platform.title} ") and text.endswith(".") and "  " not in text
        and ". " not in text and len(text.split()) >= 4
    )  # fmt: skip


@pytest.mark.parametrize("notation", PRESETS)
def test_every_refusal_of_a_preset_is_a_sentence(platform, notation):
    recipe = preset(notation)
    for reason in platform.refusals(ALL, recipe).values():
        assert is_a_sentence(platform, reason), reason


@pytest.mark.parametrize("layer", ALL, ids=kind_of)
def test_every_pair_of_formats_runs_or_is_refused_in_a_sentence(platform, layer):
    for one in EVERY:
        reason = platform.refuses(layer, one)
        assert (reason is None) == (platform.kernel(layer, one) is not None)
        assert reason is None or is_a_sentence(platform, reason), reason


@pytest.mark.parametrize("layer", ALL, ids=kind_of)
def test_every_kind_runs_in_some_floats(platform, layer):
    if platform.name == "llama-cpp" and layer is TRANSPOSED:
        assert platform.refuses(layer, LayerPlan()) == "llama.cpp runs no transposed convolution."
        return
    assert any(platform.refuses(layer, parse_plan(notation)) is None for notation in ("w32a32", "w16a16"))


def test_every_fact_has_a_source(platform):
    facts = [*(kernel.fact for kernel in platform.kernels), *platform.merges, *platform.facts]
    facts += [platform.sparse] if platform.sparse else []
    assert facts
    for fact in facts:
        assert fact.says and re.fullmatch(r"https://[\w./%-]+", fact.source), fact
    assert set(platform.sources) == {fact.source for fact in facts}


def test_every_proof_is_a_test(platform):
    for fact in [*(kernel.fact for kernel in platform.kernels), *platform.facts]:
        if fact.proof:
            file, name = fact.proof.split("::")
            assert f"def {name}(" in (Path(__file__).parents[1] / file).read_text("utf-8")


RUNS = [
    ("onnxruntime-cpu", CONV, plan("int8-pc", "int8")),
    ("onnxruntime-cpu", CONV, plan("int8-pc", "int8-sym")),
    ("onnxruntime-cpu", MATMUL, plan("int4g32", "fp32")),
    ("onnxruntime-cpu", MATMUL, plan("int8", "int8-dyn")),
    ("onnxruntime-cpu", EMBEDDING, plan("int4g32")),
    ("openvino-cpu", DEPTHWISE, plan("int8-pc", "int8")),
    ("openvino-cpu", MATMUL, plan("int4g128-affine", "fp32")),
    ("openvino-cpu", MATMUL, plan("mxfp4", "bf16")),
    ("tensorrt", CONV, plan("int8-pc", "int8-sym")),
    ("tensorrt", MATMUL, plan("int4g128", "fp16")),
    ("tensorrt", MATMUL, plan("nvfp4", "nvfp4")),
    ("tensorrt", MATMUL, plan("fp8_e4m3fn", "fp8_e4m3fn")),
    ("litert-xnnpack", CONV, plan("int4-pc", "int8")),
    ("litert-xnnpack", MATMUL, plan("int4g32", "int8-tok")),
    ("litert-xnnpack", DEPTHWISE, plan("int8-pc", "int16-sym")),
    ("qnn-htp", MATMUL, plan("int4-pc", "int16")),
    ("qnn-htp", CONV, plan("int8-pc", "int8")),
    ("llama-cpp", MATMUL, plan("q4_k")),
    ("llama-cpp", EMBEDDING, plan("q8_0")),
]


@pytest.mark.parametrize(("name", "layer", "one"), RUNS)
def test_what_is_known_to_run(name, layer, one):
    assert find_platform(name).refuses(layer, one) is None


REFUSED = [
    ("onnxruntime-cpu", CONV, plan("int4g32"), "runs a convolution with int8, uint8 or fp32 weights, not int4"),
    ("onnxruntime-cpu", MATMUL, plan("int4g24"), "has groups of a power of two from 16 on, not of 24"),
    ("onnxruntime-cpu", MATMUL, plan("int4-pc"), "a scale per group for int4 weights here, not a scale per channel"),
    ("onnxruntime-cpu", TRANSPOSED, plan("int8", "int8"), "a transposed convolution with fp32 weights, not int8"),
    ("onnxruntime-cpu", CONV, plan("int8", "int8-dyn"), "wants activation ranges fixed before: make them static"),
    ("onnxruntime-cpu", CONV, plan("fp16", "fp16"), "not fp16"),
    ("onnxruntime-cpu", MATMUL, plan("int8", "int16"), "activations, not int16"),
    ("onnxruntime-cpu", CONV, plan("int8-affine", "int8-sym"), "make them"),  # signed activations, unsigned weights
    ("openvino-cpu", MATMUL, plan("int4g96"), "wants input features in whole blocks of 96, and 256 are not"),
    ("openvino-cpu", CONV, plan("int8-affine", "int8"), "has no zero point for weights here: make them symmetric"),
    ("tensorrt", CONV, plan("int8", "int8"), "has no zero point for activations here: make them symmetric"),
    ("tensorrt", CONV, plan("int8-affine", "int8-sym"), "has no zero point for weights here: make them symmetric"),
    ("tensorrt", CONV, plan("int4g128", "fp16"), "not int4"),
    ("tensorrt", MATMUL, plan("int4g32", "fp16"), "has groups of 64 or 128, not of 32"),
    ("tensorrt", MATMUL, plan("int8", "fp32"), "a matrix product of int8 weights with int8 activations, not fp32"),
    ("tensorrt", MATMUL, plan("int8", "int8-tok"), "not a scale per token"),
    ("tensorrt", EMBEDDING, plan("int8"), "not int8"),
    ("litert-xnnpack", DEPTHWISE, plan("int4", "int8"), "not int4"),
    ("litert-xnnpack", CONV, plan("int8", "int16"), "has no zero point for activations here"),
    ("litert-xnnpack", CONV, plan("fp8_e4m3fn", "fp8_e4m3fn"), "not fp8_e4m3fn"),
    ("qnn-htp", MATMUL, plan("int8-pc", "int8-dyn"), "make them static"),
    ("qnn-htp", MATMUL, plan("int4g32", "int16"), "not a scale per group"),
    ("qnn-htp", CONV, plan("int8-pc-affine", "int8"), "has no zero point for weights here"),
    ("qnn-htp", CONV, LayerPlan(), "not fp32"),
    ("llama-cpp", MATMUL, plan("int8-pc"), "not int8"),
    ("llama-cpp", MATMUL, plan("q4_k", "int8"), "with fp32 activations, not int8"),
    ("llama-cpp", CONV, plan("q8_0"), "runs a convolution with fp16 or fp32 weights, not q8_0"),
]


@pytest.mark.parametrize(("name", "layer", "one", "words"), REFUSED)
def test_what_is_known_not_to_run(name, layer, one, words):
    platform = find_platform(name)
    reason = platform.refuses(layer, one)
    assert reason is not None and words in reason, reason
    assert is_a_sentence(platform, reason)


def test_rows_that_fill_no_block_are_stored_otherwise():
    odd = msgspec.structs.replace(MATMUL, in_features=96)
    reason = find_platform("llama-cpp").refuses(odd, plan("q4_k"))
    assert reason == "llama.cpp wants input features in whole blocks of 256, and 96 are not and would store q5_0."


@pytest.mark.parametrize("granularity", ["channel", "group", "block"])
def test_no_platform_has_activations_per_channel(platform, granularity):
    """No recipe can say it; a platform that is asked all the same refuses it."""
    activation = TensorPlan("int8", granularity, 32 if granularity == "group" else 0, symmetric=True)
    assert platform.refuses(CONV, LayerPlan(parse_weight_format("int8"), activation))


@pytest.mark.parametrize("rounding", ["stochastic", "floor"])
def test_no_platform_rounds_activations_otherwise(platform, rounding):
    activation = TensorPlan("int8", rounding=rounding)
    assert platform.refuses(CONV, LayerPlan(parse_weight_format("int8-pc"), activation))


@pytest.mark.parametrize("weight", ["int8", "int8-pc", "int8-affine", "int8g32", "int8b4x32", "int16"])
@pytest.mark.parametrize("activation", ["int8", "int8-sym", "int8-tok", "int8-sym-dyn", "uint8"])
def test_the_file_for_tensorrt_and_the_platform_agree_on_integers(weight, activation):
    one = plan(weight, activation)
    said = tensorrt.WEIGHTS.obstacle(one.weight) is None and tensorrt.ACTIVATIONS.obstacle(one.activation) is None
    assert (find_platform("tensorrt").refuses(CONV, one) is None) == said


def test_between_layers():
    assert find_platform("onnxruntime-cpu").refuses_between(parse_activation_format("int8")) is None
    assert "make them symmetric" in str(find_platform("tensorrt").refuses_between(parse_activation_format("int8")))
    assert "in floats" in str(find_platform("llama-cpp").refuses_between(parse_activation_format("int8")))
    assert "not int4" in str(find_platform("openvino-cpu").refuses_between(parse_activation_format("int4")))
    for platform in PLATFORMS.values():
        assert platform.refuses_between(TensorPlan()) is None


def test_refusals_of_a_recipe_are_by_layer():
    recipe = set_layers(preset("w8a8-pc-all"), {"proj": parse_plan("w3a8")})
    found = find_platform("onnxruntime-cpu").refusals(ALL, recipe)
    assert set(found) == {"up", "proj"}
    assert "between" in find_platform("tensorrt").refusals(ALL, recipe)


def test_layers_that_read_one_value_and_hold_it_differently():
    three = [msgspec.structs.replace(MATMUL, name=name) for name in ("q", "k", "v")]
    platform = find_platform("litert-xnnpack")
    assert platform.clashes(three, preset("w8a8")) == ()
    recipe = set_layers(preset("w8a8"), {"k": LayerPlan(parse_weight_format("int8"), TensorPlan("int16"))})
    (clash,) = platform.clashes([*three, EMBEDDING, CONV], recipe)
    assert clash == (
        "One activation is read by q as int8, k as int16, v as int8: "
        "LiteRT (XNNPACK) would hold it more than once."
    )  # fmt: skip


def test_a_name_that_is_none():
    with pytest.raises(RecipeError, match=r"Unknown platform 'tensor-rt'.*tensorrt"):
        find_platform("tensor-rt")


def test_a_recipe_without_anything_is_refused_by_none_that_has_floats():
    assert find_platform("tensorrt").refusals(ALL, Recipe()) == {}
