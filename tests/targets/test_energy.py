"""Modelled energy: the published table, the rule between its entries, and sums of both."""

import pytest

from qdebug.errors import RecipeError
from qdebug.recipes import LayerPlan, Recipe, parse_activation_format, parse_weight_format, preset
from qdebug.targets import energy, find_platform, mac_picojoules, moved_bytes
from qdebug.targets.energy import MULTIPLY, multiply_picojoules
from tests.targets.layers import ALL, CONV, EMBEDDING, MATMUL


def plan(weight, activation):
    return LayerPlan(parse_weight_format(weight), parse_activation_format(activation))


@pytest.mark.parametrize(
    ("weight", "activation", "picojoules"),
    [
        ("fp32", "fp32", 3.7 + 0.9),
        ("fp16", "fp16", 1.1 + 0.9),  # summed up in 32 bits
        ("int8", "int8", 0.2 + 0.1),
        ("int4", "int8", 0.1 + 0.1),
        ("int4", "int4", 0.05 + 0.1),
        ("int8", "int16", 0.4 + 0.1),
        ("int4g32", "fp16", 1.1 + 0.9),  # dequantized on the fly
        ("bf16", "bf16", 1.1 * 64 / 121 + 0.9),
        ("fp8_e4m3fn", "fp8_e4m3fn", 1.1 * 16 / 121 + 0.9),
        ("nvfp4", "nvfp4", 1.1 * 4 / 121 + 0.9),
    ],
)
def test_a_multiply_accumulate(weight, activation, picojoules):
    assert mac_picojoules(plan(weight, activation)) == pytest.approx(picojoules)


def test_the_rule_between_the_integer_multipliers_fits_both_published_ones():
    assert multiply_picojoules(plan("int8", "int8")) == MULTIPLY["int8"]
    assert MULTIPLY["int8"] * 32 * 32 / 64 == pytest.approx(MULTIPLY["int32"], rel=0.04)


def test_a_kernel_that_quantizes_activations_itself_multiplies_integers():
    one = LayerPlan(parse_weight_format("q4_k"))
    kernel = find_platform("llama-cpp").kernel(MATMUL, one)
    assert multiply_picojoules(one, kernel) == pytest.approx(0.1)
    assert multiply_picojoules(one) == 3.7


def test_a_layer_is_its_products_and_its_bytes():
    recipe = preset("w8a8")
    (found,) = energy([CONV], recipe).layers
    assert found.compute_joules == pytest.approx(115200 * 0.3e-12)
    assert found.memory_joules == pytest.approx(moved_bytes(CONV, recipe.default, recipe) * 1950 / 8 * 1e-12)
    (found,) = energy([CONV], recipe, memory="8KB", batch=4).layers
    assert found.compute_joules == pytest.approx(4 * 115200 * 0.3e-12)
    assert found.memory_joules == pytest.approx(moved_bytes(CONV, recipe.default, recipe, 4) * 10 / 8 * 1e-12)


def test_the_published_range_of_dram_is_the_range_of_the_estimate():
    found = energy(ALL, preset("w8a8"))
    memory = sum(layer.memory_joules for layer in found.layers)
    compute = sum(layer.compute_joules for layer in found.layers)
    assert found.estimate and "45 nm" in found.technology
    assert found.joules == pytest.approx(compute + memory)
    assert found.low_joules == pytest.approx(compute + memory * 1300 / 1950)
    assert found.high_joules == pytest.approx(compute + memory * 2600 / 1950)
    cached = energy(ALL, preset("w8a8"), memory="1MB")
    assert cached.low_joules == cached.joules == cached.high_joules < found.low_joules


def test_fewer_bits_take_less_energy():
    joules = [energy([CONV, MATMUL], preset(name)).joules for name in ("w32a32", "w16a16", "w8a8", "w4a8", "w4a4")]
    assert joules == sorted(joules, reverse=True)


def test_an_embedding_multiplies_nothing():
    (found,) = energy([EMBEDDING], Recipe()).layers
    assert found.compute_joules == 0 < found.memory_joules


def test_a_refused_plan_has_no_energy():
    with pytest.raises(RecipeError, match=r"llama\.cpp runs a matrix product"):
        energy([MATMUL], preset("w8a8"), platform=find_platform("llama-cpp"))
