"""Folders of images are what transformers' own processors make of them; what is damaged or too large is refused."""

import json
import struct
import sys
import zlib

import numpy as np
import pytest
import transformers
from PIL import Image
from transformers.image_utils import load_image

from qdebug.doors import images
from qdebug.doors.image_card import Card, card_of, from_hugging_face
from qdebug.doors.images import read_images
from qdebug.errors import DataError, FileError, UsageError

SIZES = [(40, 31), (31, 40), (50, 50), (17, 90), (33, 20)]


def drawn(width, height, seed=0, mode="RGB"):
    rng = np.random.default_rng(seed)
    bands = len(Image.new(mode, (1, 1)).getbands())
    pixels = rng.integers(0, 256, (height, width, bands), dtype=np.uint8)
    return Image.fromarray(pixels[..., 0] if bands == 1 else pixels, mode)


@pytest.fixture
def folder(tmp_path):
    for number, (width, height) in enumerate(SIZES):
        drawn(width, height, number).save(tmp_path / f"{number}.png")
    return tmp_path


PROCESSORS = {
    "ViT": {"size": {"height": 24, "width": 20}},
    "ViT nearest": {"size": {"height": 24, "width": 24}, "resample": 0},
    "ViT without": {"do_resize": True, "size": {"height": 9, "width": 9}, "do_normalize": False},
    "ViT raw": {"size": {"height": 9, "width": 9}, "do_normalize": False, "do_rescale": False},
    "CLIP": {"size": {"shortest_edge": 24}, "crop_size": {"height": 24, "width": 24}},
    "CLIP small": {"size": {"shortest_edge": 15}, "crop_size": {"height": 24, "width": 31}},
    "CLIP odd": {"size": {"shortest_edge": 22}, "crop_size": {"height": 19, "width": 13}, "resample": 1},
    "Bit": {"size": {"shortest_edge": 20}, "crop_size": {"height": 20, "width": 20}, "image_mean": [0.4, 0.5, 0.6]},
    "ConvNext": {"size": {"shortest_edge": 21}, "crop_pct": 0.875},
    "ConvNext large": {"size": {"shortest_edge": 384}, "crop_pct": 0.875},
    "MobileViT": {"size": {"shortest_edge": 24}, "crop_size": {"height": 20, "width": 20}},
    "Siglip": {"size": {"height": 24, "width": 24}},
}


@pytest.mark.parametrize("name", PROCESSORS)
def test_images_are_what_transformers_own_processor_makes_of_them(name, folder):
    kind = getattr(transformers, f"{name.split()[0]}ImageProcessorPil")
    processor = kind(**PROCESSORS[name])
    (folder / "preprocessor_config.json").write_text(processor.to_json_string())
    found = read_images(folder)["pixel_values"]
    files = sorted(folder.glob("*.png"))
    expected = processor([load_image(str(file)) for file in files], return_tensors="np")["pixel_values"]
    assert found.shape == expected.shape and found.dtype == expected.dtype
    assert np.array_equal(found, expected)


@pytest.mark.parametrize("mode", ["L", "RGBA", "LA", "P", "1"])
def test_other_modes_become_rgb_with_white_behind_what_is_transparent(mode, tmp_path):
    (drawn(20, 20).convert(mode) if mode in "P1" else drawn(20, 20, mode=mode)).save(tmp_path / "a.png")
    processor = transformers.CLIPImageProcessorPil(size={"shortest_edge": 16}, crop_size={"height": 16, "width": 16})
    (tmp_path / "preprocessor_config.json").write_text(processor.to_json_string())
    expected = processor([Image.open(tmp_path / "a.png")], return_tensors="np")["pixel_values"]
    assert np.array_equal(read_images(tmp_path)["pixel_values"], expected)


def test_a_turned_photograph_is_upright(tmp_path):
    image = drawn(20, 30)
    exif = image.getexif()
    exif[0x0112] = 6
    image.save(tmp_path / "a.png", exif=exif)
    found = read_images(tmp_path, Card(scale=None, layout="nhwc"))["pixel_values"][0]
    assert np.array_equal(found, np.rot90(np.asarray(image), -1))


def test_a_card_of_one_s_own(folder):
    (folder / "card.yaml").write_text(
        "size: [8, 9]\nmean: 0.5\nstd: [0.1, 0.2, 0.4]\nlayout: nhwc\nchannels: bgr\ninput: images\nresample: box\n"
    )
    card = card_of(folder)
    assert card == Card("bgr", (8, 9), "box", None, 1 / 255, (0.5,), (0.1, 0.2, 0.4), "nhwc", "images")
    found = read_images(folder)
    assert list(found) == ["images"] and found["images"].shape == (5, 8, 9, 3)
    image = np.asarray(Image.open(folder / "0.png").resize((9, 8), Image.Resampling.BOX))[..., ::-1]
    expected = (image / 255 - 0.5) / np.array([0.1, 0.2, 0.4])
    assert np.allclose(found["images"][0], expected, atol=1e-6)
    assert list(read_images(folder, Card(size=(4, 4), channels="gray"), input="x")) == ["x"]
    assert read_images(folder, Card(size=(4, 4), channels="gray"))["pixel_values"].shape == (5, 1, 4, 4)


