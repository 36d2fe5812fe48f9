"""Modelled latency: the longer of operations and bytes, on a device whose numbers are round."""

import re

import pytest

from qdebug.errors import RecipeError
from qdebug.recipes import LayerPlan, Recipe, parse_format, parse_plan, parse_weight_format, preset, set_layers
from qdebug.results import LatencyEstimate
from qdebug.targets import DEVICES, PLATFORMS, Device, Figure, find_device, find_platform, moved_bytes, roofline
from tests.targets.layers import ALL, CONV, DEPTHWISE, EMBEDDING, MATMUL


def device(bandwidth, **rates):
    def figure(value):
        return Figure(value=value, source="https://example.org")

    return Device(
        name="toy", title="Toy", rates=tuple((name, figure(value)) for name, value in rates.items()),
        bandwidth=figure(bandwidth),
    )  # fmt: skip


def moved(layer, recipe, batch=1):
    return moved_bytes(layer, recipe.plan_for(layer.name, layer.kind), recipe, batch)


def test_bytes_of_a_convolution():
    """Weight with its scale, biases, 800 values in, 1600 out."""
    static = (1152 * 8 + 32 + 16 * 32 + 800 * 8) / 8
    assert moved(CONV, preset("w8a8")) == static + 1600 * 4
    assert moved(CONV, preset("w8a8-all")) == static + 1600
    assert moved(CONV, preset("w8a8-all"), batch=3) == static + 1600 + 2 * (800 + 1600)
    assert moved(CONV, preset("w8a8-dyn")) == (1152 * 8 + 32 + 16 * 32) / 8 + 800 * 4 + 1600 * 4
    assert moved(CONV, preset("w16a16")) == 1152 * 2 + 16 * 4 + 800 * 2 + 1600 * 2
    assert moved(CONV, Recipe()) == (1152 + 16 + 800 + 1600) * 4


def test_an_embedding_reads_the_rows_that_are_looked_up():
    recipe = set_layers(Recipe(), {"tok": LayerPlan(parse_weight_format("int8"))})
    row = (25600 * 8 + 32) / 100 / 8
    assert moved(EMBEDDING, recipe) == pytest.approx(10 * row + 10 * 8 + 2560 * 4)
    assert moved(EMBEDDING, recipe, batch=20) == pytest.approx(100 * row + 200 * 8 + 20 * 2560 * 4)  # no row twice


def test_the_longer_limit_is_the_time():
    slow_memory, fast_memory = device(1e9, int8=1e12), device(1e12, int8=1e12)
    recipe = preset("w8a8-all")
    (found,) = roofline([CONV], recipe, slow_memory).layers
    assert (found.bound, found.seconds) == ("memory", moved(CONV, recipe) / 1e9)
    (found,) = roofline([CONV], recipe, fast_memory).layers
    assert (found.bound, found.seconds) == ("compute", 2 * 115200 / 1e12)
    assert found.arithmetic == found.rate == "int8"


def test_weights_dequantized_on_the_fly_take_few_bytes_and_the_rate_of_floats():
    machine = device(1e15, int8=4e12, fp16=2e12, fp32=1e12)
    (four,) = roofline([MATMUL], preset("w4g32a16"), machine).layers
    (half,) = roofline([MATMUL], preset("w16a16"), machine).layers
    assert four.compute_seconds == half.compute_seconds == 2 * 81920 / 2e12
    assert half.memory_seconds - four.memory_seconds == pytest.approx((8192 * 16 - 8192 * 4.5) / 8 / 1e15)


def test_a_rate_that_is_missing_is_that_of_the_next_wider_arithmetic():
    (found,) = roofline([MATMUL], preset("w4a4"), device(1e15, int8=4e12)).layers
    assert (found.arithmetic, found.rate) == ("int4", "int8")
    (found,) = roofline([MATMUL], preset("w16a16"), device(1e15, int8=4e12)).layers
    assert (found.bound, found.compute_seconds, found.rate) == ("unknown", None, "")
    assert found.seconds == found.memory_seconds


def test_the_sum_over_layers_and_a_batch():
    machine = device(1e9, int8=1e12, fp32=1e11)
    one, many = (roofline(ALL, preset("w8a8"), machine, batch=batch) for batch in (1, 8))
    assert one.estimate and isinstance(one, LatencyEstimate)
    assert one.seconds == sum(layer.seconds for layer in one.layers)
    assert one.seconds < many.seconds < 8 * one.seconds  # weights are read once for all


def test_the_kernel_of_the_platform_is_what_runs():
    recipe = Recipe(default=LayerPlan(parse_weight_format("q4_k")))
    machine = device(1e15, int8=4e12, fp32=1e12)
    (plain,) = roofline([MATMUL], recipe, machine).layers
    (llama,) = roofline([MATMUL], recipe, machine, platform=find_platform("llama-cpp")).layers
    assert (plain.arithmetic, llama.arithmetic) == ("fp32", "int8")
    assert plain.compute_seconds == 4 * llama.compute_seconds


