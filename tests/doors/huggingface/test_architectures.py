"""Folders of every architecture that is promised open, and compute what the library's own model computes."""

import numpy as np
import pytest
import torch

from qdebug.engine import Sheet
from qdebug.session import open as open_model
from tests.doors.huggingface import zoo

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


@pytest.mark.parametrize("name", zoo.SPECS)
def test_a_folder_says_what_the_library_s_model_says(name, tmp_path):
    arrays = given(name)
    session = open_model(zoo.save(name, tmp_path), arrays)
    torch.testing.assert_close(said(session), wanted(name, arrays), rtol=2e-4, atol=2e-5)
    info = session.info()
    assert info.source == "huggingface"
    names = {key for key, _ in zoo.build(name).named_modules()}
    own = [one.name for one in info.layers]
    assert len(own) >= 8
    experts = [one for one in own if ".experts." in one]
    assert len(experts) == (2 * 4 * 3 if zoo.is_mixture(name) else 0)
    if name != "whisper":  # whose encoder's layers are called from the encoder on
        assert [one for one in own if one not in names and ".experts." not in one] == []


@pytest.mark.parametrize("name", ["llama", "bert", "swin", "whisper", "t5"])
def test_a_folder_is_inspected_without_data(name, tmp_path):
    from qdebug.session import inspect as inspect_model

    found = inspect_model(zoo.save(name, tmp_path))
    assert found.runs
    assert found.n_eval == 0
    assert sum(layer.macs for layer in found.layers) > 0
