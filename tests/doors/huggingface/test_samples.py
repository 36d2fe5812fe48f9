"""Texts become what the model reads: windows of a stream, or padded texts; labels where they belong."""

import json

import numpy as np
import pytest

from qdebug.doors.huggingface import open_checkpoint
from qdebug.errors import DataError, FileError
from qdebug.session import open as open_model
from tests.doors.huggingface import zoo


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """Folders by the name of an architecture, made when they are asked for."""
    made = {}

    def folder(name):
        if name not in made:
            made[name] = zoo.save(name, tmp_path_factory.mktemp(name))
        return made[name]

    return folder


@pytest.fixture
def story(tmp_path):
    file = tmp_path / "story.txt"
    file.write_text(zoo.STORY, "utf-8")
    return file


def test_a_language_model_reads_windows_of_one_stream(folders, story):
    checkpoint = open_checkpoint(folders("llama"))
    arrays, words = checkpoint.read(story)
    ids, labels = arrays["input_ids"], arrays["labels"]
    own = zoo.tokenizer()
    stream = [
        token for part in zoo.STORY.strip().split("\n\n") for token in (*own(part)["input_ids"], own.eos_token_id)
    ]
    assert ids.reshape(-1).tolist() == stream[: ids.size]
    assert labels.reshape(-1).tolist() == stream[1 : ids.size + 1]
    assert ids.shape[1] in (16, 32, 64)
    assert len(ids) == (len(stream) - 1) // ids.shape[1]
    assert f"{len(ids)} windows of {ids.shape[1]} tokens" in words


def test_its_perplexity_is_that_of_the_stream(folders, story):
    import torch

    session = open_model(folders("gpt2"), story)
    arrays, _ = open_checkpoint(folders("gpt2")).read(story)
    ids, labels = (torch.from_numpy(arrays[name]) for name in ("input_ids", "labels"))
    with torch.no_grad():
        logits = zoo.build("gpt2")(input_ids=ids).logits.double()
    loss = torch.nn.functional.cross_entropy(logits.flatten(0, 1), labels.flatten())
    metric = session.score("w32a32").metric
    assert metric.name == "perplexity"
    assert metric.float_ == pytest.approx(float(loss.exp()), rel=1e-5)


def test_an_encoder_reads_padded_texts(folders, tmp_path):
    texts = ["A scale says", "how far apart two neighbours lie.", "zero"]
    file = zoo.lines(tmp_path / "a.jsonl", *({"text": one, "group": one[0]} for one in texts))
    arrays, _ = open_checkpoint(folders("bert")).read(file)
    own = [zoo.tokenizer()(one)["input_ids"] for one in texts]
    assert arrays["input_ids"].shape == (3, max(map(len, own)))
    assert arrays["attention_mask"].sum(1).tolist() == [len(one) for one in own]
    for row, ids in zip(arrays["input_ids"], own, strict=True):
        assert row[: len(ids)].tolist() == ids
        assert not row[len(ids) :].any()
    assert arrays["group"].tolist() == ["A", "h", "z"]
    metric = open_model(folders("bert"), file).score("w8a8").metric
    assert metric.name == "cosine"
    assert 0.9 < metric.quantized < 1.0


def test_classes_are_told_by_number_or_name(folders, tmp_path):
    file = zoo.lines(tmp_path / "a.jsonl", {"text": "one", "label": "LABEL_2"}, {"text": "two", "label": 0})
    arrays, _ = open_checkpoint(folders("bert-classes")).read(file)
    assert arrays["labels"].tolist() == [2, 0]
    assert open_model(folders("bert-classes"), file).score("w8a8").metric.name == "accuracy"
    zoo.lines(file, {"text": "one", "label": "cat"})
    with pytest.raises(DataError, match="the label 'cat'.*LABEL_0, LABEL_1, LABEL_2"):
        open_checkpoint(folders("bert-classes")).read(file)


