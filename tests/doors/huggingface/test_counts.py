"""A configuration cannot make the library build what no weights are there for, nor a text exhaust a tokenizer."""

from __future__ import annotations

import pytest

from benchmarks.promises.traps import folders
from qdebug.doors.huggingface import samples
from qdebug.errors import DataError, ModelError
from qdebug.session import inspect
from qdebug.session import open as open_model

pytest.importorskip("transformers")


@pytest.mark.parametrize(
    "said", [{"num_hidden_layers": 10**8}, {"rope_scaling": {"n_layer": 10**8}}, {"depths": [1, 10**8]}]
)
def test_more_layers_than_tensors_are_refused(said, tmp_path):
    with pytest.raises(ModelError, match=r"is 100,000,000, and the weights are 12 tensors"):
        inspect(folders.written(tmp_path, {**folders.LLAMA, **said}))


def test_as_many_as_there_are_open(tmp_path):
    assert inspect(folders.written(tmp_path, folders.LLAMA)).layers


def test_a_text_that_is_too_long_is_refused_and_many_are_read_a_few_at_a_time(tmp_path, monkeypatch):
    folder = folders.written(tmp_path, folders.LLAMA, **folders.tokenizer())
    texts = tmp_path / "texts.jsonl"
    texts.write_text('{"text": "a b c d e f g h"}\n' * 40)
    whole = open_model(folder, texts).subject.data.inputs["input_ids"]
    monkeypatch.setattr(samples, "LONGEST", 31)
    assert open_model(folder, texts).subject.data.inputs["input_ids"].tolist() == whole.tolist()
    texts.write_text('{"text": "a"}\n{"text": "' + "a " * 40 + '"}\n')
    with pytest.raises(DataError, match=r"80 characters, 31 are the most.*line 2"):
        open_model(folder, texts)
