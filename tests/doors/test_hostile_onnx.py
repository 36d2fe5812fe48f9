"""Opening a hostile ONNX file ends in one clear error: nothing else is read, nothing written, nothing left hanging."""

from __future__ import annotations

import os
import sys
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from onnx import TensorProto, helper, numpy_helper

from qdebug.doors.onnx import from_proto, lower_onnx, read_onnx
from qdebug.errors import FileError, ModelError
from tests.doors import hostile_graphs, hostile_tensors  # noqa: F401 - they register their cases
from tests.doors.hostile_onnx import CASES, good, node, stored, value, written

pytestmark = pytest.mark.timeout(30)
_opened: list[tuple[str, object]] | None = None


def _audit(event: str, arguments: tuple) -> None:
    # What is already open, and wrapped in a file object, comes as a number.
    if _opened is not None and event == "open" and not isinstance(arguments[0], int):
        _opened.append((os.fsdecode(arguments[0]), arguments[2]))


sys.addaudithook(_audit)


@contextmanager
def opened():
    """The files that are opened meanwhile, as path and flags."""
    global _opened  # noqa: PLW0603 - an audit hook stays for good: it is switched
    _opened = found = []
    try:
        yield found
    finally:
        _opened = None


def listing(folder: Path) -> dict[str, tuple[int, int]]:
    return {
        str(path): (path.lstat().st_size, path.lstat().st_mtime_ns) for path in folder.rglob("*") if not path.is_dir()
    }


def is_pythons_own(path: str) -> bool:
    return path.endswith((".py", ".pyc")) and any(path.startswith(str(Path(one).resolve())) for one in sys.path if one)


def is_one_part(name: str, flags: int) -> bool:
    """Whether that can only be an entry of a folder that is open already (``qdebug.beneath``), and no link."""
    return bool(flags & os.O_NOFOLLOW) and os.sep not in name and name not in (".", "..")


@pytest.mark.parametrize("name", sorted(CASES))
def test_one_clear_error(name, tmp_path):
    folder = tmp_path / "model"
    folder.mkdir()
    path = CASES[name](folder)
    before = listing(tmp_path)
    with opened() as files, pytest.raises((FileError, ModelError)) as caught:
        lower_onnx(read_onnx(path))
    error = caught.value
    assert error.do and error.what and not error.what.endswith(".")
    assert {"file", "node", "layer", "input"} & error.where.keys(), "it does not say where"
    assert listing(tmp_path) == before, "something was written"
    for place, flags in files:
        assert not int(flags) & (os.O_WRONLY | os.O_RDWR), f"{place} was opened for writing"
        inside = Path(os.path.realpath(place)).is_relative_to(folder) or is_one_part(place, int(flags))
        assert inside or is_pythons_own(place), f"{place} was opened"


def test_the_good_model_that_the_cases_are_made_of_opens(tmp_path):
    with opened() as files:
        lowered = lower_onnx(read_onnx(written(tmp_path, good())))
    assert [step.name for step in lowered.program.steps] == ["x", "w", "h", "y"] and not lowered.unknown
    assert str(tmp_path / "model.onnx") in [place for place, _ in files], "the audit hook sees nothing"


def test_a_hard_link_is_read_only_where_the_file_is_ones_own(tmp_path, monkeypatch):
    path = CASES["external_offset_by_one"](tmp_path)
    (tmp_path / "data.bin").unlink()
    (tmp_path / "other").write_bytes(bytes(80))
    (tmp_path / "data.bin").hardlink_to(tmp_path / "other")
    assert read_onnx(path).tensors["w"].shape == (4, 4)
    monkeypatch.setattr(os, "getuid", lambda: (tmp_path / "other").stat().st_uid + 1)
    with pytest.raises(FileError, match="hard link to somebody else's"):
        read_onnx(path)


def test_a_loop_over_constants_is_not_run_when_a_file_is_opened():
    """It may be endless."""
    body = helper.make_graph(
        [node("Identity", ["go"], ["on"]), node("Add", ["v", "v"], ["u"])], "body",
        [value("i", (), TensorProto.INT64), value("go", (), TensorProto.BOOL), value("v")],
        [value("on", (), TensorProto.BOOL), value("u")],
    )  # fmt: skip
    tensors = [numpy_helper.from_array(np.array(True), "t"), numpy_helper.from_array(np.array(2**62), "m")]
    nodes = [node("Loop", ["m", "t", "w"], ["l"], "loop", body=body), node("Add", ["x", "l"], ["y"])]
    program = lower_onnx(from_proto(good(nodes, [*tensors, stored("w", 4)]))).program
    assert "loop" in {step.module for step in program.steps if step.kind == "op"}


@pytest.mark.parametrize("kind", [np.int8, np.int16, np.int32, np.int64])
def test_the_least_integer_divided_by_minus_one_wraps(kind):
    """Processors stop at such a division."""
    least = np.array([np.iinfo(kind).min, 7], kind)
    tensors = [numpy_helper.from_array(least, "a"), numpy_helper.from_array(np.array([-1], kind), "b")]
    nodes = [node("Div", ["a", "b"], ["c"]), node("Cast", ["c"], ["f"], to=1), node("Add", ["x", "f"], ["y"])]
    values = lower_onnx(from_proto(good(nodes, tensors))).program.state.values()
    assert [tensor.tolist() for tensor in values] == [[float(least[0]), -7.0]]


def test_there_are_many_cases():
    assert len(CASES) >= 200
