"""What each tool in particular is told, and what of it is left unsaid."""

import json
import re

import onnx
import pytest

from qdebug.errors import RecipeError
from qdebug.export import export, for_tensorrt
from qdebug.export import write_onnx as write_onnx_file
from qdebug.recipes import LayerPlan, Recipe, parse_activation_format, preset
from tests.export.made import A8, A8S, FLOAT, W8, decided, layer, linear, plan, said, tensor, write
from tests.export.recipes import RECIPES

# ------------------------------------------------------------------------------------------------------ ONNX Runtime


def arguments(*layers, **more):
    return json.loads(write("onnxruntime", *layers, **more).text)["quantize_static"]


def test_onnx_runtime_quantizes_the_layers_named_and_their_inputs_alone():
    got = arguments(layer("one"), layer("two", FLOAT, FLOAT))
    assert (got["nodes_to_quantize"], got["nodes_to_exclude"]) == (["one"], ["two"])
    assert got["extra_options"]["OpTypesToExcludeOutputQuantization"] == got["op_types_to_quantize"]
    assert set(got["extra_options"]["TensorQuantOverrides"]) == {"one.weight", "one.x"}


def test_onnx_runtime_gets_a_scale_per_channel_along_the_weights_axis():
    overrides = arguments(linear("one", shape=(8, 4), out_axis=1))["extra_options"]["TensorQuantOverrides"]
    grid = linear("one", shape=(8, 4), out_axis=1).weight.grid
    assert [one["scale"] for one in overrides["one.weight"]] == grid.scale.flatten().tolist()
    assert [one.get("axis") for one in overrides["one.weight"]] == [1, None, None, None]
    assert {one["quant_type"] for one in overrides["one.weight"]} == {"QInt8"}
    assert overrides["one.x"] == [
        {"quant_type": "QUInt8", "scale": overrides["one.x"][0]["scale"], "zero_point": 64}
    ]  # fmt: skip


@pytest.mark.parametrize("point", [A8S, plan(A8, clip=(-1.0, 2.0))], ids=["signed codes", "a range below zero"])
def test_onnx_runtime_must_not_drop_a_relu_that_does_something(point):
    document = write("onnxruntime", layer("one", W8, A8S), points=(tensor("p", point),))
    options = json.loads(document.text)["quantize_static"]["extra_options"]
    assert "Relu" in options["OpTypesToExcludeOutputQuantization"]
    assert "'p' between layers is quantized only where" in said(document)
    unsigned = arguments(layer("one"), points=(tensor("p", A8),))["extra_options"]
    assert unsigned["OpTypesToExcludeOutputQuantization"] == []


@pytest.mark.parametrize("target", ["onnxruntime", "aimet-2"])
def test_a_value_that_the_recipe_itself_quantizes_between_layers_is_no_surprise(target):
    document = write(
        target, layer("one", x="v"), layer("two", FLOAT, FLOAT, x="v"), points=(tensor("v", A8),)
    )  # fmt: skip
    assert "two" not in said(document)


def test_onnx_runtime_has_one_override_for_a_weight_that_two_layers_share():
    shared = {"weight_name": "w"}
    assert "two: another layer" in said(
        write("onnxruntime", layer("one", **shared), layer("two", plan("int4-pc"), **shared))
    )
    assert "two" not in said(write("onnxruntime", layer("one", **shared), layer("two", **shared)))


# ------------------------------------------------------------------------------------------------------------- NNCF


def nncf(*layers, **more):
    return json.loads(write("nncf", *layers, **more).text)


def test_nncf_takes_the_plan_of_most_layers_and_ignores_the_others():
    document = write("nncf", layer("a.b"), layer("two"), layer("three", plan("int8")), layer("four", FLOAT, FLOAT))
    value = json.loads(document.text)
    assert value["ignored_scope"]["patterns"] == ["three(/WithoutBiases)?$", "four(/WithoutBiases)?$"]
    assert "three: NNCF knows one plan for all layers" in said(document)
    assert re.match(nncf(layer("one"), layer("a.b", FLOAT, FLOAT))["ignored_scope"]["patterns"][0], "aXb") is None


