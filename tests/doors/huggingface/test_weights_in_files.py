"""Weights that stay in their files: the same numbers bit for bit, whatever is done with the model."""

import hashlib
from functools import reduce
from pathlib import Path

import numpy as np
import pytest
import torch

from qdebug.engine import ValueCache
from qdebug.errors import ModelError
from qdebug.export import export_file, write_checkpoint
from qdebug.export.onnx import write_onnx
from qdebug.graph.filed import FiledTensor
from qdebug.recipes import parse_fix, parse_plan, preset, with_fix
from qdebug.search.predict.projector import Projector
from qdebug.session import open as open_model
from tests.doors.huggingface import zoo
from tests.doors.huggingface.test_architectures import in_files, said


def _both(open_it):
    """Opened with its weights in memory, and with its weights left in their files."""
    found = []
    for most in ("1000000000", "1000"):
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("QDEBUG_WEIGHT_BYTES", most)
            found.append(open_it())
    held, left = found
    assert in_files(left) and not in_files(held)
    return held, left


@pytest.fixture(scope="module")
def llama(tmp_path_factory):
    """Wide enough that its weights are worth a place in a file."""
    import transformers

    folder = tmp_path_factory.mktemp("llama")
    kind, settings = zoo.SPECS["llama"]
    config = transformers.LlamaConfig(**{**settings, "hidden_size": 256, "intermediate_size": 512})
    torch.manual_seed(0)
    transformers.logging.disable_progress_bar()
    getattr(transformers, kind)(config).bfloat16().save_pretrained(folder)
    return folder


@pytest.fixture(autouse=True, scope="module")
def everything_is_put_away():
    """However small: scales too, which stay in memory where they are few."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("qdebug.engine.scratch._SMALL", 1)
        yield


DATA = {"input_ids": np.random.default_rng(0).integers(3, zoo.TOKENS, (4, 9))}
DATA = {"input_ids": DATA["input_ids"][:, :-1], "labels": DATA["input_ids"][:, 1:]}


@pytest.fixture(scope="module")
def pair(llama):
    return _both(lambda: open_model(llama, DATA, cache=ValueCache(2**24)))


@pytest.fixture
def each(pair, monkeypatch, tmp_path):
    """The two after each other, each with a workspace of its own, so that neither finds what the other has left."""

    def one_by_one():
        for place, session in zip(("held", "left"), pair, strict=True):
            monkeypatch.setenv("QDEBUG_WORKSPACE", str(tmp_path / place))
            yield session

    return one_by_one


RECIPES = [
    ("w8a8", ""), ("w4g32", ""), ("w4g32", "gptq"), ("w4g128", "awq"), ("w8a8-pc", "smoothquant"),
    ("w4g32", "svdquant"),
    ("w4a8-pc", "bias-correction"), ("w4a8-pc", "hadamard"), ("w4g32", "hqq gptq"), ("w4g32", "awq ldlq"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "fixes"), RECIPES)
def test_recipes_and_fixes_give_the_same(each, name, fixes):
    recipe = reduce(with_fix, map(parse_fix, fixes.split()), preset(name))
    held, left = (session.evaluate(recipe) for session in each())
    assert (held.metric, held.layers, held.size) == (left.metric, left.layers, left.size)


def test_what_a_fix_found_is_kept_and_read_again_from_its_file(llama, monkeypatch, tmp_path):
    monkeypatch.setenv("QDEBUG_WEIGHT_BYTES", "1000")
    monkeypatch.setenv("QDEBUG_WORKSPACE", str(tmp_path))
    recipe = with_fix(preset("w4g32"), parse_fix("gptq"))
    first = open_model(llama, DATA, cache=ValueCache(2**24)).evaluate(recipe).metric
    kept = {file: file.stat().st_mtime_ns for file in (tmp_path / "fixes").iterdir()}
    assert len(kept) == 1
    again = open_model(llama, DATA, cache=ValueCache(2**24))
    assert again.evaluate(recipe).metric == first
    assert {file: file.stat().st_mtime_ns for file in (tmp_path / "fixes").iterdir()} == kept
    rounded = again.preparer.sheet(recipe, _work()).overlay.rounded
    assert any(isinstance(one.values, FiledTensor) for one in rounded.values())


def _work():
    from qdebug.engine import Work

    return Work()


def test_predictions_are_the_same_where_changes_are_made_anew_for_each_batch(pair, monkeypatch):
    weights, inputs = [parse_plan(name).weight for name in ("w4g32", "w8")], [parse_plan("w8a8").activation]
    found = []
    for session, budget in zip(pair, (2**30, 0), strict=True):
        monkeypatch.setattr(session.subject.engine.cache, "budget", budget)
        projector = Projector(session, preset("w8a8"), weights, inputs)
        found.append(projector.project(projector.parts()))
    assert found[0].weight.tobytes() == found[1].weight.tobytes()
    assert found[0].activation.tobytes() == found[1].activation.tobytes()


@pytest.mark.parametrize("kind", ["compressed-tensors", "gptq", "gguf"])
def test_what_is_exported_is_the_same_file(kind, each, tmp_path):
    if kind == "gguf":
        pytest.importorskip("gguf")
    recipe = with_fix(preset("w4g32"), parse_fix("gptq"))
    digests = []
    for place, session in enumerate(each()):
        written = Path(export_file(session, recipe, kind, tmp_path / str(place)).path)
        file = written / "model.safetensors" if written.is_dir() else written
        digests.append(hashlib.sha256(file.read_bytes()).hexdigest())
    assert digests[0] == digests[1]


def test_a_graph_of_onnx_is_refused(pair, tmp_path):
    with pytest.raises(ModelError, match="whose weights stay in their files is not written as ONNX"):
        write_onnx(pair[1], preset("w8a8"), tmp_path / "model.onnx")
    assert not list(tmp_path.glob("*.onnx"))


@pytest.mark.parametrize("kind", ["compressed-tensors", "gptq"])
def test_weights_that_are_quantized_are_decoded_when_they_are_read(kind, pair, llama, monkeypatch, tmp_path):
    monkeypatch.setenv("QDEBUG_WORKSPACE", str(tmp_path / "workspace"))
    write_checkpoint(pair[0].decided(preset("w4g32")), llama, tmp_path / "packed", kind)
    held, left = _both(lambda: open_model(tmp_path / "packed", DATA))
    assert left.subject.recipe == held.subject.recipe
    assert torch.equal(said(left), said(held))
    assert left.evaluate(left.subject.recipe).metric == held.evaluate(held.subject.recipe).metric
