"""What is C++ in the onnx package meets a stranger's model in a process of its own, and its end is one clear error."""

from __future__ import annotations

import sys
import time
from pathlib import Path

import onnx
import pytest

from qdebug.doors import native
from qdebug.doors.confined import check_confined, convert_confined, process, read
from qdebug.errors import Cancelled, FileError, ModelError
from tests.doors.test_confined import NAUGHTY, SMALL, convolution
from tests.onnx_files import write_network

linux = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the wall is one of Linux")


@pytest.fixture(autouse=True)
def nothing_is_left(tmp_path, monkeypatch):
    """Folders of children are gone afterwards."""
    (tmp_path / "temporary").mkdir()
    monkeypatch.setattr(process.tempfile, "tempdir", str(tmp_path / "temporary"))
    yield
    assert list((tmp_path / "temporary").iterdir()) == []


def test_a_conversion_is_the_one_that_would_be_made_here(tmp_path):
    proto = onnx.load(write_network(tmp_path / "net.onnx"))
    converted, here = convert_confined(proto, 21, "net.onnx"), native.convert(proto, 21)
    assert [one.version for one in converted.opset_import] == [21]
    assert [(node.op_type, node.input, node.output, node.attribute) for node in converted.graph.node] == [
        (node.op_type, node.input, node.output, node.attribute) for node in here.graph.node
    ]
    assert list(converted.graph.initializer) == list(here.graph.initializer)
    assert list(converted.graph.input) == list(here.graph.input)
    assert list(converted.graph.output) == list(here.graph.output)


def test_a_conversion_that_onnx_refuses_is_told_like_here(tmp_path):
    proto = onnx.load(write_network(tmp_path / "net.onnx"))
    proto.graph.node[1].op_type = "Odd"
    with pytest.raises(ModelError, match="The file is of opset 17, this needs 21, and onnx cannot convert it: .*Op"):
        convert_confined(proto, 21, "odd.onnx")


def test_the_checker_accepts_and_refuses_as_here(tmp_path):
    check_confined(write_network(tmp_path / "net.onnx", external=True))
    proto = onnx.load(tmp_path / "net.onnx")
    proto.graph.node[0].op_type = "Relu"
    onnx.save(proto, tmp_path / "odd.onnx")
    with pytest.raises(ModelError, match="onnx.checker refuses the written model: .*Relu"):
        check_confined(tmp_path / "odd.onnx")


@linux
@pytest.mark.parametrize(("what", "said"), [
    ("die", r"The file ended the process that was checking it \(SIGABRT\) \(file die.onnx\)"),
    ("allocate", r"Checking it takes more memory than a file of its size should"),
])  # fmt: skip
def test_a_checker_that_ends_badly_is_one_clear_error(tmp_path, monkeypatch, what, said):
    monkeypatch.setattr(read, "model_limits", lambda size: SMALL)
    with pytest.raises(FileError, match=said):
        check_confined(convolution(tmp_path, f"{what}.onnx"), command=NAUGHTY)


@linux
@pytest.mark.parametrize(("what", "said"), [
    ("die", r"The file ended the process that was converting it \(SIGABRT\) \(file die.onnx\)"),
    ("nothing", "could not be read safely"), ("shape", "could not be read safely"),
])  # fmt: skip
def test_a_converter_that_ends_badly_is_one_clear_error(tmp_path, what, said):
    proto = onnx.load(convolution(tmp_path))
    with pytest.raises(FileError, match=said):
        convert_confined(proto, 21, f"{what}.onnx", command=NAUGHTY)


def test_a_cancel_ends_a_conversion(tmp_path):
    start = time.monotonic()

    def check():
        if time.monotonic() > start + 1:
            raise Cancelled

    with pytest.raises(Cancelled):
        convert_confined(onnx.load(convolution(tmp_path)), 21, "sleep.onnx", check, NAUGHTY)
    assert time.monotonic() < start + 30


def test_the_checker_brings_no_torch():
    """It is asked at every export of an upload, and torch takes seconds."""
    import subprocess

    code = "import sys, qdebug.doors.confined.child, qdebug.doors.native; print('torch' in sys.modules)"
    root = Path(__file__).parents[2]
    told = subprocess.run([sys.executable, "-c", code], cwd=root, capture_output=True, text=True, check=True)
    assert told.stdout.strip() == "False"