def test_nncf_is_told_symmetry_granularity_and_percentiles():
    value = nncf(layer("one", plan("int8"), A8S))["quantize"]
    assert value["preset"] == "performance"
    assert value["advanced_parameters"]["weights_quantization_params"]["per_channel"] is False
    percentile = nncf(layer("one", W8, plan(A8, range="percentile", percentile=99.0)))["quantize"]
    assert percentile["preset"] == "mixed"
    ends = percentile["advanced_parameters"]["activations_range_estimator_params"]
    assert ends["min"]["quantile_outlier_prob"] == pytest.approx(0.005)


# --------------------------------------------------------------------------------------------------------- TensorRT


def test_tensorrt_takes_symmetric_int8_and_only_makes_biases_float():
    recipe = Recipe(default=LayerPlan(W8, A8S), bias="int32")
    made = decided(layer("one", W8, A8S), layer("two", FLOAT, FLOAT), recipe=recipe)
    assert for_tensorrt(made) == Recipe(default=LayerPlan(W8, A8S))


def test_the_onnx_file_of_that_recipe_is_what_tensorrt_reads(sessions, tmp_path):
    session = sessions["onnx"]
    recipe = for_tensorrt(session.decided(RECIPES["symmetric-all"]))
    write_onnx_file(session, recipe, tmp_path / "quantized.onnx")
    model = onnx.load(tmp_path / "quantized.onnx")
    stored = {one.name: onnx.numpy_helper.to_array(one) for one in model.graph.initializer}
    pairs = [node for node in model.graph.node if node.op_type in ("QuantizeLinear", "DequantizeLinear")]
    assert pairs
    for node in pairs:
        zero = stored[node.input[2]]
        assert zero.dtype == "int8"
        assert not zero.any()


@pytest.mark.parametrize(
    ("weight", "activation", "words"),
    [
        (W8, A8, "one: the activation: TensorRT has no zero point"),
        (plan("int8-pc-affine"), A8S, "one: the weight: TensorRT has no zero point"),
        (plan("int4g4"), A8S, "one: the weight: TensorRT has no int4"),
        (plan("int8g4"), A8S, "one: the weight: TensorRT has no scale per group"),
        (W8, parse_activation_format("int8-sym-dyn"), "TensorRT cannot be told here to find ranges"),
        (W8, FLOAT, "the activation is not"),
    ],
)  # fmt: skip
def test_tensorrt_refuses_what_it_would_change(weight, activation, words):
    with pytest.raises(RecipeError) as caught:
        for_tensorrt(decided(layer("one", weight, activation)))
    assert words in caught.value.what


def test_tensorrt_refuses_affine_values_between_layers_and_counts_the_rest():
    with pytest.raises(RecipeError, match=r"the value 'p4'.*and 2 more|and 2 more"):
        for_tensorrt(decided(layer("one", W8, A8S), points=tuple(tensor(f"p{n}", A8) for n in range(5))))


def test_tensorrt_precisions_as_its_command_line_has_them():
    half = plan(FLOAT, format="fp16")
    document = write("tensorrt", layer("b", W8, A8S), layer("c", FLOAT, FLOAT), layer("d", half, half))
    value = json.loads(document.text)
    assert value["layer_precisions"] == {"b": "int8", "c": "fp32", "d": "fp16"}
    assert value["trtexec"] == [
        "--fp16",
        "--int8",
        "--precisionConstraints=obey",
        "--layerPrecisions=b:int8,c:fp32,d:fp16",
    ]


def test_tensorrt_names_that_its_command_line_would_split_are_left_out_aloud():
    document = write("tensorrt", layer("a:b", W8, A8S), layer("c", FLOAT, FLOAT))
    assert "--layerPrecisions=c:fp32" in json.loads(document.text)["trtexec"]
    assert "a:b: trtexec splits its list" in said(document)


# ------------------------------------------------------------------------------------------------------------- AIMET


