"""An uploaded file is read in a process of its own, behind walls that hold, and its results are taken on no trust."""

from __future__ import annotations

import os
import shutil
import sys
import time
from pathlib import Path

import ml_dtypes
import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto, helper, numpy_helper

from qdebug.doors.confined import process, read, read_confined, read_confined_npz
from qdebug.doors.confined.limits import Limits, model_limits
from qdebug.doors.onnx import read_onnx
from qdebug.doors.onnx.elements import ELEMENTS
from qdebug.errors import Cancelled, DataError, FileError, ModelError
from tests.doors import naughty_child

NAUGHTY = (sys.executable, "-P", str(Path(__file__).with_name("naughty_child.py")))
SMALL = Limits(memory=256 * 2**20, cpu=30, wall=60, result=2**20)
HASTY = Limits(memory=256 * 2**20, cpu=1, wall=60, result=2**20)  # of little use but to what loops: starting takes some
linux = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the wall is one of Linux")


def convolution(folder, name="net.onnx", extra=()):
    weights = [
        numpy_helper.from_array(np.arange(216, dtype=np.float32).reshape(8, 3, 3, 3), "conv.weight"),
        numpy_helper.from_array(np.zeros(8, np.float32), "conv.bias"),
    ]
    graph = helper.make_graph(
        [helper.make_node("Conv", ["x", "conv.weight", "conv.bias"], ["y"])], "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["N", 3, 8, 8])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["N", 8, 6, 6])], [*weights, *extra],
    )  # fmt: skip
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10)
    onnx.save(model, folder / name)
    return folder / name


def alike(path):
    """What the confined reader and the plain one read must be the same."""
    confined, plain = read_confined(path), read_onnx(path)
    assert confined.model == plain.model
    assert confined.tensors.keys() == plain.tensors.keys()
    for key, tensor in plain.tensors.items():
        assert confined.tensors[key].dtype == tensor.dtype
        assert confined.tensors[key].shape == tensor.shape
        raw = [one.contiguous().reshape(-1).view(torch.uint8) for one in (confined.tensors[key], tensor)]
        assert torch.equal(*raw)
    return confined


@pytest.fixture
def naughty(tmp_path, monkeypatch):
    """Reads a model in a child that does what it is called after, under small limits; nothing is left behind."""
    monkeypatch.setattr(process.tempfile, "tempdir", str(tmp_path))

    def reads(what, reader=read_confined, limits=SMALL, **more):
        monkeypatch.setattr(read, "model_limits", lambda size: limits)
        monkeypatch.setattr(read, "data_limits", lambda size: limits)
        folder = tmp_path / "in"
        folder.mkdir()
        source = convolution(folder, f"{what}.onnx")
        try:
            return reader(source, command=NAUGHTY, **more)
        finally:
            shutil.rmtree(folder)
            assert list(tmp_path.iterdir()) == []

    return reads


def test_a_model_of_every_element_type_is_what_the_plain_reader_reads(tmp_path):
    extra = []
    for number, element in ELEMENTS.items():
        size = -(-6 * element.bits // 8)
        if element.name.startswith(("float6", "uint2", "int2")) and not hasattr(TensorProto, element.name.upper()):
            continue
        extra.append(
            TensorProto(name=f"t{number}", data_type=number, dims=[2, 3], raw_data=bytes(at % 2 for at in range(size)))
        )
    extra += [
        TensorProto(name="empty", data_type=1, dims=[0, 3], raw_data=b""),
        TensorProto(name="scalar", data_type=18, dims=[], raw_data=b"\x40"),
    ]
    found = alike(convolution(tmp_path, extra=extra))
    assert found.tensors["t18"].dtype == torch.float8_e4m3fnuz
    assert ml_dtypes.float8_e4m3fnuz(1).tobytes() == b"\x40"
    assert found.tensors["scalar"].float() == 1.0


def test_external_data_attributes_and_bodies_come_back(tmp_path):
    weight = numpy_helper.from_array(np.random.default_rng(0).standard_normal((64, 64)).astype(np.float32), "w")
    inside = helper.make_graph(
        [helper.make_node("Constant", [], ["c"], value=numpy_helper.from_array(np.ones(64, np.float32)))], "b", [],
        [helper.make_tensor_value_info("c", TensorProto.FLOAT, [64])],
    )  # fmt: skip
    nodes = [
        helper.make_node("MatMul", ["x", "w"], ["m"]),
        helper.make_node("Constant", [], ["odd"], value_floats=[1.5, float("inf"), float("-inf")]),
        helper.make_node("If", ["which"], ["y"], then_branch=inside, else_branch=inside),
    ]
    graph = helper.make_graph(
        nodes, "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [None, 64]),
         helper.make_tensor_value_info("which", TensorProto.BOOL, [])],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in ("m", "odd", "y")], [weight],
    )  # fmt: skip
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10)
    onnx.save(model, tmp_path / "net.onnx", save_as_external_data=True, location="net.bin", size_threshold=0)
    assert (tmp_path / "net.bin").stat().st_size >= 64 * 64 * 4
    found = alike(tmp_path / "net.onnx")
    assert set(found.model.graph.nodes[2].attributes) == {"then_branch", "else_branch"}


