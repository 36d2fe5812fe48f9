"""What the web process imports brings no torch, and neither does the package; the command line answers quickly."""

import subprocess
import sys

import pytest

FREE = [
    "qdebug", "qdebug.errors", "qdebug.formats", "qdebug.recipes", "qdebug.results", "qdebug.targets", "qdebug.figures",
    "qdebug.jobs", "qdebug.jobs.client", "qdebug.jobs.verbs", "qdebug.jobs.worker", "qdebug.web", "qdebug.cli",
]  # fmt: skip
HEAVY = ("torch", "onnx", "numba", "scipy")


def heavy_after(code: str) -> set[str]:
    """Which of the heavy packages a fresh interpreter has loaded after running the code."""
    script = f"{code}\nimport sys; print('LOADED', *(name for name in {HEAVY} if name in sys.modules))"
    ran = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=120, check=False)
    assert ran.returncode == 0, ran.stderr
    return set(ran.stdout.splitlines()[-1].split()[1:])


@pytest.mark.parametrize("module", FREE)
def test_importing_it_brings_nothing_heavy(module):
    assert heavy_after(f"import {module}") == set()


def test_every_module_of_the_web_room():
    code = (
        "import pkgutil, importlib, qdebug.web\n"
        "for module in pkgutil.walk_packages(qdebug.web.__path__, 'qdebug.web.'): importlib.import_module(module.name)"
    )
    assert heavy_after(code) == set()


def test_a_client_and_the_sample_cards_question():
    assert heavy_after("from qdebug.jobs import Samples, connect; Samples()") == set()


@pytest.mark.parametrize(
    "arguments", [["--help"], ["evaluate", "--help"], ["--version"], ["evalaute"], ["app", "nowhere"]]
)
def test_the_command_line_answers_without_torch(arguments):
    code = f"from qdebug.cli import main\ntry: main({arguments})\nexcept SystemExit: pass"
    assert heavy_after(code) == set()


def test_opening_brings_torch():
    """The test above can fail: the same look finds torch where it is."""
    assert "torch" in heavy_after("import qdebug; qdebug.open")
