"""One colour, one precision, everywhere; and text that can be read."""

import pytest

from qdebug.figures import colours
from qdebug.formats import FORMATS


def luminance(hex_colour):
    """Relative luminance (WCAG 2.2)."""
    channels = [int(hex_colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    linear = [one / 12.92 if one <= 0.04045 else ((one + 0.055) / 1.055) ** 2.4 for one in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(a, b):
    light, dark = sorted((luminance(a), luminance(b)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def mixed(colour, ground, part):
    """What CSS's color-mix makes in sRGB: the tint that pills stand on."""
    pairs = [(int(colour[at : at + 2], 16), int(ground[at : at + 2], 16)) for at in (1, 3, 5)]
    return "#" + "".join(f"{round(part * a + (1 - part) * b):02x}" for a, b in pairs)


@pytest.mark.parametrize(
    ("label", "expected"),
    [
        ("fp32", "#5b6470"), ("fp16", "#0072B2"), ("bf16", "#0072B2"), ("int8", "#009E73"), ("int8 pc", "#009E73"),
        ("int6", "#E69F00"), ("int4 g32", "#E69F00"), ("int3", "#D55E00"), ("int2 pc", "#D55E00"),
    ],
)  # fmt: skip
def test_the_table_of_the_drawing(label, expected):
    assert colours.of_format(label, dark=False) == expected


def test_fewer_bits_are_never_cooler():
    order = ["p32", "p16", "p8", "p4", "p2"]
    formats = sorted((one for one in FORMATS.values()), key=lambda one: -one.bits)
    places = [order.index(colours.precision(one.name)) for one in formats]
    assert places == sorted(places)


@pytest.mark.parametrize("dark", [False, True])
@pytest.mark.parametrize("name", sorted(colours.TEXT))
def test_pills_can_be_read(name, dark):
    for ground in (colours.GROUND, colours.PANEL):
        tint = mixed(colours.MARK[name].on(dark), ground.on(dark), 0.13)
        assert contrast(colours.TEXT[name].on(dark), tint) >= 4.5


@pytest.mark.parametrize("dark", [False, True])
@pytest.mark.parametrize("tone", [colours.INK, colours.MUTED, colours.TROUBLE_TEXT, colours.ACCENT])
def test_text_can_be_read(tone, dark):
    for ground in (colours.GROUND, colours.PANEL):
        assert contrast(tone.on(dark), ground.on(dark)) >= 4.5


@pytest.mark.parametrize("dark", [False, True])
def test_marks_stand_out_from_the_ground_and_from_each_other(dark):
    marks = [tone.on(dark) for tone in colours.MARK.values()]
    assert len(set(marks)) == len(marks)
    for mark in marks:
        assert contrast(mark, colours.GROUND.on(dark)) >= 2.0
