"""Nothing outside the workspace is read or written: the promise in short, and that its proof can fail."""

from __future__ import annotations

import importlib
import os
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.promises import paths, wrong_names
from benchmarks.promises.promise import Allowance
from benchmarks.promises.watch import watched

pytest.importorskip("pyarrow")
pytest.importorskip("transformers")
pytestmark = [
    pytest.mark.timeout(300), pytest.mark.skipif(os.name != "posix", reason="links and pipes"),
    pytest.mark.filterwarnings("ignore"),
]  # fmt: skip


def test_the_promise():
    outcome = paths.PROMISE.keep(Allowance(paths.PROMISE.short))
    assert outcome.broken == ()
    assert outcome.tried >= 60
    assert outcome.figures["operations"] == outcome.tried * len(paths.WAYS)
    assert outcome.figures["paths seen by the hook"] > 5 * outcome.figures["operations"], "the hook sees nothing"


def careless_read(name: str, folder: Path) -> object:
    """What nobody may do."""
    from qdebug.errors import FileError

    try:
        return (folder / name).read_bytes()[:64] if not name.startswith(("pipe", "/dev", "link_")) else None
    except (OSError, ValueError):
        raise FileError("x") from None


def careless_write(name: str, folder: Path) -> object:
    """Nor this."""
    if name.endswith("outside/secret.bin") and "\0" not in name:
        (folder / name).write_bytes(b"x")


@pytest.mark.parametrize(
    ("go", "said"), [(careless_read, "it was read"), (careless_read, "open '"), (careless_write, "has changed")]
)
def test_who_goes_beyond_is_found(go, said, monkeypatch):
    monkeypatch.setattr(paths, "WAYS", (paths.Way("careless", go),))
    broken = paths.keep(Allowance(12)).broken
    assert any(said in one for one in broken)


@pytest.mark.parametrize(
    ("act", "said"),
    [
        (lambda out: (out / "x").read_bytes(), "open"),
        (lambda out: (out / "y").write_bytes(b""), "for writing"),
        (os.listdir, "os.listdir"),
        (lambda out: (out / "x").rename(out / "z"), "os.rename"),
        (lambda out: (out / "x").unlink(), "os.remove"),
        (lambda out: (out / "d").mkdir(), "os.mkdir"),
        (lambda out: os.symlink("/", out / "l"), "os.symlink"),
        (lambda out: subprocess.run([sys.executable, "-c", ""], check=True), "subprocess.Popen"),
    ],
)
def test_the_watch_sees_what_is_done_outside(act, said, tmp_path):
    inside, outside = tmp_path / "in", tmp_path / "out"
    for folder in (inside, outside):
        folder.mkdir()
    (outside / "x").write_bytes(b"x")
    with watched([inside], outside) as watch:
        (inside / "fine").write_bytes(b"")
        (inside / "fine").rename(inside / "good")
    assert watch.seen == [] and watch.count >= 3
    with watched([inside], outside) as watch:
        act(outside)
    assert any(said in one for one in watch.seen)


def test_the_watch_lets_numba_keep_kernels_beside_the_code_and_nobody_else(tmp_path, monkeypatch):
    inside, outside, code = tmp_path / "in", tmp_path / "out", tmp_path / "code"
    (code / "__pycache__").mkdir(parents=True)
    monkeypatch.syspath_prepend(str(code))
    (code / "kernel.py").write_text("from numba import njit\n\n@njit(cache=True)\ndef add(a, b):\n    return a + b\n")
    import numba.core.caching  # noqa: F401 - compiling imports more, which is not what is looked for

    kernel = importlib.import_module("kernel")
    with watched([inside], outside) as watch:
        assert kernel.add(1, 2) == 3
    assert watch.seen == [] and list((code / "__pycache__").glob("*.nbc"))
    with watched([inside], outside) as watch:
        (code / "__pycache__" / "kernel.nbc").write_bytes(b"")
    assert "for writing" in watch.seen[0]


def test_names_are_many_and_different(tmp_path):
    inside, outside = wrong_names.room(tmp_path)
    names = wrong_names.fixed(inside, outside)
    assert len(set(names)) == len(names) >= paths.PROMISE.short
