"""The benchmark beside other tools: what their scripts print is read, or it is said why not. No tool is needed."""

import json
import sys

import pytest

from benchmarks.peers.__main__ import TOOLS, asked
from benchmarks.peers.table import Found, agreement, read, table

TOLD = {
    "version": "1.0", "seconds": 6.0, "float_pass": 0.5, "layers": 4, "measured": 4, "peak_rss": 2_000_000,
    "scores": {"a": 1.0, "b": 3.0, "c": 2.0},
}  # fmt: skip


def test_what_a_script_tells_is_its_last_object():
    found = read("progress 100%\n{not this}\n" + json.dumps(TOLD) + "\nbye\n")
    assert found.passes == 3.0 and found.scores["b"] == 3.0 and found.measured == 4


@pytest.mark.parametrize("change", [{"layers": 0}, {"seconds": -1.0}, {"unknown": 1}])
def test_what_cannot_be_is_refused(change):
    with pytest.raises(ValueError, match="no time or no layers|not what was asked for"):
        read(json.dumps(TOLD | change))


def test_silence_is_no_answer():
    with pytest.raises(ValueError, match="no JSON"):
        read("all went well")


def test_orders_are_compared_where_the_quantities_are_alike():
    ours = Found(**TOLD, gains={"a": 3.0, "b": 1.0, "c": 2.0})
    theirs = read(json.dumps(TOLD | {"scores": {"a": 10.0, "b": 30.0, "c": 20.0, "elsewhere": 1.0}}))
    assert agreement(ours, theirs, "aimet") == pytest.approx(1.0)
    assert agreement(ours, theirs, "nncf") == pytest.approx(-1.0)
    assert agreement(ours, theirs, "onnxruntime") is None


def test_a_tool_that_is_not_there_has_a_row_that_says_so(tmp_path):
    said = asked([str(tmp_path / "python"), "script.py"])
    assert isinstance(said, str) and "not installed" in said
    lines = table({"qdebug": Found(**TOLD)} | dict.fromkeys(TOOLS, said)).splitlines()
    assert len(lines) == 3 + len(TOOLS) and "3.00" in lines[2]
    assert all("not installed" in line for line in lines[3:])


def test_a_script_that_fails_is_told_by_its_last_line():
    said = asked([sys.executable, "-c", "raise SystemExit('no such model')"])
    assert said == "failed: no such model"
    assert asked([sys.executable, "-c", "print('nothing')"]) == "failed: it printed no JSON object"
    assert isinstance(asked([sys.executable, "-c", f"print('''{json.dumps(TOLD)}''')"]), Found)
