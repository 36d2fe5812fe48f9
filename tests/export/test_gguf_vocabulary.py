"""A tokenizer in a GGUF file: its rule has llama.cpp's name where one stands for just that, else nothing is claimed."""

import json

import pytest

from qdebug.errors import FileError
from qdebug.export.gguf.vocabulary import CONTROL, NORMAL, UNUSED, USER, tell

LLAMA3 = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*"
    r"|\s*[\r\n]+|\s+(?!\S)|\s+"
)
BYTES = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": False}
WORDS = BYTES | {"use_regex": True}


class Writer:
    """Keeps what it is told, by the method's name."""

    def __init__(self):
        self.said = {}

    def __getattr__(self, name):
        return lambda value: self.said.__setitem__(name.removeprefix("add_"), value)


def cut(pattern):
    split = {"type": "Split", "pattern": {"Regex": pattern}, "behavior": "Isolated", "invert": False}
    return {"type": "Sequence", "pretokenizers": [split, BYTES]}


def found(tmp_path, pre, rows=8, **changes):
    model = {"type": "BPE", "vocab": {"a": 0, "b": 1, "ab": 2, "c": 3}, "merges": [["a", "b"]],
             "ignore_merges": False} | changes.pop("model", {})  # fmt: skip
    added = [
        {"id": 4, "content": "<s>", "special": True, "single_word": False, "lstrip": False, "rstrip": False,
         "normalized": False},
        {"id": 5, "content": "<tool>", "special": False, "single_word": False, "lstrip": False, "rstrip": False,
         "normalized": False},
    ]  # fmt: skip
    whole = {
        "version": "1.0",
        "model": model,
        "pre_tokenizer": pre,
        "added_tokens": added,
        "normalizer": None,
    } | changes
    (tmp_path / "tokenizer.json").write_text(json.dumps(whole))
    (tmp_path / "tokenizer_config.json").write_text(json.dumps({"bos_token": {"content": "<s>"}, "pad_token": None}))
    writer, unsaid = Writer(), []
    tell(writer, tmp_path, rows, unsaid)
    return writer.said, unsaid


def test_tokens_and_their_kinds(tmp_path):
    said, unsaid = found(tmp_path, WORDS)
    assert said["token_list"] == ["a", "b", "ab", "c", "<s>", "<tool>", "[PAD6]", "[PAD7]"]
    assert said["token_types"] == [NORMAL] * 4 + [CONTROL, USER, UNUSED, UNUSED]
    assert (said["token_merges"], said["bos_token_id"], said["tokenizer_model"]) == (["a b"], 4, "gpt2")
    assert "pad_token_id" not in said
    assert said["add_bos_token"] is False
    assert unsaid == []


def test_a_text_that_begins_with_its_token_is_told(tmp_path):
    post = {"type": "TemplateProcessing", "single": [{"SpecialToken": {"id": "<s>", "type_id": 0}},
            {"Sequence": {"id": "A", "type_id": 0}}], "pair": [{"Sequence": {"id": "A", "type_id": 0}},
            {"Sequence": {"id": "B", "type_id": 1}}],
            "special_tokens": {"<s>": {"id": "<s>", "ids": [4], "tokens": ["<s>"]}}}  # fmt: skip
    said, _ = found(tmp_path, WORDS, post_processor=post)
    assert said["add_bos_token"] is True


@pytest.mark.parametrize(
    ("pre", "more", "rule"),
    [
        (WORDS, {}, "gpt-2"),
        ({"type": "Sequence", "pretokenizers": [{"type": "Digits", "individual_digits": True}, WORDS]}, {}, "smollm"),
        (cut(LLAMA3), {"model": {"ignore_merges": True}}, "llama-bpe"),
        (cut(LLAMA3.replace("{1,3}", "")), {"normalizer": {"type": "NFC"}}, "qwen2"),
        (WORDS | {"add_prefix_space": True}, {}, None),
        (cut(LLAMA3), {}, None),
        (cut(r"\w+"), {}, None),
        (WORDS, {"normalizer": {"type": "Lowercase"}}, None),
    ],
)  # fmt: skip
def test_how_text_is_cut_has_a_name_where_just_that_is_known(tmp_path, pre, more, rule):
    said, unsaid = found(tmp_path, pre, **more)
    assert said.get("tokenizer_pre") == rule
    assert any("By what rule" in text for text in unsaid) == (rule is None)
    assert any("NFC" in text for text in unsaid) == (rule == "qwen2")


@pytest.mark.parametrize(
    ("pre", "more", "why"),
    [
        (WORDS, {"model": {"type": "Unigram"}}, "of the kind Unigram"),
        ({"type": "Metaspace"}, {"model": {"byte_fallback": True}}, "not those of bytes"),
        (WORDS, {"rows": 5}, "has the token 5, and the embedding 5 rows"),
        (WORDS, {"model": {"merges": [["a", "b c"]]}}, "pieces with spaces"),
    ],
)
def test_others_are_left_out_and_it_is_said(tmp_path, pre, more, why):
    said, unsaid = found(tmp_path, pre, **more)
    assert said == {"tokenizer_model": "none"}
    assert why in unsaid[0]


def test_without_a_tokenizer_or_with_a_damaged_one(tmp_path):
    writer, unsaid = Writer(), []
    tell(writer, tmp_path, 8, unsaid)
    assert unsaid == ["The tokenizer is not in the file: there is none. Give llama.cpp tokens by their numbers."]
    (tmp_path / "tokenizer.json").write_text("[")
    with pytest.raises(FileError, match="no JSON object"):
        tell(writer, tmp_path, 8, [])