def test_data_come_back_as_they_were(tmp_path):
    given = {
        "x": np.random.default_rng(0).standard_normal((5, 3)).astype(">f4"), "half": np.ones((2, 2), np.float16),
        "mask": np.array([True, False]), "labels": np.arange(5), "group": np.array(["a", "längst", "", "b", "c"]),
        "none": np.zeros((0, 4), np.float64), "one": np.array(3), "bytes": np.arange(6, dtype=np.uint8)[::2],
    }  # fmt: skip
    np.savez(tmp_path / "d.npz", **given)
    found = read_confined_npz(tmp_path / "d.npz")
    assert found.keys() == given.keys()
    for name, array in given.items():
        assert found[name].shape == array.shape
        assert np.array_equal(found[name], array)
        assert found[name].dtype == array.dtype.newbyteorder("=")


def test_what_the_reader_says_of_a_bad_file_arrives_with_the_file_s_name_alone(tmp_path):
    (tmp_path / "net.onnx").write_bytes(b"\x00 no model")
    with pytest.raises(FileError, match="no ONNX model") as caught:
        read_confined(tmp_path / "net.onnx")
    assert caught.value.where["file"] == "net.onnx"
    assert str(tmp_path) not in str(caught.value)
    (tmp_path / "d.npz").write_bytes(b"PK\x03\x04 nothing")
    with pytest.raises(FileError, match=r"no \.npz file"):
        read_confined_npz(tmp_path / "d.npz")
    np.savez(tmp_path / "o.npz", x=np.array([{}], dtype=object))
    with pytest.raises(DataError, match="Python objects"):
        read_confined_npz(tmp_path / "o.npz")
    with pytest.raises(FileError, match="no such file"):
        read_confined(tmp_path / "gone.onnx")


def test_data_that_unfold_too_far_are_refused(tmp_path, monkeypatch):
    np.savez_compressed(tmp_path / "bomb.npz", x=np.zeros(40 * 2**20, np.uint8))
    monkeypatch.setattr(read, "data_limits", lambda size: SMALL)
    with pytest.raises(FileError, match=r"unpack to 0.0 GiB|unfolds"):
        read_confined_npz(tmp_path / "bomb.npz")


@pytest.mark.parametrize(
    ("what", "said"),
    [
        ("allocate", "takes more memory"),
        ("loop", "more than 1 s of processor time"),
        ("write", "unfolds to more"),
        ("die", "ended the process that was reading it .SIGABRT"),
        ("invent", "could not be read safely"),
        ("shout", "could not be read safely"),
    ],
)
def test_the_walls_hold(naughty, what, said):
    with pytest.raises(FileError, match=said) as caught:
        naughty(what, limits=HASTY if what == "loop" else SMALL)
    assert caught.value.where == {"file": f"{what}.onnx"}
    assert caught.value.do


@pytest.mark.parametrize(
    "what",
    ["nothing", "link", "pipe", "shape", "kind", "field", "reads", "left_over", "not_json", "deep", "cut", "code"],
)
def test_results_that_are_not_as_declared_are_refused(naughty, what, monkeypatch):
    work = getattr(naughty_child, what)
    monkeypatch.setattr(process, "_watched", lambda task, *others: work(task) or 0)  # no walls, so that it is quick
    with pytest.raises(FileError, match="could not be read safely") as caught:
        naughty(what, read_confined_npz if what == "code" else read_confined)
    assert caught.value.where == {"file": f"{what}.onnx"}


@linux
@pytest.mark.parametrize("what", ["fork", "execute", "connect", "kill"])
def test_it_starts_no_process_makes_no_socket_and_ends_nobody(naughty, what, caplog):
    caplog.set_level("INFO")
    with pytest.raises(FileError, match="could not be read safely"):
        naughty(what)
    refused = {"fork": "refused with 1"}.get(what, "PermissionError: [Errno 1]")
    assert refused in caplog.text


def test_its_words_are_bounded_and_cannot_name_another_file(naughty):
    with pytest.raises(ModelError) as caught:
        naughty("say")
    assert len(caught.value.what) == process.LONGEST_TEXT
    assert caught.value.do == " [31m"
    assert caught.value.where == {"file": "say.onnx"}


def test_what_it_prints_is_logged_as_text_that_does_nothing(naughty, caplog):
    caplog.set_level("INFO")
    with pytest.raises(FileError):
        naughty("shout")
    assert "ValueError" in caplog.text
    assert "\x1b" not in caplog.text


def test_time_runs_out(naughty):
    with pytest.raises(FileError, match="longer than 1 s"):
        naughty("sleep", limits=Limits(memory=2**28, cpu=60, wall=1, result=2**20))


def test_a_stop_ends_it_at_once(naughty, monkeypatch):
    started = time.monotonic()
    children = []
    plain = process.subprocess.Popen
    monkeypatch.setattr(
        process.subprocess, "Popen", lambda *words, **more: children.append(plain(*words, **more)) or children[0]
    )

    def stop():
        if time.monotonic() > started + 0.5:
            raise Cancelled

    with pytest.raises(Cancelled):
        naughty("sleep", check=stop)
    assert time.monotonic() < started + 20
    with pytest.raises(ProcessLookupError):
        os.kill(children[0].pid, 0)


def test_limits_grow_with_the_file():
    small, large = model_limits(0), model_limits(500 * 2**20)
    assert small.memory >= 2**29
    assert large.memory >= 8 * 500 * 2**20
    assert large.cpu > small.cpu
    assert large.wall > large.cpu
