"""What a sampler drew: the sentence, the course, the picture of all images."""

import pytest

from qdebug.figures import sampling_course
from qdebug.figures.picture import png
from qdebug.figures.sampling import grid_picture, sampling_finding
from qdebug.results import Picture, SampledStep, Sampling


def image(level, *, channels=1):
    return Picture(height=2, width=3, channels=channels, pixels=bytes([level] * 6 * channels))


def drawn(*distances, channels=1):
    return Sampling(
        recipe="r", eta=0.0, seed=0,
        steps=(SampledStep(timestep=100, own=0.03, apart=0.002), SampledStep(timestep=1, own=0.2, apart=0.06)),
        distances=distances, float_=tuple(image(10 + at, channels=channels) for at in range(len(distances))),
        quantized=tuple(image(200 + at, channels=channels) for at in range(len(distances))), seconds=1.0,
    )  # fmt: skip


def test_the_finding_counts_what_can_be_seen():
    assert sampling_finding(drawn(0.01, 0.03)) == (
        "From the same noise the images end 0.0200 apart, of grey levels from 0 to 1; none by 0.1 or more"
    )
    assert sampling_finding(drawn(0.01, 0.03, 0.2)).endswith("1 of 3 images by 0.1 or more")


def test_the_course_goes_from_noise_to_image_in_percent():
    figure = sampling_course(drawn(0.1), dark=False)
    apart, own = figure.data
    assert list(apart.x) == [100, 1]
    assert list(apart.y) == pytest.approx([0.2, 6.0])
    assert list(own.y) == pytest.approx([3.0, 20.0])
    assert figure.layout.xaxis.autorange == "reversed"


@pytest.mark.parametrize("channels", [1, 3])
def test_the_picture_has_every_image_float_above_quantized(channels):
    whole = grid_picture(drawn(0.1, 0.2, 0.3, channels=channels), columns=2, enlarged=2)
    assert whole.width == 2 * (3 * 2 + 2)
    assert png(whole)  # as many pixels as its sizes say
    row = whole.width * channels
    lines = [whole.pixels[at : at + row] for at in range(0, len(whole.pixels), row)]
    levels = [line[channels] for line in lines]
    assert [level for level in levels if level != 64] == [10] * 4 + [200] * 4 + [12] * 4 + [202] * 4
    assert lines[1][(8 + 1) * channels] == 11
