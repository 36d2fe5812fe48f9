"""The real compute process: every verb answers as the session itself does, and a restart loses nothing."""

import os
import signal
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from qdebug.errors import FileError, RecipeError
from qdebug.jobs import (
    Check,
    GetDetail,
    GetExport,
    GetFixes,
    GetInputCosines,
    GetLayers,
    GetOutlook,
    GetOutputChange,
    GetScore,
    GetSensitivity,
    GetShares,
    GetStats,
    GetTargets,
    GetVerdict,
    GetVerified,
    Open,
    Running,
    Samples,
    connect,
)  # fmt: skip
from qdebug.jobs.verbs import GetClipCurve, GetFormatView, GetInputRanges, GetReadRanges
from qdebug.recipes import parse_fix, parse_plan, preset, set_layers, with_fix
from qdebug.results import ModelRef, Values

REF = ModelRef(model="digits-mobilenet")
W8A8 = preset("w8a8")


@pytest.fixture(scope="module")
def client(runtime_dir):
    client = connect(runtime_dir)
    yield client
    client.close()


@pytest.fixture(scope="module")
def session():
    import qdebug

    return qdebug.open(REF.model)


def untimed(value):
    """What does not depend on how long it took."""
    import msgspec

    return msgspec.structs.replace(value, seconds=0.0) if hasattr(value, "seconds") else value


def test_every_verb_answers_as_the_session_does(client, session):
    assert client.get(Open(REF)) == session.info()
    assert client.get(Check(REF, W8A8)) is None
    assert untimed(client.get(GetScore(REF, W8A8))) == untimed(session.score(W8A8))
    assert client.get(GetOutputChange(REF, W8A8)) == session.output_change(W8A8)
    assert untimed(client.get(GetLayers(REF, W8A8))) == untimed(session.layers(W8A8))
    assert untimed(client.get(GetShares(REF, W8A8))) == untimed(session.shares(W8A8))
    assert client.get(GetDetail(REF, W8A8, "blocks.2.dw")) == session.detail(W8A8, "blocks.2.dw")
    assert client.get(GetInputCosines(REF, W8A8, "fc")) == session.input_cosines("fc", W8A8)
    assert client.get(GetFixes(REF, W8A8)) == session.fixes(W8A8)
    assert client.get(GetVerdict(REF, W8A8)) == session.verdict(W8A8)
    assert client.get(GetStats()).bytes > 0


def test_what_lessons_ask_is_answered_as_the_session_does(client, session):
    weights = Values(layer="fc")
    clipped = client.get(GetFormatView(REF, W8A8, weights, "int4", clip=(-0.05, 0.05)))
    assert clipped == session.view_format(weights, "int4", W8A8, clip=(-0.05, 0.05))
    assert clipped.error.clipping_rate > 0
    assert client.get(GetClipCurve(REF, W8A8, "fc", "int4")) == session.clip_curve("fc", "int4")
    read = client.get(GetReadRanges(REF, W8A8, "blocks.2.project"))
    assert read == session.read_ranges("blocks.2.project")
    assert len(read.high) == 448
    reach = client.get(GetInputRanges(REF, W8A8, "blocks.2.dw"))
    assert reach == session.input_ranges(W8A8, "blocks.2.dw")
    assert client.get(GetInputRanges(REF, preset("w8a8-dyn"), "fc")).clip is None
    with pytest.raises(RecipeError, match="read in groups"):
        client.get(GetReadRanges(REF, W8A8, "blocks.2.dw"))
    with pytest.raises(RecipeError, match="no single symmetric range"):
        client.get(GetClipCurve(REF, W8A8, "fc", "int4g32"))


def test_measured_sensitivity_outlives_the_process_and_its_cost_is_known_before(client, empty_journal):
    plan = parse_plan("w4a8")
    asked = {"ref": REF, "recipe": W8A8, "formats": (("w4a8", plan),), "worst": 3}
    before = client.get(GetOutlook(**asked, turn="1"))
    assert before.plan.items == 3 and before.plan.passes > 0 == before.plan.kept
    exact = GetSensitivity(**asked, mode="exact")
    found = client.get(exact)
    os.kill(client.pid, signal.SIGKILL)
    after = client.get(GetOutlook(**asked, turn="2"))
    assert after.plan.passes == 0
    assert [row.exact for row in after.rows] == [row.exact for row in found.rows]
    assert client.get(exact).rows == found.rows
    assert sum(row.exact is not None for row in found.rows) == 3


def test_the_cards(client):
    assert "digits-mobilenet" in [card.name for card in client.get(Samples())]


def test_an_exported_file_lies_where_the_app_can_read_it(client, session):
    from qdebug.export import cards, export
    from qdebug.jobs import exports

    assert client.get(GetTargets()) == cards()
    found = client.get(GetExport(REF, W8A8, "nncf"))
    assert exports.read(Path(found.path)) == export(session, W8A8, "nncf").content
    assert exports.files(found)[0].parent.parent == exports.folder()


def test_a_verification_arrives_whole(client, session):
    found = client.get(GetVerified(REF, W8A8, "onnxruntime", "float"))
    assert (found.runtime, found.simulation, found.recipe) == ("onnxruntime", "float", W8A8.digest)
    assert found.n == session.info().n_eval
    assert found.layers
    assert found.metric.simulated == session.score(W8A8).metric.quantized


def test_mistakes_arrive_as_themselves(client):
    wrong = set_layers(W8A8, {"blocks.2.wd": parse_plan("w4a8")})
    for request in (Check(REF, wrong), GetScore(REF, wrong)):
        with pytest.raises(RecipeError, match=r"Did you mean blocks\.2\.dw"):
            client.get(request)
    with pytest.raises(FileError, match="digits-mobilenet"):
        client.get(Open(ModelRef(model="digits-mobilnet")))


def test_killed_under_eight_askers_everyone_gets_the_answer(client, session):
    recipes = [preset(f"w{bits}a8") for bits in range(2, 8)] + [with_fix(W8A8, parse_fix("cle")), W8A8]
    client.get(Open(REF))
    before = client.restarts
    with ThreadPoolExecutor(8) as pool:
        waiting = [pool.submit(client.get, GetShares(REF, recipe), asker=str(n)) for n, recipe in enumerate(recipes)]
        time.sleep(0.2)
        os.kill(client.pid, signal.SIGKILL)
        answers = [future.result(timeout=120) for future in waiting]
    assert client.restarts == before + 1
    assert [answer.recipe for answer in answers] == [recipe.digest for recipe in recipes]
    assert untimed(answers[-1]) == untimed(session.shares(W8A8))


def test_cancel_reaches_the_engine(client):
    recipe = preset("w5a6")
    client.get(Open(REF))
    request = GetShares(REF, recipe)
    running = client.ask(request, wait=0.05)
    assert isinstance(running, Running)
    client.cancel(running.job)
    again = client.get(request)
    assert again.recipe == recipe.digest