def test_aimet_offsets_are_counted_from_the_lowest_code():
    value = json.loads(write("aimet-1", layer("one"), layer("two", plan("int8"), A8S)).text)
    entries = {one["name"]: one for one in value["activation_encodings"] + value["param_encodings"]}
    assert entries["one.x"]["offset"] == [-64]
    assert entries["two.x"]["offset"] == [-128]
    assert entries["one.weight"]["offset"] == [-128] * 4
    assert (entries["one.weight"]["enc_type"], entries["two.weight"]["enc_type"]) == ("PER_CHANNEL", "PER_TENSOR")


def test_aimet_2_says_zero_points_where_there_are_any_and_blocks_along_the_input_axis():
    value = json.loads(write("aimet-2", linear("one", plan("int4g4"), A8, shape=(8, 2), out_axis=1)).text)
    weight, activation = sorted(value["encodings"], key=lambda one: one["name"])
    assert (weight["axis"], weight["block_size"], weight["output_dtype"]) == (0, 4, "int4")
    assert [len(weight["y_scale"]), len(weight["y_scale"][0])] == [2, 2]
    assert "y_zero_point" not in weight
    assert activation["y_zero_point"] == 64


def test_aimet_biases_are_the_product_of_both_scales():
    recipe = Recipe(default=LayerPlan(W8, A8), bias="int32")
    one = layer("one")
    for target, key in (("aimet-1", "scale"), ("aimet-2", "y_scale")):
        value = json.loads(
            write(target, one, layer("two", W8, parse_activation_format("int8-dyn")), recipe=recipe).text
        )
        entries = value.get("encodings") or value["param_encodings"]
        bias = next(entry for entry in entries if entry["name"] == "one.bias")
        product = one.activation.grid.scale * one.weight.grid.scale.flatten()
        assert bias[key] == pytest.approx(product.tolist(), rel=1e-6)
    assert "two: its bias stays float" in said(
        write("aimet-2", layer("two", W8, parse_activation_format("int8-dyn")), recipe=recipe)
    )


def test_aimet_has_no_blocks_that_run_through_positions():
    assert "AIMET's blocks lie along the input channels alone" in said(write("aimet-2", layer("one", plan("int4g4"))))
    assert "no whole number of blocks of 3" in said(write("aimet-1", linear("one", plan("int4g3"))))


def test_aimet_1_has_half_floats_and_2_has_not():
    half = plan(FLOAT, format="fp16")
    one = json.loads(write("aimet-1", layer("one", half, half)).text)["param_encodings"]
    assert one == [{"name": "one.weight", "enc_type": "PER_TENSOR", "dtype": "FLOAT", "bw": 16}]
    assert "one: the weight has no encoding" in said(write("aimet-2", layer("one", half, A8)))


# --------------------------------------------------------------------------------------------------------- ModelOpt


def quantizers(*layers, **more):
    entries = json.loads(write("modelopt", *layers, source="sample", **more).text)["quant_cfg"]
    assert entries[0] == {"quantizer_name": "*", "enable": False}
    return {one["quantizer_name"]: one["cfg"] for one in entries[1:]}


def test_modelopt_holds_the_range_that_was_decided():
    got = quantizers(layer("one", W8, A8S))
    assert got["one.weight_quantizer"] == {"num_bits": 8, "axis": 0}
    assert got["one.input_quantizer"]["constant_amax"] == pytest.approx(3.0)


def test_modelopt_names_match_themselves_alone():
    from fnmatch import fnmatchcase

    name = next(iter(quantizers(layer("a[0].b*", W8, A8S))))
    assert fnmatchcase("a[0].b*.input_quantizer", name)
    assert not fnmatchcase("a0.bc.input_quantizer", name)


def test_modelopt_blocks_and_outputs():
    got = quantizers(
        linear("one", plan("nvfp4"), FLOAT), linear("two", plan("int4g4"), FLOAT), points=(tensor("one.y", A8S),)
    )
    assert got["one.weight_quantizer"]["block_sizes"] == {"-1": 16, "type": "dynamic", "scale_bits": [4, 3]}
    assert got["two.weight_quantizer"]["block_sizes"] == {"-1": 4}
    assert got["one.output_quantizer"]["num_bits"] == 8
    document = write(
        "modelopt", linear("one", W8, FLOAT), layer("two", plan("int4g4"), FLOAT), points=(tensor("q", A8S),)
    )
    assert "The value 'q' between layers" in said(document)
    assert "two: the weight stays float: ModelOpt's blocks lie" in said(document)


