"""Which functions the compute process runs as metrics: copies that the operator made, and nothing else."""

from pathlib import Path

import pytest

from qdebug.errors import FileError, UsageError
from qdebug.jobs import metrics, uploads
from qdebug.results import ModelRef

MINE = "def mine(outputs, labels):\n    return outputs[:, 0]\n"


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("QDEBUG_WORKSPACE", str(tmp_path / "workspace"))
    place = tmp_path / "mine.py"
    place.write_text(MINE)
    return place


def test_a_copy_is_run_whatever_becomes_of_the_file(file: Path) -> None:
    metric = metrics.approve(f"{file}:mine")
    file.unlink()
    metrics.check(ModelRef(model="net.onnx", metric=metric))
    copy = Path(metric.rpartition(":")[0])
    assert copy.read_text() == MINE and copy.parent.stat().st_mode & 0o077 == 0


def test_names_need_no_leave(file: Path) -> None:
    metrics.check(ModelRef(model="net.onnx", metric="top5"))
    metrics.check(ModelRef(model="net.onnx"))


def test_a_file_that_was_not_given_is_refused(file: Path) -> None:
    for metric in (f"{file}:mine", "/etc/passwd:mine", f"{metrics.folder()}/../../mine.py:mine"):
        with pytest.raises(UsageError, match="was not given to the app by whoever started it"):
            metrics.check(ModelRef(model="net.onnx", metric=metric))


def test_a_copy_with_other_content_is_refused(file: Path) -> None:
    metric = metrics.approve(f"{file}:mine")
    Path(metric.rpartition(":")[0]).write_text("import os\n")
    with pytest.raises(UsageError, match="was not given"):
        metrics.check(ModelRef(model="net.onnx", metric=metric))


def test_an_upload_is_judged_by_no_function(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("QDEBUG_UPLOADS", str(file.parent / "uploads"))
    (upload,) = uploads.store([("net.onnx", b"x")])
    metric = metrics.approve(f"{file}:mine")
    for ref in (ModelRef(model=str(upload), metric=metric), ModelRef(model="a", data=str(upload), metric=metric)):
        with pytest.raises(UsageError, match="does not judge uploads"):
            metrics.check(ref)


def test_a_file_that_is_not_there_says_so(tmp_path: Path) -> None:
    with pytest.raises(FileError, match="cannot be copied for the app: No such file"):
        metrics.approve(f"{tmp_path}/none.py:mine")


def test_the_compute_process_asks_before_it_opens(file: Path) -> None:
    from qdebug.engine import Work
    from qdebug.jobs.handlers import _open

    with pytest.raises(UsageError, match="was not given"):
        _open(ModelRef(model="digits-mobilenet", metric=f"{file}:mine"), Work())
    found = _open(ModelRef(model="digits-mobilenet", metric=metrics.approve(f"{file}:mine")), Work())
    assert found.subject.meter.own is not None
