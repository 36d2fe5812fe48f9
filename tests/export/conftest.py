"""Opened models that exports are tried on."""

import pytest

import qdebug
from tests.export.nets import write_data, write_onnx


@pytest.fixture(scope="session")
def sessions(tmp_path_factory):
    folder = tmp_path_factory.mktemp("net")
    write_onnx(folder / "net.onnx")
    write_data(folder / "net.npz")
    return {
        "onnx": qdebug.open(str(folder / "net.onnx"), data=str(folder / "net.npz")),
        "sample": qdebug.open("digits-resnet"),
    }
