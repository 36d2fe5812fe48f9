"""Networks and samples, opened once."""

import onnx
import pytest

import qdebug
from tests.export.nets import write_data, write_onnx
from tests.export.networks import NETWORKS, inputs_of


@pytest.fixture(scope="session")
def opened(tmp_path_factory):
    """``opened(name)``: a network's file as a session, and its path."""
    folder, known = tmp_path_factory.mktemp("networks"), {}

    def open_one(name):
        if name not in known:
            file = folder / f"{name}.onnx"
            onnx.save(NETWORKS[name](), file)
            known[name] = qdebug.open(file, data=inputs_of(name)), file
        return known[name]

    return open_one


@pytest.fixture(scope="session")
def sessions(tmp_path_factory):
    """Sessions of the network that deployment tools are tried on, and of a sample."""
    folder = tmp_path_factory.mktemp("net")
    write_onnx(folder / "net.onnx")
    write_data(folder / "net.npz")
    return {
        "onnx": qdebug.open(str(folder / "net.onnx"), data=str(folder / "net.npz")),
        "sample": qdebug.open("digits-resnet"),
    }
