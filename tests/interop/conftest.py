"""Each deployment tool in an environment of its own, reached through a script that knows no qdebug."""

import json
import os
import subprocess
from pathlib import Path

import pytest

import qdebug
from tests.export.nets import write_data, write_onnx
from tests.networks import Residual, data_for, seeded

ROOT = Path(__file__).parents[2]
TOOLS = Path(__file__).parent / "tools"


def pytest_collection_modifyitems(items):
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.interop)
            item.add_marker(pytest.mark.timeout(600))


@pytest.fixture(scope="session")
def run_tool():
    """A function that runs ``tools/<name>_tool.py`` in its tool's environment and returns what it tells."""
    asked = os.environ.get("QDEBUG_INTEROP", "").split()

    def run(tool, *arguments):
        python = ROOT / ".venv-interop" / tool / "bin" / "python"
        if not python.exists():
            reason = f"{tool} is not installed: make test-interop TOOLS={tool}"
            pytest.fail(reason) if tool in asked else pytest.skip(reason)
        script = TOOLS / f"{tool.replace('-', '_')}_tool.py"
        done = subprocess.run(
            [str(python), str(script), *(str(one) for one in arguments)],
            capture_output=True, text=True, check=False, cwd=ROOT, timeout=540,
            env=os.environ | {"PYTHONPATH": str(ROOT), "CUDA_VISIBLE_DEVICES": "", "OMP_NUM_THREADS": "1"},
        )  # fmt: skip
        assert done.returncode == 0, done.stderr[-4000:]
        return json.loads(done.stdout.strip().splitlines()[-1])

    return run


@pytest.fixture(scope="session")
def network(tmp_path_factory):
    """An ONNX network: its path, its data's path, and the session that opened it."""
    folder = tmp_path_factory.mktemp("network")
    model, data = folder / "net.onnx", folder / "net.npz"
    write_onnx(model)
    write_data(data)
    return model, data, qdebug.open(str(model), data=str(data))


@pytest.fixture(scope="session")
def residual():
    """A session on the PyTorch network of ``tests.networks``, which tools can build for themselves."""
    return qdebug.open(seeded(Residual), data=data_for(Residual))
