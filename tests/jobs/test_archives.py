"""What is more than a file is one archive: stored, whole, and nothing else left beside it."""

import zipfile
from pathlib import Path

from qdebug.jobs.archives import packed
from qdebug.results import Exported


def written(place, *names):
    for name in names:
        (place / name).parent.mkdir(parents=True, exist_ok=True)
        (place / name).write_bytes(name.encode() * 1000)
    return place


def held(path):
    with zipfile.ZipFile(path) as archive:
        assert archive.testzip() is None
        assert {one.compress_type for one in archive.infolist()} == {zipfile.ZIP_STORED}
        return {name: archive.read(name) for name in archive.namelist()}


def test_one_file_stays_as_it_is(tmp_path):
    exported = Exported(path=str(written(tmp_path, "a.onnx") / "a.onnx"), bytes=6000)
    assert packed(exported, tmp_path) == exported
    assert [one.name for one in tmp_path.iterdir()] == ["a.onnx"]


def test_a_file_and_its_data_are_one_archive(tmp_path):
    written(tmp_path, "a.onnx", "a.onnx.data")
    found = packed(Exported(path=str(tmp_path / "a.onnx"), unsaid=("x",), opset=20, bytes=1), tmp_path)
    assert [one.name for one in tmp_path.iterdir()] == ["a.zip"]
    assert held(found.path) == {name: name.encode() * 1000 for name in ("a.onnx", "a.onnx.data")}
    assert found.holds == ("a.onnx", "a.onnx.data")
    assert found.bytes == (tmp_path / "a.zip").stat().st_size
    assert (found.unsaid, found.opset) == (("x",), 20)


def test_a_folder_is_an_archive_that_unpacks_to_it(tmp_path):
    written(tmp_path / "net-gptq", "config.json", "model.safetensors", "1_Pooling/config.json")
    found = packed(Exported(path=str(tmp_path / "net-gptq"), bytes=1), tmp_path)
    assert [one.name for one in tmp_path.iterdir()] == ["net-gptq.zip"]
    assert found.holds == (str(Path("1_Pooling", "config.json")), "config.json", "model.safetensors")
    assert set(held(found.path)) == {f"net-gptq/{Path(one).as_posix()}" for one in found.holds}


def test_a_folder_of_one_file_is_an_archive_too(tmp_path):
    written(tmp_path / "net", "model.safetensors")
    assert held(packed(Exported(path=str(tmp_path / "net"), bytes=1), tmp_path).path).keys() == {
        "net/model.safetensors"
    }
