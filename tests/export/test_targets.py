"""Each target's file: its structure to the letter, its values as decided, and no layer that is dropped in silence."""

import re

import msgspec
import pytest

from qdebug.errors import ModelError, QDebugError, RecipeError
from qdebug.export import TARGETS, export
from qdebug.recipes import CrossLayerEqualization, LayerPlan, Recipe, parse_activation_format
from tests.export.made import A8, A8S, FLOAT, W8, layer, linear, plan, said, write
from tests.export.recipes import RECIPES
from tests.export.schemas import SCHEMAS, read

#: These know linear layers alone (tests/export/test_language_targets.py).
LANGUAGE = ("llm-compressor", "torchao", "bitsandbytes", "quanto", "llama-cpp")
FROM_DECIDED = [name for name, target in TARGETS.items() if target.reads == "decided" and name not in LANGUAGE]
#: These name formats only, or measurements: what they leave out is not the recipe's.
PARTIAL = ("model-explorer-formats", "tflite-debugger")


@pytest.mark.parametrize("name", RECIPES)
@pytest.mark.parametrize("target", FROM_DECIDED)
def test_a_file_is_as_its_tool_defines_it_or_refused(target, name, sessions):
    try:
        document = export(sessions["onnx"], RECIPES[name], target)
    except RecipeError as error:
        assert target == "tensorrt" or (target, name) == ("nncf", "four-bits")
        assert error.do
        return
    msgspec.json.decode(document.content, type=SCHEMAS[target])
    assert all(one.endswith(".") and "  " not in one and "\n" not in one for one in document.unsaid)
    assert document.name == re.sub(r"[^a-z0-9.-]", "", document.name)


@pytest.mark.parametrize("target", TARGETS)
def test_a_sample_is_written_or_refused(target, sessions):
    try:
        document = export(sessions["sample"], "w8a8-pc", target)
    except (ModelError, RecipeError) as error:
        assert target in ("onnxruntime", "tensorrt", *LANGUAGE)
        assert error.do
        return
    read(target, document)


WEIGHTS = ["int8-pc", "int8", "int4-pc", "int4g4", "int6", "uint8", "int8-affine", "int8_narrow", "fp8_e4m3fn", "mxfp4",
           "nvfp4", "nf4", "q4_0", "fp16", "int8b2x4", "kmeans4", "ternary", "int16"]  # fmt: skip
ACTIVATIONS = [
    "int8",
    "int8-sym",
    "int8-dyn",
    "int8-tok",
    "int4",
    "int16-sym",
    "uint8",
    "fp8_e4m3fn",
    "fp16",
    "mxfp8_e4m3",
]


@pytest.mark.parametrize("target", [one for one in FROM_DECIDED if one not in PARTIAL])
@pytest.mark.parametrize("kind", ["conv", "linear"])
def test_no_layer_is_dropped_in_silence(target, kind):
    """A layer with any plan stands in the file, or in the list of what is unsaid, or the recipe is refused."""
    make = layer if kind == "conv" else linear
    usual = LayerPlan(W8, A8 if target != "tensorrt" else A8S)
    pairs = [(plan(weight), usual.activation) for weight in WEIGHTS]
    pairs += [(W8, parse_activation_format(one)) for one in ACTIVATIONS] + [(W8, FLOAT), (FLOAT, A8)]
    wrote = 0
    for weight, activation in pairs:
        others = [layer("first", usual.weight, usual.activation), layer("second", usual.weight, usual.activation)]
        try:
            document = write(target, *others, make("odd", weight, activation))
        except QDebugError as error:
            assert "odd" in error.what
            continue
        wrote += 1
        msgspec.json.decode(document.content, type=SCHEMAS[target])
        in_file, in_words = "odd" in document.text, "odd" in said(document)
        usually = (weight, activation) == (usual.weight, usual.activation)
        assert in_words or (usually if target == "nncf" else in_file), (weight.label, activation.label)
    assert wrote >= 1


# ------------------------------------------------------------------------------------------- what all have in common


@pytest.mark.parametrize("target", [one for one in FROM_DECIDED if one not in PARTIAL and one != "tensorrt"])
def test_a_recipe_of_which_nothing_can_be_said_is_refused_with_the_reason(target):
    with pytest.raises(RecipeError) as caught:
        write(target, layer("only", plan("kmeans4"), parse_activation_format("int3")))
    assert caught.value.do
    assert "only" in caught.value.what
    with pytest.raises(RecipeError, match="quantizes nothing"):
        write(target, layer("only", FLOAT, FLOAT))


@pytest.mark.parametrize("target", [one for one in FROM_DECIDED if one != "model-explorer-formats"])
def test_fixes_change_tensors_that_the_file_does_not_hold(target):
    recipe = Recipe(default=LayerPlan(W8, A8S), fixes=(CrossLayerEqualization(),))
    one = layer("one", W8, A8S)
    changed = write(target, one, recipe=recipe, replaced={"one.weight": one.values})
    assert "(cle) changed 1 stored tensors" in said(changed)
    bare = write(target, layer("one", W8, A8S, bias=False, added=True), recipe=recipe, replaced={"w": one.values})
    assert "one: a fix gave it a bias" in said(bare)
    assert "cle" not in said(write(target, one))


@pytest.mark.parametrize("target", [one for one in FROM_DECIDED if one not in PARTIAL])
def test_a_rounding_that_the_tool_lacks_is_named(target):
    document = write(target, layer("one", plan("int8-floor"), A8S))
    assert "one: the weight is rounded floor" in said(document)


@pytest.mark.parametrize("target", ["nncf", "litert", "tflite-debugger"])
def test_tools_that_calibrate_are_not_told_ranges(target):
    document = write(target, layer("one", W8, plan(A8, clip=(-1.0, 2.0))), layer("two", W8, plan(A8, range="entropy")))
    assert "calibration of its own" in said(document)
    if target != "nncf":
        assert "one: the activation has the hand-set range [-1, 2]" in said(document)
        assert "two: the activation has a range chosen by entropy" in said(document)


@pytest.mark.parametrize("target", ["onnxruntime", "tensorrt"])
def test_files_of_onnx_names_are_refused_for_a_model_without_them(target):
    with pytest.raises(ModelError, match="names of an ONNX file"):
        write(target, layer("one", W8, A8S), source="sample")


@pytest.mark.parametrize(("target", "source"), [("nncf", "sample"), ("aimet-1", "pt2"), ("aimet-2", "sample")])
def test_other_names_are_remarked_upon(target, source):
    assert "not opened from an ONNX file" in said(write(target, layer("one"), source=source))
    assert "ONNX" not in said(write(target, layer("one")))


def test_modelopt_wants_the_names_of_modules():
    assert "opened from an ONNX file" in said(write("modelopt", layer("one", W8, A8S)))
    assert "ONNX" not in said(write("modelopt", layer("one", W8, A8S), source="sample"))


@pytest.mark.parametrize("target", ["onnxruntime", "nncf", "aimet-1", "aimet-2"])
def test_two_readers_of_one_value_that_want_it_otherwise_are_named(target):
    document = write(target, layer("one", x="v"), layer("two", x="v", activation=plan(A8, range="mse")))
    assert "two: its activation is int8, but one reads the same value 'v'" in said(document)