def test_a_card_above_the_folder_counts_for_its_splits(folder, tmp_path):
    (folder / "val").mkdir()
    drawn(9, 9).save(folder / "val" / "a.png")
    (folder / "card.json").write_text(json.dumps({"crop": 4}))
    assert read_images(folder / "val")["pixel_values"].shape == (1, 3, 4, 4)


@pytest.fixture
def classes(tmp_path):
    for name in ("zebra", "Ant", "golden_retriever"):
        (tmp_path / name).mkdir()
        for number in range(3):
            drawn(6, 6, number).save(tmp_path / name / f"{number}.jpg")
    (tmp_path / ".hidden").mkdir()
    (tmp_path / "zebra" / "notes.txt").write_text("no image")
    return tmp_path


def test_folders_are_classes_in_the_order_of_their_names(classes):
    found = read_images(classes, Card())
    assert found["labels"].dtype == np.int64 and found["labels"].tolist() == [0, 0, 0, 1, 1, 1, 2, 2, 2]
    first = np.asarray(Image.open(classes / "Ant" / "0.jpg")) / 255
    assert np.allclose(found["pixel_values"][0], first.transpose(2, 0, 1), atol=1e-7)


def test_labels_are_the_model_s_where_they_are_given(classes):
    id2label = {5: "ant, emmet", 7: "zebra", 9: "golden retriever"}
    assert read_images(classes, Card(), classes=id2label)["labels"].tolist() == [5] * 3 + [9] * 3 + [7] * 3
    card = Card(classes=("zebra", "golden_retriever", "Ant"))
    assert read_images(classes, card)["labels"].tolist() == [2] * 3 + [1] * 3 + [0] * 3
    with pytest.raises(DataError, match="'zebra' is no class of the model") as caught:
        read_images(classes, Card(), classes=["zebre", "ant", "golden retriever"])
    assert "zebre" in caught.value.do


def test_fewer_are_taken_evenly(classes):
    assert read_images(classes, Card(), samples=3)["labels"].tolist() == [0, 1, 2]
    assert len(read_images(classes, Card(), samples=99)["labels"]) == 9
    with pytest.raises(UsageError, match="samples is 0"):
        read_images(classes, Card(), samples=0)


def bomb(file, width, height):
    """A PNG that says that it is huge, of a few bytes."""

    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    body = chunk(b"IDAT", zlib.compress(b"\0" * 100)) + chunk(b"IEND", b"")
    file.write_bytes(b"\x89PNG\r\n\x1a\n" + head + body)


@pytest.mark.parametrize(("width", "height"), [(30_000, 30_000), (9_500, 9_500), (8_000, 8_001)])
def test_a_huge_image_is_refused_before_it_is_decoded(width, height, tmp_path, monkeypatch):
    bomb(tmp_path / "huge.png", width, height)
    monkeypatch.setattr(Image.Image, "load", lambda *_: pytest.fail("it was decoded"))
    with pytest.raises(FileError, match="pixels") as caught:
        read_images(tmp_path, Card(size=(4, 4)))
    assert caught.value.where["file"].endswith("huge.png") and "64 million" in caught.value.do


