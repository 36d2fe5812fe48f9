"""Where somebody stands when they start the app is no place that modules are imported from."""

from __future__ import annotations

import subprocess
import sys

import pytest

from qdebug.cli.app import command
from qdebug.places import app_script


@pytest.mark.parametrize("name", ["streamlit", "numpy", "plotly", "torch"])
def test_a_module_that_lies_there_is_not_imported(name, tmp_path):
    (tmp_path / f"{name}.py").write_text("import os; os.mkdir('mark')\n")
    words = command(app_script(), "127.0.0.1", 8501)
    look = [*words[: words.index("qdebug.web.serve")], "qdebug.web.serve", "--version"]
    subprocess.run(look, cwd=tmp_path, capture_output=True, timeout=120, check=True)
    assert not (tmp_path / "mark").exists()
    subprocess.run(
        [sys.executable, "-c", f"import {name}"], cwd=tmp_path, capture_output=True, timeout=120, check=False
    )
    assert (tmp_path / "mark").exists(), "nothing would have been imported anyway"
