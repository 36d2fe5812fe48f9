"""Folders of every architecture that is promised open, and compute what the library's own model computes."""

import numpy as np
import pytest
import torch

from qdebug.engine import Sheet
from qdebug.graph.filed import FiledTensor
from qdebug.session import open as open_model
from tests.doors.huggingface import zoo

_HELD = {"resnet", "mobilenet-v2", "bert-masked"}
"""Held in memory: batch normalizations count batches in integers, and are folded; that head's bias is made anew."""
_DICE = np.random.default_rng(0)
_IDS = _DICE.integers(4, zoo.TOKENS, (4, 12))
_MASK = np.ones_like(_IDS)
_MASK[1, 8:] = _MASK[3, 5:] = 0
_IMAGES = _DICE.normal(size=(4, 3, 32, 32)).astype(np.float32)
_SOUND = _DICE.normal(size=(4, 16, 64)).astype(np.float32)


def given(name):
    """Inputs by name."""
    kind = zoo.SPECS[name][0]
    if kind.endswith("ImageClassification"):
        return {"pixel_values": _IMAGES}
    if name == "whisper":
        return {"input_features": _SOUND}
    if kind.endswith(("ForCausalLM", "LMHeadModel")):
        return {"input_ids": _IDS}
    both = {"input_ids": _IDS, "attention_mask": _MASK}
    return both | {"decoder_input_ids": _IDS[:, ::-1].copy()} if name == "t5" else both


def wanted(name, arrays):
    """What the library's model says."""
    model = zoo.build(name)
    tensors = {key: torch.from_numpy(value) for key, value in arrays.items()}
    with torch.no_grad():
        if name == "whisper":
            return model.get_encoder()(tensors["input_features"])[0]
        found = model(**tensors)
    if zoo.SPECS[name][0].endswith("Model") and name != "gpt2":
        return found[0] * tensors["attention_mask"][..., None]
    return found.logits


def said(session):
    """The float model's outputs."""
    subject = session.subject
    sheet = Sheet(subject.program, subject.layers)
    found = [batch.real_rows(subject.engine.output(sheet, batch)) for batch in subject.eval_batches]
    return torch.cat(found)


def in_files(session):
    """Whether weights were left in their files."""
    return any(isinstance(one, FiledTensor) for one in session.subject.program.state.values())


@pytest.fixture(scope="module")
def opened(tmp_path_factory):
    """A folder and a session on it for each architecture, made when they are first asked for."""
    known = {}

    def of(name):
        if name not in known:
            folder = zoo.save(name, tmp_path_factory.mktemp(name))
            known[name] = folder, open_model(folder, given(name))
        return known[name]

    return of


@pytest.mark.parametrize("name", zoo.SPECS)
def test_a_folder_says_what_the_library_s_model_says(name, opened):
    _, session = opened(name)
    torch.testing.assert_close(said(session), wanted(name, given(name)), rtol=2e-4, atol=2e-5)
    info = session.info()
    assert info.source == "huggingface"
    names = {key for key, _ in zoo.build(name).named_modules()}
    own = [one.name for one in info.layers]
    assert len(own) >= 8
    experts = [one for one in own if ".experts." in one]
    assert len(experts) == (2 * 4 * 3 if zoo.is_mixture(name) else 0)
    if name != "whisper":  # whose encoder's layers are called from the encoder on
        assert [one for one in own if one not in names and ".experts." not in one] == []


@pytest.mark.parametrize("name", zoo.SPECS)
def test_weights_that_stay_in_their_files_say_the_same(name, opened, monkeypatch):
    folder, held = opened(name)
    monkeypatch.setenv("QDEBUG_WEIGHT_BYTES", "1000")
    left = open_model(folder, given(name))
    assert not in_files(held) and in_files(left) is (name not in _HELD)
    assert torch.equal(said(left), said(held))
    assert left.info() == held.info()


@pytest.mark.parametrize("name", ["llama", "bert", "swin", "whisper", "t5"])
def test_a_folder_is_inspected_without_data(name, opened):
    from qdebug.session import inspect as inspect_model

    found = inspect_model(opened(name)[0])
    assert found.runs
    assert found.n_eval == 0
    assert sum(layer.macs for layer in found.layers) > 0
