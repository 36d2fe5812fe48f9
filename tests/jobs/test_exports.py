"""Exported files: written once for the same content, whole or absent, for this user alone, and bounded."""

import os
import stat
import time
from pathlib import Path
from types import SimpleNamespace

import msgspec
import pytest

from qdebug.engine import Work
from qdebug.errors import FileError, RecipeError
from qdebug.jobs import GetExport, GetLatency, GetReport, GetVerified, exports
from qdebug.jobs.folders import IN_USE_SECONDS
from qdebug.jobs.handlers import SessionHandlers
from qdebug.recipes import preset
from qdebug.results import Exported, ModelRef
from qdebug.results.report import DiffReport, Report
from tests.figures.values import latency, verified
from tests.report.test_diff import diff
from tests.report.values import report


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("QDEBUG_EXPORTS", str(tmp_path / "ex"))
    monkeypatch.delenv("QDEBUG_EXPORTS_MB", raising=False)
    return tmp_path / "ex"


def writer(*contents, calls=None):
    """Writes files called 0.onnx, 1.onnx …; says that it wrote the first."""

    def write(place):
        if calls is not None:
            calls.append(place)
        for at, content in enumerate(contents):
            (place / f"{at}.onnx").write_bytes(content)
        return Exported(path=str(place / "0.onnx"), opset=20, unsaid=("x",), bytes=sum(map(len, contents)))

    return write


def content(exported):
    return exports.read(Path(exported.path))


def entries(folder):
    return {path.name for path in folder.iterdir()}


def test_an_export_is_written_once_and_found_again(folder):
    calls = []
    first = exports.kept("a", writer(b"graph", calls=calls))
    assert exports.kept("a", writer(b"other", calls=calls)) == first
    assert len(calls) == 1
    assert first.path == str(folder / "a" / "0.onnx")
    assert (first.opset, first.unsaid, first.bytes) == (20, ("x",), 5)
    assert content(first) == b"graph"
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert stat.S_IMODE((folder / "a").stat().st_mode) == 0o700


def test_a_refusal_leaves_nothing(folder):
    def refuse(place):
        (place / "half").write_bytes(b"half")
        raise RecipeError("No")

    with pytest.raises(RecipeError, match="No"):
        exports.kept("a", refuse)
    assert entries(folder) == set()


def test_what_is_not_whole_is_written_anew(folder):
    found = exports.kept("a", writer(b"graph"))
    Path(found.path).unlink()
    assert exports.files(found) == ()
    with pytest.raises(FileError, match="gone"):
        exports.read(Path(found.path))
    assert content(exports.kept("a", writer(b"again"))) == b"again"
    (folder / "a" / ".exported.json").write_bytes(b"{")
    assert content(exports.kept("a", writer(b"third"))) == b"third"


def test_the_oldest_goes_first_and_what_is_in_use_stays(folder, monkeypatch):
    monkeypatch.setenv("QDEBUG_EXPORTS_MB", "2")
    for age, name in ((200, "a"), (100, "b")):
        exports.kept(name, writer(bytes(700_000)))
        os.utime(folder / name, (time.time() - IN_USE_SECONDS - age,) * 2)
    exports.kept("a", writer(b""))  # looked at again
    exports.kept("c", writer(bytes(700_000)))
    assert entries(folder) == {"a", "c"}
    with pytest.raises(FileError, match="2 MB for exports are in use"):
        exports.kept("d", writer(bytes(900_000)))
    assert entries(folder) == {"a", "c"}


def test_a_folder_that_cannot_be_used_is_an_error(tmp_path, monkeypatch):
    (tmp_path / "file").write_bytes(b"")
    monkeypatch.setenv("QDEBUG_EXPORTS", str(tmp_path / "file" / "ex"))
    with pytest.raises(FileError, match="cannot be kept"):
        exports.kept("a", writer(b"1"))


def test_without_a_place_of_their_own_exports_lie_beside_uploads(tmp_path, monkeypatch):
    monkeypatch.delenv("QDEBUG_EXPORTS", raising=False)
    monkeypatch.setenv("QDEBUG_UPLOADS", str(tmp_path / "uploads"))
    assert exports.folder() == tmp_path / "exports"


