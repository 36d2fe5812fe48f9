"""What is installed with pip is all that ``qdebug app`` and the samples need."""

import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """A folder with the wheel's content, and nothing of the checkout."""
    folder = tmp_path_factory.mktemp("wheel")
    subprocess.run([sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)], cwd=ROOT, check=True)
    (wheel,) = folder.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder / "site")
    return folder / "site"


def run(installed, *words):
    environment = os.environ | {"PYTHONPATH": str(installed)}
    ran = subprocess.run(
        [sys.executable, "-P", *words],
        cwd=installed, env=environment, capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert ran.returncode == 0, ran.stderr
    return ran.stdout


def test_nothing_but_the_package_lands_in_site_packages(installed):
    assert [path.name for path in installed.iterdir() if path.suffix != ".dist-info"] == ["qdebug"]


def test_the_app_with_its_screens_and_settings(installed):
    script = Path(run(installed, "-c", "from qdebug.places import app_script; print(app_script())").strip())
    assert script == installed / "qdebug" / "_bundle" / "app.py"
    for name in ("app.py", "pages", ".streamlit/config.toml"):
        ours, theirs = ROOT / name, script.parent / name
        if ours.is_dir():
            assert {path.name for path in ours.glob("*.py")} == {path.name for path in theirs.glob("*.py")}
        else:
            assert ours.read_bytes() == theirs.read_bytes()


def test_every_file_of_the_web_room_that_is_no_code(installed):
    for asset in (ROOT / "qdebug" / "web" / "assets").iterdir():
        assert (installed / "qdebug" / "web" / "assets" / asset.name).read_bytes() == asset.read_bytes()


def test_the_samples(installed):
    cards = json.loads(run(installed, "-m", "qdebug.cli", "samples", "--json"))["samples"]
    assert "digits-mobilenet" in [card["name"] for card in cards]
    found = json.loads(run(installed, "-m", "qdebug.cli", "inspect", "digits-mobilenet", "--json"))
    assert found["source"] == "sample"