def test_an_answer_is_scored_with_the_words_before_it(folders, tmp_path):
    file = zoo.lines(tmp_path / "a.jsonl", {"text": "one", "target": "two codes"}, {"text": "three", "target": "a"})
    arrays, _ = open_checkpoint(folders("t5")).read(file)
    first, second = (zoo.tokenizer()(one)["input_ids"] for one in ("two codes", "a"))
    assert arrays["labels"][0].tolist() == first
    assert arrays["labels"][1].tolist() == [*second, *[-100] * (len(first) - len(second))]
    assert arrays["decoder_input_ids"][0].tolist() == [0, *first[:-1]]
    assert open_model(folders("t5"), file).score("w8a8").metric.name == "perplexity"
    zoo.lines(file, {"text": "one"})
    with pytest.raises(DataError, match="no 'target'"):
        open_checkpoint(folders("t5")).read(file)


def test_conversations_need_a_template(folders, tmp_path):
    message = {"role": "user", "content": "A scale says how far apart two neighbours lie. " * 8}
    file = zoo.lines(tmp_path / "a.jsonl", {"messages": [message]})
    with pytest.raises(DataError, match="no chat template"):
        open_checkpoint(folders("llama")).read(file)
    template = "{% for one in messages %}<{{ one['role'] }}>{{ one['content'] }}{% endfor %}"
    chatty = tmp_path / "chatty"
    zoo.save("llama", chatty)
    (chatty / "chat_template.jinja").write_text(template)
    arrays, _ = open_checkpoint(chatty).read(file)
    own = zoo.tokenizer()(f"<user>{message['content']}")["input_ids"]
    assert arrays["input_ids"].reshape(-1).tolist() == own[: arrays["input_ids"].size]


def test_a_text_that_is_longer_than_the_positions(folders, tmp_path):
    file = zoo.lines(tmp_path / "a.jsonl", {"text": "short"}, {"text": zoo.STORY})
    with pytest.raises(DataError, match="the model reads 64 at most.*line 2"):
        open_checkpoint(folders("bert")).read(file)
    with pytest.raises(DataError, match="the model reads 64 at most"):  # 66, less the padding token's number and one
        open_checkpoint(folders("roberta")).read(file)


def test_a_tokenizer_that_does_not_fit(folders, tmp_path):
    folder = zoo.save("llama", tmp_path / "llama")
    config = folder / "config.json"
    config.write_text(json.dumps(json.loads(config.read_text()) | {"vocab_size": 70}))
    (tmp_path / "a.txt").write_text(zoo.STORY)
    with pytest.raises(DataError, match="the model knows 70 tokens"):
        open_checkpoint(folder).read(tmp_path / "a.txt")


def test_a_folder_without_a_tokenizer(folders, tmp_path, story):
    folder = tmp_path / "bare"
    folder.mkdir()
    for name in ("config.json", "model.safetensors"):
        (folder / name).write_bytes((folders("llama") / name).read_bytes())
    with pytest.raises(FileError, match="tokenizer cannot be read"):
        open_checkpoint(folder).read(story)


def test_too_little_text_and_text_for_pictures(folders, tmp_path):
    (tmp_path / "a.txt").write_text("a scale")
    with pytest.raises(DataError, match="17 are the least"):
        open_checkpoint(folders("llama")).read(tmp_path / "a.txt")
    with pytest.raises(DataError, match="reads pictures, and this is text"):
        open_checkpoint(folders("vit")).read(tmp_path / "a.txt")


def test_arrays_are_taken_as_they_are(folders, tmp_path):
    np.savez(tmp_path / "a.npz", input_ids=np.arange(4, 28).reshape(2, 12))
    arrays, _ = open_checkpoint(folders("llama")).read(tmp_path / "a.npz")
    assert arrays["input_ids"].tolist() == np.arange(4, 28).reshape(2, 12).tolist()
