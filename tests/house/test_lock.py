"""What the container installs: every package that qdebug needs, in the versions that are tested, each by its hash."""

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[2]
EXTRAS = ("datasets", "export", "gguf", "huggingface", "images", "runtimes")


def pins(path):
    """Versions by name, of lines ``name==version``; what stands behind a plus names a build of the same version."""
    found = re.findall(r"^([A-Za-z0-9._-]+)==([^\s+;\\]+)", path.read_text(), re.MULTILINE)
    return {canonicalize_name(name): version for name, version in found}


@pytest.fixture(scope="module")
def locked():
    return pins(ROOT / "requirements.lock")


def test_every_requirement_has_hashes():
    lines = (ROOT / "requirements.lock").read_text().replace("\\\n", " ").splitlines()
    lines = [line for line in lines if line and not line.startswith("#")]
    assert len(lines) > 50
    assert all(re.fullmatch(r"[\w.\-]+==\S+( +--hash=sha256:[0-9a-f]{64})+ *", line) for line in lines)


def test_all_that_qdebug_needs_is_in_it_as_it_is_wanted(locked):
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    for text in [
        *project["dependencies"],
        *(one for extra in EXTRAS for one in project["optional-dependencies"][extra]),
    ]:
        wanted = Requirement(text)
        assert wanted.specifier.contains(locked[canonicalize_name(wanted.name)]), text


def test_versions_are_those_that_are_tested(locked):
    tested = pins(ROOT / "constraints.txt")
    assert {name: version for name, version in locked.items() if tested.get(name, version) != version} == {}
    assert len(tested.keys() & locked.keys()) > 40


def test_the_container_installs_it_and_nothing_else():
    lines = (ROOT / "Dockerfile").read_text()
    installs = re.findall(r"pip install ([^\\&\n]*)", lines)
    assert len(installs) == 2
    assert "--require-hashes" in installs[0] and "requirements.lock" in installs[0]
    assert "--no-deps" in installs[1] and "--no-build-isolation" in installs[1]


def test_each_licence_is_listed(locked):
    found = subprocess.run(
        [sys.executable, "packaging/licences.py", "requirements.lock"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    page = (ROOT / "docs" / "licences.md").read_text()
    listed = dict(re.findall(r"^\| ([\w.\-]+) \| (\d\S*) \|", page, re.MULTILINE))
    assert {canonicalize_name(name) for name in listed} == locked.keys() and "not said" not in page
    rows = [line for line in found.stdout.splitlines() if "not installed here" not in line]
    assert len(rows) > 50 and set(rows) <= set(page.splitlines())