# ----------------------------------------------------------------------------------------------------------- LiteRT


def litert(*layers, **more):
    return json.loads(write("litert", *layers, **more).text)


def test_litert_finds_a_layer_by_its_whole_path():
    regex = litert(layer("b.conv"), layer("last", FLOAT, FLOAT))[0]["regex"]
    assert re.search(regex, "net.Net/net.Block_b/torch.nn.modules.conv.Conv2d_b.conv;")
    assert re.search(regex, "net.Net;;net.Net/torch.nn.modules.conv.Conv2d_b.conv;1")
    for other in ("Conv2d_a.b.conv;", "torch.Conv2d_b.conv2;", "torch.Conv2d_my_b.conv;", "torch.Conv2d_bXconv;"):
        assert not re.search(regex, other)


def test_litert_takes_the_last_layer_for_the_one_that_writes_the_output():
    first, last = litert(layer("one"), linear("two"))
    assert not re.search(first["regex"], "serving_default_output_0_output;")
    assert re.search(last["regex"], "serving_default_output_0_output;")
    assert last["operation"] == "FULLY_CONNECTED"


def test_litert_whole_networks_start_from_everything_and_leave_out_by_name():
    got = litert(layer("one"), layer("two", FLOAT, FLOAT), linear("three"), points=(tensor("p", A8),))
    assert [one["regex"] for one in got[:1]] == [".*"]
    assert [one["algorithm_key"] for one in got] == ["min_max_uniform_quantize"] * 3 + ["no_quantize"]


@pytest.mark.parametrize(
    ("weight", "activation", "precision", "granularity"),
    [("int8-pc", "int8", "INTEGER", "CHANNELWISE"), ("int4g32", "int8-tok", "INTEGER", "BLOCKWISE_32"),
     ("int8", None, "FLOAT", "TENSORWISE"), ("int8", "int8-dyn", "INTEGER", "TENSORWISE")],
)  # fmt: skip
def test_litert_modes(weight, activation, precision, granularity):
    one = linear("one", plan(weight), parse_activation_format(activation) if activation else FLOAT, shape=(4, 64))
    config = litert(one)[0]["op_config"]
    assert config["compute_precision"] == precision
    assert config["weight_tensor_config"]["granularity"] == granularity
    assert config["explicit_dequantize"] == (precision == "FLOAT")
    assert ("activation_tensor_config" in config) == (activation == "int8")


def test_tflite_denies_types_where_all_stay_float_and_names_elsewhere():
    document = write(
        "tflite-debugger", layer("one"), layer("two", FLOAT, FLOAT), linear("three", FLOAT, FLOAT),
        layer("four", plan("int4-pc")),
    )  # fmt: skip
    assert json.loads(document.text) == {"denylisted_ops": ["FULLY_CONNECTED"], "denylisted_nodes": ["two"]}
    assert "four: the weight is int4 pc; what is not denied becomes int8." in document.unsaid
    assert "does not know without a word" in said(document)


# ---------------------------------------------------------------------------------------------------- Model Explorer


def test_model_explorer_keys_are_what_its_graphs_are_drawn_with(sessions):
    in_onnx = json.loads(export(sessions["onnx"], "w8a8", "model-explorer").text)
    assert set(in_onnx["results"]) == {"conv1", "conv2", "mix", "head"}
    in_torch = json.loads(export(sessions["sample"], "w8a8", "model-explorer-formats").text)
    assert in_torch["results"]["conv2d_1"] == {"value": "int8"}


def test_model_explorer_names_layers_that_have_no_error_to_show(sessions):
    document = export(sessions["onnx"], RECIPES["one-float"], "model-explorer")
    assert "conv2" not in json.loads(document.text)["results"]
    assert "conv2: it has no error to show" in said(document)


def test_model_explorer_shares_sum_to_the_whole(sessions):
    value = json.loads(export(sessions["onnx"], preset("w4a8"), "model-explorer-shares").text)
    assert sum(one["value"] for one in value["results"].values()) == pytest.approx(100, abs=0.01)
