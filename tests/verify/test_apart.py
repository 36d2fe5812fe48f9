"""A stranger's model runs in a process with walls; whatever it does there, the one who asks gets one clear error."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from qdebug.doors.confined.limits import Limits
from qdebug.errors import Cancelled, ModelError
from qdebug.verify import onnx_runtime, openvino
from qdebug.verify.apart import Apart, process, proxies
from tests.onnx_files import write_network

NAUGHTY = (sys.executable, "-P", str(Path(__file__).with_name("naughty_runtime.py")))
SMALL = Limits(memory=512 * 2**20, cpu=60, wall=60, result=2**20)
linux = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the wall is one of Linux")


def never():
    """Nobody asks for a stop."""


@pytest.fixture
def naughty(tmp_path, monkeypatch):
    """Opens a model in a child that does what the model is called; no folder and no process is left behind."""
    monkeypatch.setattr(process.tempfile, "tempdir", str(tmp_path))
    started = []
    monkeypatch.setattr(process.subprocess, "Popen", lambda *a, **k: started.append(Popen(*a, **k)) or started[-1])
    (tmp_path / "in").mkdir()

    def opens(what, limits=SMALL, check=never):
        monkeypatch.setattr(proxies, "runtime_limits", lambda size: limits)
        try:
            with Apart("net.onnx", check, NAUGHTY) as apart:
                return apart.onnx_runtime(tmp_path / "in" / f"{what}.onnx")
        finally:
            assert [one.returncode is not None for one in started] == [True]
            assert [one.name for one in tmp_path.iterdir()] == ["in"]

    return opens


Popen = subprocess.Popen


@pytest.fixture(scope="module")
def network(tmp_path_factory):
    return write_network(tmp_path_factory.mktemp("net") / "net.onnx")


@pytest.fixture(scope="module")
def feeds():
    return {"x": np.random.default_rng(0).standard_normal((4, 3, 8, 8)).astype(np.float32)}


@pytest.fixture(scope="module")
def apart():
    with Apart("net.onnx", never) as found:
        yield found


def test_onnx_runtime_there_gives_what_it_gives_here(apart, network, feeds):
    pytest.importorskip("onnxruntime")
    there, here = apart.onnx_runtime(network), onnx_runtime.Session(network)
    assert (there.nodes, there.operators, there.version) == (here.nodes, here.operators, here.version)
    assert isinstance(there.operators, Counter)
    assert np.array_equal(there.run(feeds)["y"], here.run(feeds)["y"])
    assert list(there.run(feeds, ["y"])) == ["y"]
    assert 0 < there.timed(feeds) < 10


def test_openvino_there_gives_what_it_gives_here(apart, network, feeds):
    pytest.importorskip("openvino")
    there, here = apart.openvino(network, "y"), openvino.Model(network, "y")
    assert (there.kernels, there.by_node, there.version) == (here.kernels, here.by_node, here.version)
    assert np.array_equal(there.run(feeds), here.run(feeds))


def test_a_model_in_memory_and_several_threads(apart, network, feeds):
    pytest.importorskip("onnxruntime")
    there = apart.onnx_runtime(onnx.load(network), threads=4)
    expected = onnx_runtime.Session(network).run(feeds)["y"]
    np.testing.assert_allclose(there.run(feeds)["y"], expected, rtol=1e-5)


def test_a_profile_names_the_nodes(apart, network, feeds, tmp_path):
    pytest.importorskip("onnxruntime")
    there = apart.onnx_runtime(network, profile=tmp_path / "profile")
    there.run(feeds)
    events = there.end_profile()
    assert {"Conv", "Gemm"} <= {event.op.removeprefix("Fused") for event in events}
    assert all(event.seconds >= 0 for event in events)


@pytest.mark.parametrize("elem", ["FLOAT", "DOUBLE", "FLOAT16", "INT8", "UINT8", "INT32", "INT64", "BOOL"])
def test_arrays_of_every_type_and_shape_come_through(apart, elem, tmp_path):
    pytest.importorskip("onnxruntime")
    number = getattr(TensorProto, elem)
    value = helper.make_tensor_value_info
    graph = helper.make_graph(
        [helper.make_node("Identity", [name], [f"{name}2"]) for name in "abc"], "g",
        [value("a", number, [2, 3]), value("b", number, []), value("c", number, [0, 2])],
        [value("a2", number, [2, 3]), value("b2", number, []), value("c2", number, [0, 2])],
    )  # fmt: skip
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), tmp_path / "m.onnx")
    kind = helper.tensor_dtype_to_np_dtype(number)
    given = {"a": np.arange(6).reshape(2, 3).T.copy().T % 2, "b": np.array(1), "c": np.zeros((0, 2))}
    given = {name: array.astype(kind) for name, array in given.items()}
    found = apart.onnx_runtime(tmp_path / "m.onnx").run(given)
    for name, array in given.items():
        assert found[f"{name}2"].dtype == kind
        assert np.array_equal(found[f"{name}2"], array)


def test_a_model_that_the_runtime_refuses_is_told_like_here(apart, tmp_path):
    pytest.importorskip("onnxruntime")
    path = write_network(tmp_path / "odd.onnx", odd=True)
    with pytest.raises(ModelError, match="ONNX Runtime refuses the model: .*Frobnicate"):
        apart.onnx_runtime(path)


def test_a_batch_that_the_runtime_refuses_leaves_the_model_usable(apart, network, feeds):
    pytest.importorskip("onnxruntime")
    there = apart.onnx_runtime(network)
    with pytest.raises(ModelError, match="ONNX Runtime cannot run the model"):
        there.run({"x": feeds["x"][:, :2].copy()})
    assert there.run(feeds)["y"].shape == (4, 10)


def test_a_child_that_aborts_is_one_clear_error(naughty):
    with pytest.raises(
        ModelError, match=r"ended the process that ran it in ONNX Runtime \(SIGABRT\) \(file net.onnx\)"
    ):
        naughty("die")


def test_a_child_that_leaves_is_one_clear_error(naughty):
    with pytest.raises(ModelError, match=r"ended the process that ran it in ONNX Runtime \(status 7\)"):
        naughty("leave")


def test_a_child_that_hangs_is_ended(naughty):
    with pytest.raises(ModelError, match="ONNX Runtime gives no answer for 5 s"):
        naughty("sleep", Limits(memory=SMALL.memory, cpu=60, wall=5, result=2**20))


def test_a_cancel_ends_the_child_at_once(naughty):
    start = time.monotonic()

    def check():
        if time.monotonic() > start + 3:
            raise Cancelled

    with pytest.raises(Cancelled):
        naughty("sleep", check=check)
    assert time.monotonic() < start + 10


@linux
@pytest.mark.parametrize("what", ["allocate", "crowd"])
def test_memory_has_a_limit(naughty, what):
    with pytest.raises(ModelError, match="ONNX Runtime needs more than 512 MiB of memory"):
        naughty(what)


@linux
@pytest.mark.parametrize("what", ["fork", "spawn", "execute", "connect"])
def test_no_process_no_program_and_no_socket(naughty, what):
    with pytest.raises(ModelError, match=r"refused with 1\b"):
        naughty(what)


def test_threads_may_be_started(naughty):
    with pytest.raises(ModelError, match=r"ran \[True\]"):
        naughty("thread")


def test_a_refusal_is_printable(naughty):
    with pytest.raises(ModelError) as caught:
        naughty("refuse")
    assert str(caught.value) == "It does not suit ⟨U+001B⟩[31m me. Give another."


def test_what_a_runtime_prints_is_no_answer(naughty):
    assert naughty("shout").nodes == (("a", "Conv"),)


@linux
@pytest.mark.parametrize("what", ["other", "code", "endless", "garbage", "huge"])
def test_an_answer_that_is_none_is_one_clear_error(naughty, what):
    with pytest.raises(ModelError, match="What ONNX Runtime handed back could not be read safely"):
        naughty(what)


@linux
def test_the_child_ends_with_its_parent(tmp_path):
    (tmp_path / "sleep.onnx").touch()
    script = (
        "import sys; from pathlib import Path; from qdebug.verify.apart import Apart\n"
        f"Apart('n', lambda: None, {NAUGHTY!r}).onnx_runtime(Path({str(tmp_path / 'sleep.onnx')!r}))"
    )
    environment = {**os.environ, "TMPDIR": str(tmp_path)}
    parent = Popen([sys.executable, "-c", script], env=environment, stderr=subprocess.DEVNULL)
    child, end = None, time.monotonic() + 60
    while child is None and time.monotonic() < end:
        found = Path(f"/proc/{parent.pid}/task/{parent.pid}/children").read_text().split()
        child = next((one for one in found if "naughty" in Path(f"/proc/{one}/cmdline").read_text()), None)
        time.sleep(0.05)
    time.sleep(2)  # until it sleeps behind its walls
    parent.kill()
    parent.wait()
    while Path(f"/proc/{child}").exists() and _state(child) != "Z" and time.monotonic() < end:
        time.sleep(0.05)
    assert child is not None
    assert not Path(f"/proc/{child}").exists() or _state(child) == "Z"


def _state(child):
    try:
        return Path(f"/proc/{child}/stat").read_text().rsplit(") ", 1)[1][0]
    except OSError:
        return "Z"
