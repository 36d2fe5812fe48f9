"""Exported networks, one file each for all test processes of a run."""

import os

import pytest


@pytest.fixture(scope="session")
def exported(tmp_path_factory):
    """``exported(name, opset)``: a network of ``tests.doors.architectures`` as an ONNX file and what it must give."""
    from tests.doors import architectures

    base = tmp_path_factory.getbasetemp()
    # A process of pytest-xdist has a folder of its own within the folder of the run.
    folder = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "architectures"
    folder.mkdir(exist_ok=True)
    return lambda name, opset: architectures.exported(folder, name, opset)
