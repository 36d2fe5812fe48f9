"""Data that do not fit give one clear error that names file, key, shape and what to do."""

from __future__ import annotations

import numpy as np
import pytest

from qdebug.doors import join_data, read_npz
from qdebug.errors import DataError, FileError
from qdebug.results import TensorSpec

SPECS = (TensorSpec(name="images", shape=(None, 1, 8, 8), dtype="float32"),)


def good(count=4):
    return {"images": np.zeros((count, 1, 8, 8), np.float32), "labels": np.zeros(count, np.int64)}


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"image": np.zeros((4, 1, 8, 8), np.float32)}, ["image", "Did you mean images"]),
        ({"images": np.zeros((4, 1, 8, 9), np.float32)}, ["[4, 1, 8, 9]", "[N, 1, 8, 8]"]),
        ({"images": np.zeros((4, 64), np.float32)}, ["[4, 64]", "[N, 1, 8, 8]"]),
        ({"images": np.zeros((4, 1, 8, 8), np.uint8)}, ["uint8", "float32"]),
        ({"images": np.array([["a"]])}, ["not numbers"]),
        ({"images": np.zeros((0, 1, 8, 8), np.float32), "labels": np.zeros(0, np.int64)}, ["no sample"]),
        ({"labels": np.zeros(3, np.int64)}, ["3 samples", "4"]),
        ({"labels": np.array(3)}, ["labels", "single"]),
        ({"group": np.zeros(5, np.int64)}, ["group", "5 samples"]),
    ],
)
def test_mistakes(change, words):
    with pytest.raises(DataError) as caught:
        join_data(good() | change, SPECS, "d.npz")
    for word in [*words, "d.npz"]:
        assert word in str(caught.value)
    assert caught.value.do


def test_a_missing_input_lists_what_is_there():
    with pytest.raises(DataError, match="lack the model input 'images'.*the file has labels"):
        join_data({"labels": np.zeros(4, np.int64)}, SPECS, "d.npz")


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_the_first_bad_sample_is_named(value):
    data = good()
    data["images"][2, 0, 3, 3] = value
    with pytest.raises(DataError, match="first in sample 2"):
        join_data(data, SPECS, "d.npz")


def test_good_data_of_any_byte_order():
    data = good() | {"images": np.ones((4, 1, 8, 8), ">f4"), "group": np.array(["a", "b", "a", "b"])}
    joined = join_data(data, SPECS, "d.npz")
    assert len(joined) == 4 and float(joined.inputs["images"].sum()) == 256


def test_files(tmp_path):
    with pytest.raises(FileError, match="no such file"):
        read_npz(tmp_path / "absent.npz")
    (tmp_path / "text.npz").write_text("hello")
    with pytest.raises(FileError, match="damaged"):
        read_npz(tmp_path / "text.npz")
    np.savez(tmp_path / "whole.npz", **good())
    whole = (tmp_path / "whole.npz").read_bytes()
    for cut in (10, len(whole) // 2, len(whole) - 5):
        (tmp_path / "cut.npz").write_bytes(whole[:cut])
        with pytest.raises(FileError, match="damaged"):
            read_npz(tmp_path / "cut.npz")
    np.savez(tmp_path / "objects.npz", images=np.array([{}], dtype=object))
    with pytest.raises(DataError, match="Python objects"):
        read_npz(tmp_path / "objects.npz")
    np.savez(tmp_path / "empty.npz")
    with pytest.raises(DataError, match="no arrays"):
        read_npz(tmp_path / "empty.npz")


def test_arrays_whose_heads_or_whose_packing_are_damaged(tmp_path):
    import io
    import zipfile

    def written(content, kind=zipfile.ZIP_STORED):
        with zipfile.ZipFile(tmp_path / "bad.npz", "w", kind) as archive:
            archive.writestr("x.npy", content)
        return tmp_path / "bad.npz"

    good = io.BytesIO()
    np.save(good, np.zeros((4, 1000), np.float32))
    raw = good.getvalue()
    for change in ((b"'descr'", b"'descr\n"), (b"(4, 1000)", b"(4, (((("), (b"'<f4'", b"'<f4\0"), (b"{", b"\xff")):
        with pytest.raises(FileError, match="damaged"):
            read_npz(written(raw.replace(*change)))
    path = written(raw, zipfile.ZIP_DEFLATED)
    packed = bytearray(path.read_bytes())
    packed[45:60] = b"\xff" * 15
    path.write_bytes(bytes(packed))
    with pytest.raises(FileError, match="damaged"):
        read_npz(path)
