"""An upload is exported and verified as the same file by its path is, and this process neither opens it nor runs it."""

from __future__ import annotations

import sys
import time

import msgspec
import numpy as np
import onnx
import pytest

from qdebug.engine import Work
from qdebug.errors import Cancelled, FileError
from qdebug.export import write_onnx
from qdebug.recipes import preset
from qdebug.session import open as open_model
from qdebug.verify import integer_metric, measure_latency, verify
from tests.doors.test_quantized_files import quantized, residual
from tests.export.networks import NETWORKS, inputs_of

pytest.importorskip("onnxruntime")
pytestmark = pytest.mark.filterwarnings("ignore")

_watched: dict[str, list[str]] = {}


def _look(event, arguments):
    if event == "open" and _watched:
        for path, seen in _watched.items():
            if str(arguments[0]) == path:
                seen.append(event)


sys.addaudithook(_look)


@pytest.fixture
def apart(monkeypatch):
    """Of the upload whose path it is called with, nothing is opened here, and nothing native meets any model here."""

    def refuses(*_, **__):
        raise AssertionError("this runs in the process that serves everybody")

    def watch(path):
        import onnxruntime

        _watched[str(path)] = []
        monkeypatch.setattr(onnx.checker, "check_model", refuses)
        monkeypatch.setattr(onnx.version_converter, "convert_version", refuses)
        monkeypatch.setattr(onnx.shape_inference, "infer_shapes", refuses)
        monkeypatch.setattr(onnxruntime, "InferenceSession", refuses)
        if "openvino" in sys.modules:
            monkeypatch.setattr(sys.modules["openvino"], "Core", refuses)
        return _watched[str(path)]

    yield watch
    _watched.clear()


@pytest.fixture(scope="module")
def both(tmp_path_factory):
    """``both(name)``: a network's session by its path, the same as an upload, and the upload's path."""
    known = {}

    def opened(name):
        if name not in known:
            folder = tmp_path_factory.mktemp(name)
            (folder / "up").mkdir()
            if name == "quantized":
                residual(folder / "float.onnx")
                data = {"x": np.random.default_rng(2).standard_normal((6, 3, 8, 8)).astype(np.float32)}
                model = onnx.load(quantized(folder / "float.onnx", folder / "q.onnx", "qdq", True, data["x"]))
            else:
                model, data = NETWORKS[name](), inputs_of(name)
            own, up = folder / "net.onnx", folder / "up" / "net.onnx"
            onnx.save(model, own)
            onnx.save(model, up)
            known[name] = open_model(own, data), open_model(up, data, untrusted=lambda path: True), up
        return known[name]

    return opened


def plain(path):
    """A file without what an upload does not keep: doc strings, types of inner values, names of attributes' tensors.

    Who made it is one text then.
    """
    proto = onnx.load(path)
    proto.producer_name = f"{proto.producer_name} {proto.producer_version}".strip()
    proto.ClearField("producer_version")
    del proto.graph.value_info[:]
    for one in (proto, proto.graph, *proto.graph.node):
        one.ClearField("doc_string")
    for node in proto.graph.node:
        node.name = node.name or node.output[0]
        for attribute in node.attribute:
            attribute.t.ClearField("name")
    return proto


@pytest.mark.parametrize(("name", "recipe"), [
    ("mlp", "w4g16a8"), ("residual", "w8a8-pc-all"), ("attention", "w8a8-pc-all"), ("transposing", "w8a8"),
    ("quantized", "w8a8-pc"),
])  # fmt: skip
def test_the_exported_file_is_the_one_that_is_exported_by_path(both, apart, tmp_path, name, recipe):
    own, uploaded, path = both(name)
    expected = write_onnx(own, recipe, tmp_path / "own.onnx")
    seen = apart(path)
    done = write_onnx(uploaded, recipe, tmp_path / "up.onnx")
    assert plain(tmp_path / "up.onnx") == plain(tmp_path / "own.onnx")
    for field in ("opset", "added", "gone", "renamed", "unsaid"):
        assert getattr(done, field) == getattr(expected, field)
    assert seen == []


def numbers(found):
    """What is to be the same whoever runs the file."""
    return msgspec.structs.replace(found, seconds=0.0, bytes=0, model="")


@pytest.mark.parametrize("runtime", ["onnxruntime", "openvino"])
def test_what_is_verified_is_the_same(both, apart, runtime):
    pytest.importorskip(runtime)
    own, uploaded, path = both("residual")
    expected = verify(own, "w8a8-pc-all", runtime=runtime)
    seen = apart(path)
    assert numbers(verify(uploaded, "w8a8-pc-all", runtime=runtime)) == numbers(expected)
    assert seen == []


def test_the_recipe_in_a_quantized_upload_is_verified_on_a_file_written_anew(both, apart):
    own, uploaded, path = both("quantized")
    recipe = own.own_recipe()
    assert recipe is not None
    expected = verify(own, recipe), integer_metric(own, recipe)
    seen = apart(path)
    found = verify(uploaded, uploaded.own_recipe()), integer_metric(uploaded, uploaded.own_recipe())
    assert numbers(found[0]) == numbers(expected[0])
    assert expected[0].elements > 0
    assert found[1] == expected[1]
    assert seen == []


def test_an_upload_is_timed_apart(both, apart):
    own, uploaded, path = both("residual")
    names = {row.name for row in measure_latency(own, "w8a8-pc-all").layers}
    seen = apart(path)
    found = measure_latency(uploaded, "w8a8-pc-all")
    assert {row.name for row in found.layers} == names
    assert found.float_.median > 0 and found.ratio > 0
    assert seen == []


def test_the_watch_sees_who_opens_a_file(both):
    """The tests above would say nothing if it did not."""
    _, _, path = both("mlp")
    _watched[str(path)] = []
    onnx.load(path)
    assert _watched.pop(str(path)) == ["open"]


def test_an_upload_that_has_changed_is_refused(tmp_path):
    (tmp_path / "up").mkdir()
    path, data = tmp_path / "up" / "net.onnx", inputs_of("mlp")
    onnx.save(NETWORKS["mlp"](), path)
    uploaded = open_model(path, data, untrusted=lambda _: True)
    proto = onnx.load(path)
    proto.graph.initializer[0].raw_data = bytes(len(proto.graph.initializer[0].raw_data))
    onnx.save(proto, path)
    with pytest.raises(FileError, match="has changed since it was opened"):
        write_onnx(uploaded, "w8a8", tmp_path / "out.onnx")
    assert [one.name for one in tmp_path.iterdir()] == ["up"]


def test_an_upload_is_not_overwritten(both):
    _, uploaded, path = both("mlp")
    before = path.read_bytes()
    with pytest.raises(FileError, match="overwrite"):
        write_onnx(uploaded, "w8a8", path)
    assert path.read_bytes() == before


def test_a_cancel_ends_what_runs_for_an_upload(both, tmp_path):
    _, uploaded, _ = both("mlp")
    uploaded.decided(preset("w8a8"))
    start = time.monotonic()

    class Impatient(Work):
        def check(self):
            if time.monotonic() > start + 0.5:
                raise Cancelled

    with pytest.raises(Cancelled):
        write_onnx(uploaded, "w8a8", tmp_path / "out.onnx", work=Impatient())
    assert list(tmp_path.iterdir()) == []
    assert time.monotonic() < start + 20
