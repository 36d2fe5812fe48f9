"""Sessions of the hand-made networks, opened once."""

import onnx
import pytest

import qdebug
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
