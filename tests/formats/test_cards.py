"""Every format's card: its numbers agree with its points and with sums done by hand, and its proof exists."""

import ast
from dataclasses import FrozenInstanceError, fields
from pathlib import Path

import pytest

from qdebug.errors import RecipeError
from qdebug.formats import ALIASES, FORMATS, Block, Codebook, Float, Gguf, Integer, Table, card, find, split_name

TESTS = Path(__file__).parents[1]

#: Bits per weight, from what a block stores.
BITS = {
    "int8": 8,
    "uint4": 4,
    "fp32": 32,
    "tf32": 32,  # 19 bits that take up 32
    "fp16": 16,
    "bf16": 16,
    "fp8_e4m3fn": 8,
    "fp6_e2m3": 6,
    "fp4": 4,
    "mxint8": 8 + 8 / 32,
    "mxfp8_e4m3": 8.25,
    "mxfp6_e3m2": 6.25,
    "mxint6": 6.25,
    "mxfp4": 4.25,
    "mxint4": 4.25,
    "nvfp4": 4 + 8 / 16,
    "nvint4": 4.5,
    "q4_0": 4 + 16 / 32,
    "q4_1": 4 + 2 * 16 / 32,
    "q5_0": 5 + 16 / 32,
    "q8_0": 8 + 16 / 32,
    "q4_k": 4 + (8 * (6 + 6) + 2 * 16) / 256,  # 8 scales and minima of 6 bits, two float16
    "q6_k": 6 + (16 * 8 + 16) / 256,  # 16 scales of 8 bits, one float16: 6.5625
    "nf4": 4 + 32 / 64,
    "apot4": 4,
    "log2_3": 3,
    "ternary": 8 / 5,  # five in a byte, since 3^5 = 243
    "ternary_twn": 1.6,
    "ternary_3_4": 5 / 4,  # four places for the zero, eight signs: 32 patterns of four weights
    "binary": 1,
    "kmeans3": 3,
    "vq2_16": 4 / 2,
    "vq2_64": 6 / 2,
    "vq2_256": 8 / 2,
    "vq4_16": 4 / 4,
    "vq4_256": 8 / 4,
}

#: Distinct finite numbers: codes less those that are no number or a second zero.
POINTS = {
    "fp8_e4m3fn": 256 - 2 - 1,
    "fp8_e5m2": 256 - 2 * 4 - 1,
    "fp8_e4m3fnuz": 256 - 1,
    "fp8_e5m2fnuz": 256 - 1,
    "fp6_e2m3": 64 - 1,
    "fp6_e3m2": 64 - 1,
    "fp4": 16 - 1,
    "mxint8": 256 - 1,
    "mxfp8_e4m3": 253,
    "mxfp8_e5m2": 247,
    "mxfp6_e2m3": 63,
    "mxfp6_e3m2": 63,
    "mxint6": 64 - 1,
    "mxfp4": 15,
    "mxint4": 16 - 1,
    "nvfp4": 15,
    "nvint4": 15,
    "nf4": 16,
    "apot3": 8 - 1,
    "apot4": 16 - 1,
    "apot5": 32 - 1,
    "log2_3": 8 - 1,
    "log2_4": 16 - 1,
    "log2_5": 32 - 1,
    "ternary": 3,
    "ternary_twn": 3,
    "ternary_3_4": 3,
    "binary": 2,
    "q4_0": 16,
    "q4_1": 16,
    "q5_0": 32,
    "q8_0": 255,
    "q4_k": 16,
    "q6_k": 64,
    **{f"int{bits}": 2**bits for bits in range(2, 9)},
    **{f"uint{bits}": 2**bits for bits in range(2, 9)},
    **{f"int{bits}_narrow": 2**bits - 1 for bits in range(2, 9)},
}

