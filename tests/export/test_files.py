"""A file is whole or absent, and never written over its source."""

import errno
import os
from pathlib import Path

import onnx
import pytest

import qdebug
from qdebug.engine import Work
from qdebug.errors import Cancelled, FileError
from qdebug.export import write_onnx
from qdebug.recipes import preset
from tests.export.networks import inputs_of, mlp
from tests.export.running import assert_agree, by_runtime, simulated


@pytest.fixture
def session(tmp_path):
    (tmp_path / "from").mkdir()
    onnx.save(mlp(), tmp_path / "from" / "in.onnx", save_as_external_data=True, location="data.bin", size_threshold=16)
    return qdebug.open(tmp_path / "from" / "in.onnx", data=inputs_of("mlp"))


def contents(folder: Path) -> dict[str, bytes]:
    return {str(one.relative_to(folder)): one.read_bytes() for one in folder.rglob("*") if one.is_file()}


@pytest.mark.parametrize("call", ["write_bytes", "replace", "fsync"])
@pytest.mark.parametrize("existing", [False, True])
def test_nothing_is_left_of_a_file_that_could_not_be_written(session, tmp_path, monkeypatch, call, existing):
    if existing:
        (tmp_path / "out.onnx").write_bytes(b"older")
    before = contents(tmp_path)

    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os if call == "fsync" else Path, call, full)
    with pytest.raises(FileError, match="No space left"):
        write_onnx(session, preset("w8a8"), tmp_path / "out.onnx")
    monkeypatch.undo()
    assert contents(tmp_path) == before
    assert not [one for one in tmp_path.iterdir() if one.name.endswith(".part")]


def test_a_model_and_its_data_are_replaced_together_or_not_at_all(session, tmp_path, monkeypatch):
    write_onnx(session, preset("w8a8"), tmp_path / "out.onnx")
    before, rename = contents(tmp_path), Path.replace

    def fails(self, target):
        if self.name == "out.onnx" and ".part" in self.parent.name:
            raise OSError(errno.EACCES, "Permission denied")
        return rename(self, target)

    monkeypatch.setattr(Path, "replace", fails)
    with pytest.raises(FileError, match="Permission denied"):
        write_onnx(session, preset("w8a8-pc"), tmp_path / "out.onnx")
    assert contents(tmp_path) == before


def test_a_folder_that_is_not_there_is_said(session, tmp_path):
    with pytest.raises(FileError, match="Cannot write the model"):
        write_onnx(session, preset("w8a8"), tmp_path / "nowhere" / "out.onnx")


@pytest.mark.parametrize("name", ["in.onnx", "data.bin"])
def test_the_source_is_never_written_over(session, tmp_path, name):
    before = contents(tmp_path)
    with pytest.raises(FileError, match="overwrite the model it is made from"):
        write_onnx(session, preset("w8a8"), tmp_path / "from" / name)
    (tmp_path / "link.onnx").symlink_to(tmp_path / "from" / name)
    with pytest.raises(FileError, match="overwrite the model it is made from"):
        write_onnx(session, preset("w8a8"), tmp_path / "link.onnx")
    (tmp_path / "link.onnx").unlink()
    assert contents(tmp_path) == before


def test_the_source_is_as_it_was(session, tmp_path):
    before = contents(tmp_path / "from")
    write_onnx(session, preset("w8a8-pc-all"), tmp_path / "out.onnx")
    assert contents(tmp_path / "from") == before


def test_a_cancelled_export_leaves_nothing(session, tmp_path):
    work = Work()
    work.cancel()
    with pytest.raises(Cancelled):
        write_onnx(session, preset("w8a8"), tmp_path / "out.onnx", work=work)
    assert not (tmp_path / "out.onnx").exists()


def test_tensors_too_large_for_a_protobuf_lie_beside_the_model(tmp_path, monkeypatch):
    from qdebug.export.onnx import save

    onnx.save(mlp(), tmp_path / "in.onnx")
    session = qdebug.open(tmp_path / "in.onnx", data=inputs_of("mlp"))
    monkeypatch.setattr(save, "LARGEST", 1000)
    monkeypatch.setattr(save, "_OUTSIDE", 64)
    done = write_onnx(session, preset("w8a8"), tmp_path / "out.onnx")
    assert (tmp_path / "out.onnx.data").stat().st_size > 900
    assert done.bytes == sum((tmp_path / name).stat().st_size for name in ("out.onnx", "out.onnx.data"))
    assert_agree(
        by_runtime(tmp_path / "out.onnx", inputs_of("mlp"))[0], simulated(session, preset("w8a8"))["scores"].numpy()
    )


def test_the_same_export_gives_the_same_bytes(session, tmp_path):
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        write_onnx(session, preset("w4g8a8"), tmp_path / name / "out.onnx")
    assert contents(tmp_path / "one") == contents(tmp_path / "two")