def test_what_the_platform_refuses_has_no_time():
    with pytest.raises(RecipeError, match=r"TensorRT has no zero point for activations.*layer conv"):
        roofline([CONV], preset("w8a8"), find_device("h100-sxm"), platform=find_platform("tensorrt"))


def test_a_measurement_stands_in_for_the_model():
    recipe, machine = preset("w8a8"), device(1e9, int8=1e12)
    measured = {("conv", parse_plan("w8a8")): 0.5, ("proj", parse_plan("w4a8")): 9.0}  # the second is of another plan
    conv, proj = roofline([CONV, MATMUL], recipe, machine, measured=measured).layers
    assert (conv.bound, conv.seconds) == ("measured", 0.5)
    assert proj.bound != "measured"
    assert conv.memory_seconds == moved(CONV, recipe) / 1e9


@pytest.mark.parametrize("name", DEVICES)
def test_every_device_has_a_source_for_every_number(name):
    one = find_device(name)
    for figure in (one.bandwidth, *(figure for _, figure in one.rates)):
        assert figure.value > 1e9
        assert re.fullmatch(r"https://[\w./%-]+", figure.source), figure
    assert len(dict(one.rates)) == len(one.rates)
    assert set(one.platforms) <= set(PLATFORMS)


@pytest.mark.parametrize("name", DEVICES)
@pytest.mark.parametrize("notation", ["w8a8", "w4g32a16", "w16a16", "w32a32"])
def test_every_device_has_an_estimate(name, notation):
    found = roofline(ALL, preset(notation), find_device(name))
    assert 0 < found.seconds < 1e-2
    assert all(layer.seconds >= layer.memory_seconds for layer in found.layers)


def test_narrower_formats_are_never_slower_on_a_device():
    for one in DEVICES.values():
        float32, half, eight = (
            roofline([CONV, MATMUL], preset(n), one).seconds for n in ("w32a32", "w16a16", "w8a8-all")
        )
        assert eight <= half <= float32


def test_derived_numbers():
    laptop, pi = find_device("laptop-avx512-vnni"), find_device("raspberry-pi-5")
    assert dict(laptop.rates)["int8"].value == pytest.approx(4 * 2.8e9 * 128)
    assert dict(laptop.rates)["int8"].derivation.startswith("4 cores × 2.8 GHz × 64 MACs × 2")
    assert dict(pi.rates)["fp32"].value == pytest.approx(153.6e9)
    assert pi.bandwidth.value == pytest.approx(17.068e9)


def test_a_device_that_is_none():
    with pytest.raises(RecipeError, match=r"Unknown device 'h100'.*h100-sxm"):
        find_device("h100")


def test_pruned_weights_take_as_long_as_whole_ones_where_nothing_is_said_of_zeros():
    machine = device(1e9, int8=1e9)
    whole, *pruned = (roofline([MATMUL], preset(name), machine).layers[0] for name in ("w8a8", "w8a8@2:4", "w8a8@50%"))
    assert pruned == [whole, whole]


def test_tensorrt_skips_the_zeros_of_two_of_four_at_the_published_factor():
    gpu, tensorrt = find_device("a100-sxm"), find_platform("tensorrt")

    def of(name, layer=MATMUL):
        recipe = Recipe(default=parse_format(f"int8{name}/int8-sym"))
        return roofline([layer], recipe, gpu, platform=tensorrt).layers[0], moved(layer, recipe)

    (whole, _), (pruned, moved_whole), (share, _) = of(""), of("@2:4"), of("@50%")
    assert pruned.compute_seconds == whole.compute_seconds / gpu.sparse.value
    assert pruned.memory_seconds == pytest.approx((moved_whole - 32 * 256 / 2 + 32 * 64 * 3 / 8) / gpu.bandwidth.value)
    assert (whole.rate, pruned.rate) == ("int8", "int8, 2:4")
    assert share == whole
    assert of("@2:4", DEPTHWISE)[0] == of("", DEPTHWISE)[0]  # one input channel: no group of four


def test_two_factors_are_two_products():
    """Rank 8 of a 32 × 256 matrix at 10 places: 10 · 8 · 256 products in int8, and 10 · 8 · 32 in fp16."""
    (found,) = roofline([MATMUL], preset("w8a8@r8"), device(1e15, int8=4e12, fp16=2e12)).layers
    assert found.compute_seconds == pytest.approx(2 * 10 * 8 * 256 / 4e12 + 2 * 10 * 8 * 32 / 2e12)
    assert found.bound == "compute"
