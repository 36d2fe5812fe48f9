"""Bytes, bits per weight and bit-operations, counted by hand; and those of the samples, counted another way."""

import math

import msgspec
import pytest

from qdebug.recipes import LayerPlan, Recipe, TensorPlan, parse_plan, parse_weight_format, preset, set_layers
from qdebug.results import LayerInfo
from qdebug.session import open as open_model
from qdebug.session.size import size
from qdebug.targets import cost, model_size, stored_bits, total_bops
from tests.targets.layers import ALL, CONV, DEPTHWISE, EMBEDDING, MATMUL


@pytest.mark.parametrize(
    ("layer", "notation", "bits", "bops"),
    [
        (CONV, "w8a8-pc", 1152 * 8 + 16 * 32, 115200 * 64),
        (CONV, "w4a8", 1152 * 4 + 32, 115200 * 32),
        (CONV, "w16a16", 1152 * 16, 115200 * 256),
        (CONV, "w32a32", 1152 * 32, 115200 * 1024),
        (DEPTHWISE, "w4a16", 72 * 4 + 32, 7200 * 64),
        (DEPTHWISE, "w4g4a8", 72 * 4 + 8 * 3 * 16, 7200 * 32),  # nine values are three groups, the last of one
        (MATMUL, "w4g32a16", 8192 * 4 + 32 * 8 * 16, 81920 * 64),
        (MATMUL, "w8a8-dyn", 8192 * 8 + 32, 81920 * 64),
        (EMBEDDING, "w8a32", 25600 * 8 + 32, 0),
    ],
)
def test_counted_by_hand(layer, notation, bits, bops):
    found = cost(layer, parse_plan(notation))
    assert (found.bits, found.bytes, found.bops) == (bits, math.ceil(bits / 8), bops)
    assert found.bits_per_weight == bits / math.prod(layer.weight_shape)


@pytest.mark.parametrize(
    ("notation", "bits"),
    [
        ("mxfp4", 4.25),
        ("nvfp4", 4.5 + 32 / 8192),
        ("q4_k", 4.5),
        ("q8_0", 8.5),
        ("nf4", 4.5),
        ("int4g128-affine", 4.15625),
    ],
)
def test_bits_per_weight_of_blocks_and_groups(notation, bits):
    assert cost(MATMUL, LayerPlan(parse_weight_format(notation))).bits_per_weight == bits


def test_bit_operations_count_the_codes_whatever_multiplies_them():
    plan = LayerPlan(parse_weight_format("mxfp4"), TensorPlan("mxfp8_e4m3"))
    assert cost(MATMUL, plan).bops == 81920 * 4 * 8
    assert total_bops(ALL, preset("w8a8")) == 64 * sum(layer.macs for layer in ALL)


def test_what_a_float16_file_leaves_alone_has_16_bits():
    half = msgspec.structs.replace(MATMUL, weight_bits=16)
    assert cost(half, LayerPlan()).bits_per_weight == 16


SAMPLES = ["digits-mobilenet", "digits-resnet", "digits-vit"]
RECIPES = ["w32a32", "w16a16", "w8a8", "w8a8-pc-all", "w4g32a16", "w6a6"]


@pytest.fixture(scope="module", params=SAMPLES)
def session(request):
    return open_model(request.param)


def counted(session, recipe):
    """Bytes of all parameters, tensor by tensor, as they lie in the program."""
    subject = session._subject
    total, seen = 0, {}
    for layer in subject.layers:
        plan, tensor = recipe.plan_for(layer.name, layer.kind).weight, subject.program.state[layer.weight]
        rows = tensor.shape[layer.out_axis]
        own = tensor.numel() * tensor.element_size() * 8
        seen[layer.weight] = own if plan.is_float32 else stored_bits(rows, tensor.numel() // rows, plan)
    for index, tensor in subject.program.state.items():
        if tensor.dtype.is_floating_point:
            total += seen.get(index, tensor.numel() * tensor.element_size() * 8)
    return math.ceil(total / 8)


@pytest.mark.parametrize("notation", RECIPES)
def test_a_sample_has_the_bytes_of_its_tensors(session, notation):
    recipe = preset(notation)
    assert size(session._subject, recipe).quantized_bytes == counted(session, recipe)


@pytest.mark.parametrize("notation", RECIPES)
def test_layers_and_what_is_none_add_up_to_the_size(session, notation):
    recipe, info = preset(notation), session.info()
    plans = [recipe.plan_for(layer.name, layer.kind) for layer in info.layers]
    weights = sum(cost(layer, plan).bits for layer, plan in zip(info.layers, plans, strict=True))
    rest = info.float_bytes * 8 - sum(cost(layer, LayerPlan()).bits for layer in info.layers)
    assert model_size(info, recipe).quantized_bytes == math.ceil((weights + rest) / 8)


def test_an_evaluation_reports_the_same_size():
    session = open_model("digits-mobilenet")
    assert session.evaluate("w8a8-pc").size == model_size(session.info(), preset("w8a8-pc"))


def test_a_shared_weight_counts_once_at_its_widest(session):
    info = session.info()
    first = info.layers[0]
    twin = msgspec.structs.replace(first, name="twin")
    both = msgspec.structs.replace(info, layers=(*info.layers, twin))
    recipe = set_layers(Recipe(), {first.name: parse_plan("w4a8"), "twin": parse_plan("w8a8")})
    alone = set_layers(Recipe(), {first.name: parse_plan("w8a8")})
    assert model_size(both, recipe).quantized_bytes == model_size(info, alone).quantized_bytes


def test_layers_know_what_they_read_and_write(session):
    """A layer's MACs are those of its values: each output takes ``in_features`` products."""
    for layer in session.info().layers:
        assert isinstance(layer, LayerInfo)
        assert layer.macs == layer.output_values * layer.in_features * (layer.kind != "embedding")
        assert layer.input_values > 0 and layer.input_name and layer.weight_name and layer.weight_bits == 32