def test_a_damage_that_the_library_does_not_expect_is_named(tmp_path):
    file = tmp_path / "a.tiff"
    drawn(8, 8).save(file)
    begin, strips, long, real = (struct.pack("<H", one) for one in (42, 273, 4, 11))
    content = file.read_bytes()
    assert content[2:4] == begin and content.count(strips + long) == 1
    file.write_bytes(content.replace(strips + long, strips + real))  # where the pixels lie is said in float
    with pytest.raises(FileError, match="The image cannot be read"):
        read_images(tmp_path, Card(size=(4, 4)))


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".webp", ".tiff", ".bmp", ".gif"])
@pytest.mark.parametrize("damage", [lambda data: data[: len(data) // 2], lambda data: b"", lambda data: b"text" * 50])
def test_a_damaged_image_is_named(suffix, damage, tmp_path):
    file = tmp_path / f"a{suffix}"
    drawn(64, 64).save(file)
    file.write_bytes(damage(file.read_bytes()))
    with pytest.raises(FileError, match="The image cannot be read") as caught:
        read_images(tmp_path, Card())
    assert caught.value.where["file"] == str(file)


@pytest.mark.parametrize("seed", range(8))
def test_a_file_with_other_bytes_is_read_or_named(seed, tmp_path):
    rng = np.random.default_rng(seed)
    for suffix in (".png", ".jpg", ".webp", ".tiff", ".gif"):
        file = tmp_path / f"a{suffix}"
        drawn(32, 32).save(file)
        data = bytearray(file.read_bytes())
        for place in rng.integers(0, len(data), 6):
            data[place] = int(rng.integers(0, 256))
        file.write_bytes(bytes(data))
        try:
            assert read_images(tmp_path, Card(size=(4, 4)))["pixel_values"].shape == (1, 3, 4, 4)
        except FileError as error:
            assert error.where["file"] == str(file)
        file.unlink()


def test_bounds_on_the_whole(folder, monkeypatch):
    monkeypatch.setattr(images, "LARGEST", 1000)
    with pytest.raises(DataError, match=r"5 images of \[3, 8, 8\] are 0.0 GiB") as caught:
        read_images(folder, Card(size=(8, 8)))
    assert "at most 1" in caught.value.do
    monkeypatch.setattr(images, "IMAGES", 4)
    with pytest.raises(DataError, match="The folder has 5 images"):
        read_images(folder, Card(size=(8, 8)))


def test_images_of_different_sizes_without_a_size_are_one_clear_error(folder):
    with pytest.raises(DataError, match=r"comes out as \[3, 40, 31\], those before it as \[3, 31, 40\]") as caught:
        read_images(folder, Card())
    assert caught.value.where["file"].endswith("1.png")


def test_folders_that_are_none(folder, classes, tmp_path):
    with pytest.raises(FileError, match="no such folder"):
        read_images(tmp_path / "none", Card())
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="no image"):
        read_images(tmp_path / "empty", Card())
    with pytest.raises(DataError, match="both in the folder and in 'Ant'"):
        read_images(classes, Card())
    with pytest.raises(FileError, match="Nothing says how these images") as caught:
        card_of(tmp_path / "empty")
    assert "preprocessor_config.json" in caught.value.do


def test_without_pillow_the_error_says_how_to_get_it(folder, monkeypatch):
    monkeypatch.setitem(sys.modules, "PIL", None)
    with pytest.raises(FileError, match="Pillow") as caught:
        read_images(folder, Card())
    assert caught.value.do == "pip install 'qdebug[images]'."


@pytest.mark.parametrize(
    ("plain", "words"),
    [
        ({"do_pad": True}, "'do_pad' is True, which is not done here"),
        ({"size": {"shortest_edge": 8, "longest_edge": 16}}, "'size' is"),
        ({"size": {"height": 0, "width": 8}}, "'size' is 0"),
        ({"size": {"height": 10**9, "width": 8}}, "'size' is 1000000000"),
        ({"size": 8, "resample": 9}, "'resample' is 9"),
        ({"size": 8, "image_mean": [0.1, 0.2]}, "'mean' has 2 numbers for 3 channels"),
        ({"size": 8, "image_mean": "much"}, "'image_mean' is 'much'"),
        ({"size": 8, "image_mean": 0.5, "image_std": [0, 1, 1]}, "'std' is 0"),
        ({"size": {"height": 8, "width": 8}, "crop_pct": 0.8}, "'crop_pct' is 0.8"),
        ({"size": 8, "resample": 1.0}, "'resample' is 1.0"),
        ({"size": 8, "rescale_factor": [0.1, 0.2]}, "'rescale_factor' is .* one number"),
        ({"size": 8, "image_mean": [0.5, float("nan"), 0.5]}, "'image_mean' is"),
        ({"size": 8, "image_mean": 0.5, "image_std": 10**400}, "'image_std' is 1000"),
    ],
)
def test_a_configuration_that_asks_for_more_is_one_clear_error(plain, words):
    with pytest.raises(FileError, match=words) as caught:
        from_hugging_face(plain)
    assert caught.value.do


def test_a_number_alone_is_the_shorter_edge_only_where_something_is_cut_out():
    assert from_hugging_face({"size": 224}).size == (224, 224)
    both = from_hugging_face({"size": 224, "do_center_crop": True, "crop_size": 200})
    assert (both.size, both.crop) == (224, (200, 200))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("sise: 4", "a key 'sise' that is not known"),
        ("size: [1, 2, 3]", "'size' is"),
        ("layout: chw", "'layout' is 'chw'"),
        ("resample: cubic", "'resample' is 'cubic'"),
        ("channels: cmyk", "'channels' is 'cmyk'"),
        ("scale: small", "'scale' is 'small'"),
        ("scale: [0.1, 0.2]", "'scale' is .* one number"),
        ("std: .inf", "'std' is inf"),
        ("classes: 3", "'classes' is 3"),
        ("classes: abc", "'classes' is 'abc'"),
        ("size: 0x" + "f" * 9000, "more than 64 bits"),
        ("- 1", "holds no keys and values"),
        ("size: [", "cannot be read"),
    ],
)
def test_a_card_with_a_mistake_is_one_clear_error(text, words, tmp_path):
    (tmp_path / "card.yaml").write_text(text)
    with pytest.raises(FileError, match=words) as caught:
        card_of(tmp_path)
    assert caught.value.where["file"] == str(tmp_path / "card.yaml") and caught.value.do
