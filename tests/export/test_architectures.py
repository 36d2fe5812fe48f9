"""Networks of the zoo as exporters write them, with recipes in them, compute what their sessions do."""

import onnx
import pytest

import qdebug
from qdebug.engine import Work
from qdebug.export import write_onnx
from qdebug.recipes import preset
from tests.doors import architectures
from tests.export.running import by_door, by_runtime, sqnr


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("zoo")


@pytest.mark.parametrize("short", ["w8a8-pc-all", "w4g16a8"])
@pytest.mark.parametrize("name", ["mobilenet-v3-traced", "convnext-traced", "unet-traced", "vit-traced", "bert"])
def test_networks_compute_what_their_sessions_do(folder, tmp_path, name, short):
    network = architectures.exported(folder, name, 18 if name == "bert" else 17)
    session = qdebug.open(network.path, data=network.inputs)
    recipe = preset(short)
    done = write_onnx(session, recipe, tmp_path / "out.onnx")
    assert not any("stay in float" in sentence for sentence in done.unsaid)
    subject = session.subject
    batch = subject.eval_batches[0]
    want = subject.engine.output(session._preparer.sheet(recipe, Work()), batch).numpy()
    inputs = {key: tensor.numpy() for key, tensor in batch.inputs.items()}
    output = onnx.load(tmp_path / "out.onnx").graph.output[0].name
    plain = subject.engine.output(session._preparer.float_sheet, batch).numpy()
    for found in (by_door(tmp_path / "out.onnx", inputs)[output].numpy(), by_runtime(tmp_path / "out.onnx", inputs)[0]):
        # a value half-way between codes may go either way, where sums are in another order; one that is lost costs more
        assert sqnr(found, want) > max(40, sqnr(plain, want) + 10)
