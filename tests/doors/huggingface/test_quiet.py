"""What the library warns of while it is imported is not for who opens a folder."""

import json
import subprocess
import sys

import pytest

from tests.doors.huggingface import zoo

pytest.importorskip("transformers")
pytest.importorskip("torchao")


def test_the_command_line_says_only_what_it_does_itself(tmp_path):
    zoo.save("gpt2", tmp_path / "folder")
    ran = subprocess.run(
        [sys.executable, "-m", "qdebug.cli", "inspect", "folder", "--json"],
        cwd=tmp_path, capture_output=True, text=True, timeout=240, check=False,
    )  # fmt: skip
    assert ran.returncode == 0, ran.stderr
    assert json.loads(ran.stdout)["model"] == "folder"
    assert [line for line in ran.stderr.splitlines() if not line.startswith("qdebug: ")] == []