#: Largest, smallest normal and smallest magnitude, from the specifications' tables.
MAGNITUDES = {
    "fp32": (3.4028234663852886e38, 2.0**-126, 2.0**-149),
    "tf32": ((2 - 2.0**-10) * 2.0**127, 2.0**-126, 2.0**-136),
    "fp16": (65504, 2.0**-14, 2.0**-24),
    "bf16": (3.3895313892515355e38, 2.0**-126, 2.0**-133),
    "fp8_e4m3fn": (448, 2.0**-6, 2.0**-9),
    "fp8_e5m2": (57344, 2.0**-14, 2.0**-16),
    "fp8_e4m3fnuz": (240, 2.0**-7, 2.0**-10),
    "fp8_e5m2fnuz": (57344, 2.0**-15, 2.0**-17),
    "fp6_e2m3": (7.5, 1, 0.125),
    "fp6_e3m2": (28, 0.25, 0.0625),
    "fp4": (6, 1, 0.5),
    "mxint8": (1 + 63 / 64, None, 1 / 64),
    "mxfp4": (6, 1, 0.5),
    "nvfp4": (6, 1, 0.5),
    "mxfp8_e4m3": (448, 2.0**-6, 2.0**-9),
    "int8": (128, None, 1),
    "int8_narrow": (127, None, 1),
    "uint8": (255, None, 1),
    "int16": (32768, None, 1),
    "nf4": (1, None, 0.07958029955625534),
    "log2_4": (1, None, 2.0**-6),
    "q6_k": (32, None, 1),
    "kmeans4": (0, None, 0),
}

#: floor(log2) of the element's largest number: what the MX specification's shared exponent is counted from.
EXPONENTS = {"mxint8": 0, "mxint6": 0, "mxint4": 0, "mxfp8_e4m3": 8, "mxfp8_e5m2": 15, "mxfp6_e2m3": 2,
             "mxfp6_e3m2": 4, "mxfp4": 2, "nvfp4": 2, "nvint4": 2}  # fmt: skip


@pytest.fixture(params=FORMATS)
def name(request):
    return request.param


def test_names_are_the_keys(name):
    assert find(name) is FORMATS[name]
    assert card(find(name)).name == find(name).name == name == name.lower()


def test_numbers_agree_with_the_points(name):
    shown = card(find(name))
    points = shown.points
    assert list(points) == sorted(set(points))
    assert len(points) == POINTS.get(name, 0)
    if points:
        assert shown.largest == max(abs(point) for point in points)
        assert shown.smallest == min(abs(point) for point in points if point)
        assert shown.smallest_normal is None or shown.smallest_normal in points
        assert len(points) <= 2**shown.bits if shown.bits >= 2 else len(points) in (2, 3)


def test_all_formats_of_few_bits_have_points():
    """Without them are those of more than 8 bits, and those that learn their levels."""
    without = {name for name, form in FORMATS.items() if not card(form).points}
    assert without == {name for name, form in FORMATS.items() if form.bits > 8 or isinstance(form, Codebook)}


@pytest.mark.parametrize("name", BITS)
def test_bits_per_weight(name):
    assert card(find(name)).bits_per_weight == pytest.approx(BITS[name], rel=1e-15)


@pytest.mark.parametrize("name", MAGNITUDES)
def test_magnitudes(name):
    shown = card(find(name))
    assert (shown.largest, shown.smallest_normal, shown.smallest) == MAGNITUDES[name]


@pytest.mark.parametrize("name", EXPONENTS)
def test_largest_exponent_of_an_element(name):
    assert find(name).largest_exponent == EXPONENTS[name]


def test_no_block_format_is_left_out():
    assert {name for name, form in FORMATS.items() if isinstance(form, Block)} == set(EXPONENTS)


def test_specials():
    expected = {
        "fp16": ("+Inf", "−Inf", "NaN", "−0"),
        "fp8_e4m3fn": ("NaN", "−0"),
        "fp8_e5m2fnuz": ("NaN (code 0x80)",),
        "fp4": ("−0",),
        "mxfp4": ("−0", "scale NaN (code 0xFF)"),
        "nvfp4": ("−0", "scale NaN"),
        "int8": (),
        "nf4": (),
    }
    assert {name: card(find(name)).specials for name in expected} == expected


