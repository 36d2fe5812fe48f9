"""What qdebug.open returns has the rooms above the session as methods, and they are these rooms' own functions."""

import msgspec
import numpy as np
import pytest
import torch
from msgspec.structs import replace

import qdebug
from qdebug.facade.place import Given, place
from qdebug.jobs.metrics import check
from qdebug.recipes import Recipe
from qdebug.results import ModelRef
from qdebug.search.diagnose import diagnose
from qdebug.search.mixed import Wish, search
from qdebug.search.mixed.wish import formats_of
from qdebug.search.sensitivity import Question, sensitivity
from qdebug.search.sweep.journal import Journal, workspace
from qdebug.session import Session as Base
from tests.networks import Residual, data_for, seeded


@pytest.fixture(scope="module")
def session():
    return qdebug.open(seeded(Residual), data_for(Residual, 48))


def plain(found):
    """All but what things took."""
    changes = {name: 0.0 for name in ("seconds", "forward_seconds") if hasattr(found, name)}
    found = replace(found, **changes)
    if hasattr(found, "rows"):
        found = replace(found, rows=tuple(replace(row, seconds=0.0) for row in found.rows), plan=None)
    return msgspec.json.encode(found)


def test_it_is_a_session(session):
    assert isinstance(session, qdebug.Session) and isinstance(session, Base)
    assert repr(session).startswith("<qdebug.Session Residual: 4 layers")
    assert session.evaluate("w8a8").n == 48


@pytest.mark.parametrize("formats", ["w8a8, w4a8", ("w8a8", "w4a8")])
def test_sensitivity(session, formats):
    question = Question.of(["w8a8", "w4a8"])
    assert plain(session.sensitivity(formats)) == plain(sensitivity(session, question))


def test_measured_sensitivity_is_kept_in_the_workspace_unless_that_is_not_wanted(session):
    exact = session.sensitivity("w4a8", "exact", journal=False)
    assert exact.plan.kept == 0
    assert session.sensitivity("w4a8", "exact", journal=False).plan.kept == 0
    assert plain(session.sensitivity("w4a8", "exact", worst=2)) != plain(exact)
    again = session.sensitivity("w4a8", "exact")
    assert again.plan.kept > 0
    assert plain(again) == plain(exact)


def test_diagnose_and_search(session):
    assert plain(session.diagnose("w4a8")) == plain(diagnose(session, "w4a8"))
    wish = Wish(formats_of(["w8a8", "w4a8"]), Recipe(), budget=10.0)
    assert plain(session.search("w8a8,w4a8", budget=10.0, confirm=2)) == plain(
        search(session, wish, confirm=2, journal=Journal())
    )


def test_search_minimizes_the_prediction_that_was_asked_for(session):
    found = session.search("w8a8,w4a8", budget=10.0, confirm=0, predictor="quadratic")
    assert found.how == "quadratic"


def test_report_is_the_room_s_own(session):
    alone = session.report("w4a8", causes=False, runtime=None)
    assert (alone.evaluation.recipe, alone.diagnosis, alone.verified) == (qdebug.preset("w4a8").digest, None, None)
    other = session.report("w4a8", against="w8a8")
    assert (other.kind, other.a.name, other.b.name) == ("recipes", "w8a8", "w4a8")
    assert plain(other.comparison) == plain(session.compare("w8a8", "w4a8"))


def test_a_session_shows_itself(session):
    assert "4 layers" in session._repr_html_()
    assert "<script" not in session._repr_html_()


