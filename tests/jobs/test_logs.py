"""A log's lines are JSON, and hold nothing of what models, data and paths are called."""

import json
import logging
import os

import pytest

from qdebug.jobs.logs import Lines, raised, resident, write_lines
from qdebug.jobs.table import fault

SECRET = "my_secret_layer of /home/ada/model.onnx"


def line(message, *arguments, error=None, **extra):
    record = logging.getLogger("qdebug.jobs.x").makeRecord(
        "qdebug.jobs.x", logging.INFO, __file__, 1, message, arguments, (type(error), error, None) if error else None,
        extra=extra or None,
    )  # fmt: skip
    return json.loads(Lines().format(record))


def failed():
    try:
        try:
            {}[SECRET]
        except KeyError as error:
            raise ValueError(SECRET) from error
    except ValueError as error:
        return error


def test_an_event_has_its_own_words_and_numbers_and_no_others():
    found = line("%s %s ended with status %d", "reading", SECRET, 3)
    assert found["event"] == "%s %s ended with status %d"
    assert found["numbers"] == [3]
    assert "secret" not in json.dumps(found) and "ada" not in json.dumps(found)
    assert {"time", "process", "level", "room"} <= found.keys()


def test_an_exception_says_its_class_and_place_and_not_its_text():
    found = line("fault", error=failed(), said={"entry": "ab12cd"})
    assert [one["class"] for one in found["exception"]] == ["ValueError", "KeyError"]
    assert found["exception"][0]["at"][-1].endswith(" failed")
    assert found["entry"] == "ab12cd"
    assert "secret" not in json.dumps(found) and os.path.dirname(__file__) not in json.dumps(found)


def test_a_cycle_of_causes_ends():
    error = failed()
    error.__cause__.__cause__ = error
    assert 2 < len(raised(error)) < 20


def test_a_fault_names_its_entry_and_its_question(caplog):
    words = fault("GetScore", failed()).text
    (record,) = caplog.records
    assert record.said["question"] == "GetScore"
    assert record.said["entry"] in words
    assert "secret" not in words


@pytest.mark.parametrize(("chosen", "is_plain"), [("plain", True), ("", False)])
def test_on_ones_own_machine_everything_can_be_had(capsys, monkeypatch, chosen, is_plain):
    monkeypatch.setenv("QDEBUG_LOG", chosen)
    root = logging.getLogger()
    before, root.handlers, level = root.handlers, [], root.level
    try:
        write_lines()
        logging.getLogger("x").info("it is %s", SECRET)
    finally:
        root.handlers = before
        root.setLevel(level)
    assert (SECRET in capsys.readouterr().err) is is_plain


def test_this_process_takes_memory():
    assert resident() > 2**20
