"""A folder of images is the data of a model file, everywhere a data file is."""

import numpy as np
import pytest
import torch
from PIL import Image

from qdebug.doors import capture
from qdebug.errors import DataError, FileError
from qdebug.jobs.models import stamp
from qdebug.results import ModelRef
from qdebug.search.sweep.wire import located
from qdebug.session import open as open_model
from qdebug.session.opening import open_ref
from tests.networks import Residual, data_for, seeded


@pytest.fixture
def place(tmp_path):
    """``net.pt2``, and a folder with two classes and a card."""
    exported, _ = capture(seeded(Residual), {"images": torch.as_tensor(data_for(Residual, 4)["images"])})
    torch.export.save(exported, tmp_path / "net.pt2")
    rng = np.random.default_rng(0)
    for name in ("cat", "dog"):
        (tmp_path / "val" / name).mkdir(parents=True)
        for number in range(6):
            pixels = rng.integers(0, 256, (12, 14, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(tmp_path / "val" / name / f"{number}.png")
    (tmp_path / "val" / "card.yaml").write_text("size: [8, 8]\nmean: 0.5\nstd: 0.5\ninput: images\n")
    return tmp_path


def test_it_is_evaluated_like_arrays(place):
    session = open_model(place / "net.pt2", place / "val", place / "val")
    assert (session.info().n_eval, session.info().n_calib, session.info().task) == (12, 12, "classification")
    assert session.subject.data.labels.tolist() == [0] * 6 + [1] * 6
    arrays = {"images": session.subject.data.inputs["images"], "labels": session.subject.data.labels}
    assert open_model(place / "net.pt2", arrays).evaluate("w4a8").metric == session.evaluate("w4a8").metric
    whole = open_model(seeded(Residual), place / "val", samples=4)
    assert whole.subject.data.labels.tolist() == [0, 0, 1, 1]
    assert torch.equal(whole.subject.data.inputs["images"], arrays["images"][::3])


def test_a_card_for_another_input_is_one_clear_error(place):
    (place / "val" / "card.yaml").write_text("size: [8, 8]\n")
    with pytest.raises(DataError, match="'pixel_values' that the model has no input for") as caught:
        open_model(place / "net.pt2", place / "val")
    assert "images" in caught.value.do


def test_a_stranger_s_folder_is_not_read(place):
    ref = ModelRef(model=str(place / "net.pt2"), data=str(place / "val"))
    with pytest.raises(FileError, match="not opened from an upload"):
        open_ref(ref, untrusted=lambda path: path.is_dir())
    assert open_ref(ref).info().n_eval == 12


def test_other_processes_find_it_and_notice_a_change(place, monkeypatch):
    monkeypatch.chdir(place)
    ref = ModelRef(model="net.pt2", data="val")
    assert located(ref) == ModelRef(model=str((place / "net.pt2").resolve()), data=str((place / "val").resolve()))
    before = stamp(ref)
    assert stamp(ref) == before
    (place / "val" / "card.yaml").write_text("size: [8, 8]\nmean: 0.25\nstd: 0.5\ninput: images\n")
    other = stamp(ref)
    assert other != before
    (place / "val" / "cat" / "7.png").write_bytes((place / "val" / "cat" / "0.png").read_bytes())
    assert stamp(ref) != other