def test_what_came_from_a_path_or_a_sample_is_opened_from_there(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert Given("digits-vit").ref == ModelRef(model="digits-vit")
    both = Given("net.onnx", "data.npz", tmp_path / "calib.npz").ref
    here = tmp_path.resolve()
    assert both == ModelRef(model=f"{here}/net.onnx", data=f"{here}/data.npz", calib=f"{here}/calib.npz")
    assert Given("net.onnx", {"x": 1}).ref is None
    assert Given("net.onnx", "data.npz", {"x": 1}).ref is None


def test_a_metric_goes_along_to_the_app_by_its_name_or_its_file(tmp_path, monkeypatch):
    monkeypatch.setenv("QDEBUG_WORKSPACE", str(tmp_path / "workspace"))
    (tmp_path / "mine.py").write_text("def mine(outputs, labels):\n    return outputs[:, 0]\n")
    asked = f"{tmp_path}/mine.py:mine"
    net, data = seeded(Residual), data_for(Residual, 12)
    session = qdebug.open(net, data, metric=asked)
    ref = place(session._given, session.subject)
    check(ref)
    again = qdebug.open(ref.model, ref.data, metric=ref.metric)
    assert again.score(Recipe()).metric == session.score(Recipe()).metric
    assert place(Given("digits-vit", metric="top5"), session.subject) == ModelRef(model="digits-vit", metric="top5")
    session = qdebug.open(net, data, metric=lambda outputs, _: outputs[:, 0])
    with pytest.raises(qdebug.QDebugError, match=r"does not know this function.*metric='path/to/file\.py:function'"):
        place(session._given, session.subject)


def test_targets_are_written_as_targets():
    net, data = seeded(Residual), data_for(Residual, 12)
    session = qdebug.open(net, data)
    output = session.subject.shapes[session.subject.program.output][1:]
    del data["labels"]
    session = qdebug.open(net, {**data, "target": np.ones((12, *output), dtype=np.float32)})
    ref = place(session._given, session.subject)
    again = qdebug.open(ref.model, ref.data)
    assert again.score(Recipe()).metric == session.score(Recipe()).metric
    assert again.info().task == "regression"


def test_what_lies_in_memory_is_written_into_the_workspace_and_opens_as_the_same(session):
    ref = place(session._given, session.subject)
    assert ref.model.startswith(str(workspace()))
    assert place(session._given, session.subject) == ref
    again = qdebug.open(ref.model, ref.data, ref.calib)
    assert again.info().digest == session.info().digest
    assert again.subject.data.digest == session.subject.data.digest
    assert again.evaluate("w4a8").metric == session.evaluate("w4a8").metric


def batches():
    data = data_for(Residual, 48)
    for start in range(0, 48, 16):
        yield {name: value[start : start + 16] for name, value in data.items()}


@pytest.mark.parametrize("options", [{}, {"samples": 20}, {"part": "pw", "samples": 20}])
@pytest.mark.parametrize("from_file", [False, True])
def test_what_was_read_or_is_a_part_is_written_as_it_is_open(options, from_file, tmp_path):
    data = batches()
    if from_file:
        data = tmp_path / "data.npz"
        np.savez(data, **data_for(Residual, 48))
    session = qdebug.open(seeded(Residual), data=data, **options)
    ref = place(session._given, session.subject)
    assert (ref.data == str(data)) is (from_file and not options)
    again = qdebug.open(ref.model, ref.data, ref.calib, metric=ref.metric)
    assert again.info().digest == session.info().digest
    assert again.info().n_eval == session.info().n_eval == options.get("samples", 48)
    assert [layer.name for layer in again.info().layers] == [layer.name for layer in session.info().layers]
    assert again.subject.data.digest == session.subject.data.digest
    assert again.evaluate("w4a8").metric == session.evaluate("w4a8").metric


@pytest.mark.parametrize("kind", [torch.bfloat16, torch.float16, torch.float64])
def test_models_of_other_precisions_open_on_plain_arrays_and_again_in_the_app(kind):
    session = qdebug.open(seeded(Residual).to(kind), data_for(Residual, 24))
    ref = place(session._given, session.subject)
    again = qdebug.open(ref.model, ref.data)
    assert again.subject.data.inputs["images"].dtype is kind
    assert again.subject.data.digest == session.subject.data.digest
    assert again.evaluate("w8a8").metric == session.evaluate("w8a8").metric


def test_the_second_argument_is_the_data_or_with_data_example_inputs():
    data = data_for(Residual, 24)
    named = qdebug.open(seeded(Residual), data)
    images = data["images"][:1]
    for given in (images, (images,), {"images": images}):
        assert qdebug.open(seeded(Residual), given, data=data).info() == named.info()
    only = qdebug.open(seeded(Residual), data["images"])
    assert (only.info().task, only.info().n_eval) == ("unlabelled", 24)


def test_data_that_were_cut_are_a_warning_where_the_person_called(monkeypatch):
    monkeypatch.setattr("qdebug.doors.batches.SAMPLES", 20)
    with pytest.warns(UserWarning, match="data: the first 20 samples were read") as caught:
        session = qdebug.open(seeded(Residual), batches())
    assert caught[0].filename == __file__
    assert session.info().n_eval == 20


def test_arrays_of_a_sample_are_written_with_labels_and_groups():
    digits = qdebug.open("digits-mobilenet").subject.data
    data = {name: tensor[:40].numpy() for name, tensor in digits.inputs.items()}
    data |= {"labels": digits.labels[:40].numpy(), "group": np.array(["day", "night"] * 20)}
    session = qdebug.open("digits-mobilenet", data, {name: data[name][:8] for name in digits.inputs})
    ref = place(session._given, session.subject)
    assert ref.model == "digits-mobilenet"
    again = qdebug.open(ref.model, ref.data, ref.calib)
    assert again.info().n_calib == 8
    assert again.subgroups("w8a8").rows == session.subgroups("w8a8").rows


def test_a_model_that_cannot_be_written_is_one_clear_error(session, monkeypatch):
    def refuse(*_):
        raise RuntimeError("custom object\nat length")

    monkeypatch.setattr("torch.export.save", refuse)
    with pytest.raises(qdebug.QDebugError, match="cannot write this model: custom object") as caught:
        session.app(open_browser=False)
    assert "export the model to ONNX" in caught.value.do


def test_a_workspace_that_cannot_be_written_to_is_one_clear_error(session, monkeypatch, tmp_path):
    (tmp_path / "file").write_text("no folder")
    monkeypatch.setenv("QDEBUG_WORKSPACE", str(tmp_path / "file"))
    with pytest.raises(qdebug.QDebugError, match="cannot be written for the app") as caught:
        session.app(open_browser=False)
    assert "QDEBUG_WORKSPACE" in caught.value.do
