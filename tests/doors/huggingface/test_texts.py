"""Files of text: what is read, and the line that is wrong."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qdebug.doors.huggingface.texts import read_texts
from qdebug.errors import DataError, FileError
from tests.doors.huggingface.zoo import lines


def test_plain_text_is_read_by_paragraphs(tmp_path):
    file = tmp_path / "a.txt"
    file.write_text("\n\none\ntwo\n\n  \nthree\n", "utf-8")
    assert [(one.line, one.text) for one in read_texts(file)] == [(3, "one\ntwo"), (7, "three")]


def test_lines_of_json_bring_labels_targets_and_groups(tmp_path):
    file = lines(
        tmp_path / "a.jsonl", {"text": "a", "label": 2, "group": 7}, {"text": "b", "target": "c"},
        {"messages": [{"role": "user", "content": "hello"}]},
    )  # fmt: skip
    first, second, third = read_texts(file)
    assert (first.text, first.label, first.group, first.target) == ("a", 2, "7", None)
    assert (second.text, second.target, second.line) == ("b", "c", 2)
    assert third.messages == ({"role": "user", "content": "hello"},)


@given(st.lists(st.text(min_size=1).filter(str.strip), min_size=1, max_size=8))
def test_any_text_survives(tmp_path_factory, texts):
    file = tmp_path_factory.mktemp("texts") / "a.jsonl"
    lines(file, *({"text": one} for one in texts))
    assert [one.text for one in read_texts(file)] == texts


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("{", "A line is no JSON"),
        ("[" * 100_000, "A line is no JSON"),
        ("[1]", "A line is no JSON object"),
        ("{}", "neither 'text' nor 'messages'"),
        ('{"text": 3}', "'text' that is no string"),
        ('{"text": "  "}', "text is empty"),
        ('{"text": "a", "label": [1]}', "label is neither"),
        ('{"text": "a", "label": true}', "label is neither"),
        ('{"text": "a", "target": 1}', "target is no text"),
        ('{"messages": [{"content": "no role"}]}', "neither 'text' nor 'messages'"),
    ],
)
def test_the_line_that_is_wrong_is_named(tmp_path, line, words):
    file = tmp_path / "a.jsonl"
    file.write_text(json.dumps({"text": "good"}) + "\n\n" + line, "utf-8")
    with pytest.raises(DataError) as told:
        read_texts(file)
    assert words in str(told.value)
    assert told.value.where["line"] == "3"


def test_no_text_no_file_and_no_utf8(tmp_path):
    with pytest.raises(FileError, match="no such file"):
        read_texts(tmp_path / "none.txt")
    (tmp_path / "empty.jsonl").write_text("\n\n")
    with pytest.raises(DataError, match="no text"):
        read_texts(tmp_path / "empty.jsonl")
    (tmp_path / "latin.txt").write_bytes(b"caf\xe9")
    with pytest.raises(FileError, match="UTF-8, from byte 3 on"):
        read_texts(tmp_path / "latin.txt")