REF = ModelRef(model="net")


@pytest.fixture
def handlers(folder):
    """Handlers over a session that nothing is asked of but its digest."""
    session = SimpleNamespace(info=lambda: SimpleNamespace(digest="d" * 16))
    found = SessionHandlers()
    found._models = SimpleNamespace(get=lambda ref, work: session, is_open=lambda ref: True)
    return found


def test_the_compute_process_writes_an_export_once_per_content(handlers, folder, monkeypatch):
    asked = []

    def export_file(session, recipe, target, place, *, work):
        asked.append((recipe.digest, target))
        return writer(target.encode())(place)

    monkeypatch.setattr("qdebug.export.export_file", export_file)
    w8, w4 = preset("w8a8"), preset("w4a8")
    requests = [GetExport(REF, w8, "onnx"), GetExport(REF, w8, "onnx"), GetExport(REF, w8, "nncf"),
                GetExport(REF, w4, "onnx"), GetExport(ModelRef(model="net", data="b"), w8, "onnx")]  # fmt: skip
    found = [handlers.answer(request, Work()) for request in requests]
    assert found[0] == found[1]
    assert len({one.path for one in found}) == 4
    assert asked == [(w8.digest, "onnx"), (w8.digest, "nncf"), (w4.digest, "onnx"), (w8.digest, "onnx")]
    assert {handlers.lane(request) for request in requests} == {"slow"}
    assert not GetExport.kept, "its file may have been removed since"


def test_the_compute_process_makes_a_report_once_per_content(handlers, folder, monkeypatch):
    made = []

    def gather(session, recipe, *, runtime, work):
        made.append((recipe.digest, runtime))
        return report()

    def gather_recipes(session, a, b, *, names, work):
        made.append(names)
        return diff()

    monkeypatch.setattr("qdebug.report.gather", gather)
    monkeypatch.setattr(
        "qdebug.report.gather_recipes", lambda session, a, b, *, names, work: made.append(names) or diff()
    )
    w8, w4 = preset("w8a8"), preset("w4a8")
    requests = [GetReport(REF, w8, "onnxruntime"), GetReport(REF, w8, "onnxruntime"),
                GetReport(REF, w8, "onnxruntime", against=w4)]  # fmt: skip
    found = [handlers.answer(request, Work()) for request in requests]
    assert found[0] == found[1] != found[2]
    assert made == [(w8.digest, "onnxruntime"), ("w4a8", "w8a8")]
    page, data = exports.files(found[0])
    assert (page.name, data.name) == ("report.html", "report.json")
    assert msgspec.json.decode(exports.read(data), type=Report) == report()
    assert msgspec.json.decode(exports.read(exports.files(found[2])[1]), type=DiffReport) == diff()
    assert handlers.lane(requests[0]) == "slow"
    page.unlink()
    with pytest.raises(FileError, match="gone"):
        exports.read(page)


def test_verification_and_timing_are_asked_for_as_they_were_wanted(handlers, monkeypatch):
    asked = []
    answers = {"verify": verified(), "measure_latency": latency()}
    for name in answers:
        monkeypatch.setattr(
            f"qdebug.verify.{name}",
            lambda session, recipe, *, work, _name=name, **wanted: asked.append(wanted) or answers[_name],
        )
    request = GetVerified(REF, preset("w8a8"), "openvino", "integer")
    assert handlers.answer(request, Work()) is answers["verify"]
    turns = [GetLatency(REF, preset("w8a8"), 2), GetLatency(REF, preset("w8a8"), 2, turn=1)]
    assert [handlers.answer(one, Work()) for one in turns] == [answers["measure_latency"]] * 2
    assert asked == [{"runtime": "openvino", "simulation": "integer"}, {"threads": 2}, {"threads": 2}]
    assert handlers.key(turns[0]) != handlers.key(turns[1]), "another turn is measured anew"
    assert {handlers.lane(one) for one in (request, *turns)} == {"slow"}