def test_scales_in_words():
    expected = {
        "fp16": "none",
        "tf32": "none",
        "int8": "tensor, channel, group, block or token",
        "fp8_e4m3fn": "tensor, channel, group, block or token",
        "nf4": "groups of 64 (or tensor, channel), float32 or double quantized",
        "ternary": "tensor, channel or group",
        "mxfp4": "block of 32, power of two (E8M0)",
        "nvfp4": "block of 16, E4M3, times one float32 per tensor",
        "q4_0": "block of 32, float16",
        "q4_1": "block of 32, float16 scale and minimum",
        "q4_k": "block of 256 with float16, runs of 32 with 6-bit scale and minimum",
        "q6_k": "block of 256 with float16, runs of 16 with 8-bit scale",
        "kmeans4": "no scale: one codebook per tensor or channel",
        "vq2_256": "no scale: one codebook per tensor for 2 weights at once",
    }
    assert {name: card(find(name)).scales for name in expected} == expected


def test_words_are_there(name):
    shown = card(find(name))
    assert shown.title
    assert shown.family in ("float", "integer", "block", "table", "llama.cpp", "codebook")
    assert len(shown.source) > 10
    assert all(shown.runs_on), "an empty tuple says that nobody runs it"
    assert len(set(shown.runs_on)) == len(shown.runs_on)


def test_the_proof_is_a_test_of_this_repository(name):
    file, _, function = card(find(name)).proof.partition("::")
    assert function.startswith("test_")
    tree = ast.parse((TESTS / file).read_text(encoding="utf-8"))
    assert function in {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}


def test_titles_tell_formats_apart():
    titles = [form.title for form in FORMATS.values()]
    assert len(set(titles)) == len(titles)


def test_formats_and_cards_are_frozen_values(name):
    form = find(name)
    shown = card(form)
    for value, attribute in ((form, "bits"), (shown, "bits")):
        with pytest.raises(FrozenInstanceError):
            setattr(value, attribute, 3)
    again = type(form)(**{field.name: getattr(form, field.name) for field in fields(form)})
    assert again == form
    assert again is not form
    assert hash(again) == hash(form)
    assert hash(card(again)) == hash(shown)
    assert len({*FORMATS.values(), again}) == len(FORMATS)


def test_which_formats_activations_can_have():
    """Weights alone can be searched and packed beforehand; these formats need that."""
    weights = {name for name, form in FORMATS.items() if not card(form).activations}
    assert weights == {name for name, form in FORMATS.items() if isinstance(form, Table | Gguf | Codebook)}
    assert all(card(form).activations for form in FORMATS.values() if isinstance(form, Float | Integer | Block))


@pytest.mark.parametrize("alias", ALIASES)
def test_an_alias_stands_for_a_format(alias):
    assert alias not in FORMATS
    assert split_name(alias) == (ALIASES[alias], "")
    assert ALIASES[alias] in FORMATS


def test_recipes_know_a_format_by_one_name_only():
    with pytest.raises(RecipeError, match="Unknown number format 'fp8'") as caught:
        find("fp8")
    assert caught.value.do == "Write fp8_e4m3fn."
    with pytest.raises(RecipeError) as caught:
        find("int88")
    assert "int8" in caught.value.do


def test_split_name_takes_the_longest(name):
    assert split_name(name) == (name, "")
    assert split_name(name + "g32-dyn") == (name, "g32-dyn")


def test_split_name_by_hand():
    assert split_name("int16") == ("int16", "")
    assert split_name("int8_narrow-pc") == ("int8_narrow", "-pc")
    assert split_name("fp8_e4m3fnuzg64") == ("fp8_e4m3fnuz", "g64")
    assert split_name("fp8g64") == ("fp8_e4m3fn", "g64")
    assert split_name("mxfp6") == ("mxfp6_e2m3", "")
    assert split_name("q4_k_s") == ("q4_k", "")
    assert split_name("vq4_256") == ("vq4_256", "")
    assert split_name("ternary_3_4") == ("ternary_3_4", "")
    assert split_name("x8") is None
    assert split_name("") is None
