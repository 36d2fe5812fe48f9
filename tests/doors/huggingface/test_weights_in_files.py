"""Weights that stay in their files: the same numbers bit for bit, whatever is done with the model."""

import hashlib
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
from qdebug.session.opening import resident
from tests.doors.huggingface import zoo
from tests.doors.huggingface.test_architectures import given, said

_HELD = {"resnet", "mobilenet-v2", "bert-masked"}
"""Held in memory: batch normalizations count batches in integers, and are folded; that head's bias is made anew."""


def _both(monkeypatch, open_it):
    monkeypatch.setenv("QDEBUG_WEIGHT_BYTES", "1000000000")
    held = open_it()
    monkeypatch.setenv("QDEBUG_WEIGHT_BYTES", "1000")
    return held, open_it()


def in_files(session):
    return any(isinstance(one, FiledTensor) for one in session.subject.program.state.values())


@pytest.mark.parametrize("name", zoo.SPECS)
def test_every_architecture_says_the_same(name, tmp_path, monkeypatch):
    arrays = given(name)
    folder = zoo.save(name, tmp_path)
    held, left = _both(monkeypatch, lambda: open_model(folder, arrays))
    assert not in_files(held) and in_files(left) is (name not in _HELD)
    assert torch.equal(said(left), said(held))
    assert left.info() == held.info()


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


DATA = {"input_ids": np.random.default_rng(0).integers(3, zoo.TOKENS, (4, 9))}
DATA = {"input_ids": DATA["input_ids"][:, :-1], "labels": DATA["input_ids"][:, 1:]}


@pytest.fixture
def pair(llama, monkeypatch, tmp_path):
    """Each with a workspace of its own, so that neither finds what the other has left."""

    def one():
        monkeypatch.setenv("QDEBUG_WORKSPACE", str(tmp_path / f"workspace-{resident()}"))
        return open_model(llama, DATA, cache=ValueCache(2**24))

    return _both(monkeypatch, one)


RECIPES = [
    ("w8a8", ""), ("w4g32", ""), ("w4g32", "gptq"), ("w4g128", "awq"), ("w8a8-pc", "smoothquant"),
    ("w4g32", "svdquant"),
    ("w4a8-pc", "bias-correction"), ("w4a8-pc", "hadamard"),
]  # fmt: skip


def test_recipes_and_fixes_give_the_same(pair, monkeypatch, tmp_path):
    held, left = pair
    assert in_files(left)
    for name, fix in RECIPES:
        recipe = with_fix(preset(name), parse_fix(fix)) if fix else preset(name)
        found = []
        for session, place in ((held, "held"), (left, "left")):
            monkeypatch.setenv("QDEBUG_WORKSPACE", str(tmp_path / place))
            evaluated = session.evaluate(recipe)
            found.append((evaluated.metric, evaluated.layers, evaluated.size))
        assert found[0] == found[1], (name, fix)


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


def test_predictions_are_the_same_where_changes_are_made_anew_for_each_batch(pair):
    weights, inputs = [parse_plan(name).weight for name in ("w4g32", "w8")], [parse_plan("w8a8").activation]
    found = []
    for session in pair:
        session.subject.engine.cache.budget = 2**30 if not found else 0
        projector = Projector(session, preset("w8a8"), weights, inputs)
        found.append(projector.project(projector.parts()))
    assert found[0].weight.tobytes() == found[1].weight.tobytes()
    assert found[0].activation.tobytes() == found[1].activation.tobytes()


@pytest.mark.parametrize("kind", ["compressed-tensors", "gptq", "gguf"])
def test_what_is_exported_is_the_same_file(kind, pair, tmp_path):
    if kind == "gguf":
        pytest.importorskip("gguf")
    recipe = with_fix(preset("w4g32"), parse_fix("gptq"))
    digests = []
    for place, session in enumerate(pair):
        written = Path(export_file(session, recipe, kind, tmp_path / str(place)).path)
        file = written / "model.safetensors" if written.is_dir() else written
        digests.append(hashlib.sha256(file.read_bytes()).hexdigest())
    assert digests[0] == digests[1]


def test_a_graph_of_onnx_is_refused(pair, tmp_path):
    with pytest.raises(ModelError, match="whose weights stay in their files is not written as ONNX"):
        write_onnx(pair[1], preset("w8a8"), tmp_path / "model.onnx")
    assert not list(tmp_path.glob("*.onnx"))


@pytest.mark.parametrize("kind", ["compressed-tensors", "gptq"])
def test_weights_that_are_quantized_are_decoded_when_they_are_read(kind, llama, monkeypatch, tmp_path):
    monkeypatch.setenv("QDEBUG_WORKSPACE", str(tmp_path / "workspace"))
    write_checkpoint(open_model(llama, DATA).decided(preset("w4g32")), llama, tmp_path / "packed", kind)
    held, left = _both(monkeypatch, lambda: open_model(tmp_path / "packed", DATA))
    assert in_files(left) and not in_files(held) and left.subject.recipe == held.subject.recipe
    assert torch.equal(said(left), said(held))
    assert left.evaluate(left.subject.recipe).metric == held.evaluate(held.subject.recipe).metric
