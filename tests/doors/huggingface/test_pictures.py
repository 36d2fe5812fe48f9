"""Image classifiers read folders of pictures, prepared as their own folder says, and labels by the names they know."""

import json

import numpy as np
import pytest
from PIL import Image

from qdebug.doors.huggingface import open_checkpoint
from qdebug.errors import DataError, FileError
from qdebug.session import open as open_model
from tests.doors.huggingface import zoo

CARD = {
    "image_processor_type": "ViTImageProcessor", "do_resize": True, "size": {"height": 32, "width": 32}, "resample": 2,
    "do_rescale": True, "rescale_factor": 1 / 255, "do_normalize": True, "image_mean": [0.5, 0.4, 0.3],
    "image_std": [0.2, 0.3, 0.4],
}  # fmt: skip


@pytest.fixture
def folder(tmp_path):
    found = zoo.save("vit", tmp_path / "vit")
    (found / "preprocessor_config.json").write_text(json.dumps(CARD))
    config = found / "config.json"
    names = {"id2label": {"0": "ant", "1": "bee", "2": "cat", "3": "dog", "4": "eel"}}
    config.write_text(json.dumps(json.loads(config.read_text()) | names))
    return found


@pytest.fixture
def pictures(tmp_path):
    dice = np.random.default_rng(0)
    for name in ("dog", "bee"):
        (tmp_path / "pictures" / name).mkdir(parents=True)
        for at in range(3):
            pixels = dice.integers(0, 256, (40, 32, 3)).astype(np.uint8)
            Image.fromarray(pixels).save(tmp_path / "pictures" / name / f"{at}.png")
    return tmp_path / "pictures"


def test_as_the_library_prepares_them(folder, pictures):
    arrays, _ = open_checkpoint(folder).read(pictures)
    assert arrays["labels"].tolist() == [1, 1, 1, 3, 3, 3]
    image = Image.open(pictures / "bee" / "0.png").resize((32, 32), Image.Resampling.BILINEAR)
    wanted = (np.asarray(image) / 255 - CARD["image_mean"]) / CARD["image_std"]
    np.testing.assert_allclose(arrays["pixel_values"][0], wanted.transpose(2, 0, 1), rtol=1e-5, atol=1e-5)
    assert open_model(folder, pictures).score("w8a8").metric.name == "accuracy"


def test_without_a_card_and_for_a_model_of_words(folder, pictures, tmp_path):
    (folder / "preprocessor_config.json").unlink()
    with pytest.raises(FileError, match="card"):
        open_checkpoint(folder).read(pictures)
    with pytest.raises(DataError, match=r"reads no pictures.*Give a \.jsonl"):
        open_checkpoint(zoo.save("llama", tmp_path / "llama")).read(pictures)
