"""The real compute process: every verb answers as the session itself does, and a restart loses nothing."""

import os
import signal
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from qdebug.errors import FileError, RecipeError
from qdebug.jobs import (
    Check,
    GetDetail,
    GetExport,
    GetFixes,
    GetLayers,
    GetScore,
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
from qdebug.recipes import parse_fix, parse_plan, preset, set_layers, with_fix
from qdebug.results import ModelRef

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
    assert untimed(client.get(GetLayers(REF, W8A8))) == untimed(session.layers(W8A8))
    assert untimed(client.get(GetShares(REF, W8A8))) == untimed(session.shares(W8A8))
    assert client.get(GetDetail(REF, W8A8, "blocks.2.dw")) == session.detail(W8A8, "blocks.2.dw")
    assert client.get(GetFixes(REF, W8A8)) == session.fixes(W8A8)
    assert client.get(GetVerdict(REF, W8A8)) == session.verdict(W8A8)
    assert client.get(GetStats()).bytes > 0


def test_the_cards(client):
    assert "digits-mobilenet" in [card.name for card in client.get(Samples())]


def test_an_exported_file_lies_where_the_app_can_read_it(client, session):
    from qdebug.export import cards, export
    from qdebug.jobs import exports

    assert client.get(GetTargets()) == cards()
    found = client.get(GetExport(REF, W8A8, "nncf"))
    assert exports.content(found) == export(session, W8A8, "nncf").content
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
