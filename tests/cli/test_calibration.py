"""``qdebug calibration``: the same in text and JSON."""

import json

import pytest

from qdebug.cli import main


def test_text_says_the_findings_first_and_the_tables_after(capsys):
    words = ["calibration", "digits-longtail", "--preset", "w4a4", "--subsets", "2", "--samples", "100"]
    assert main(words) == 0
    text = capsys.readouterr().out.replace("\u00a0", " ")
    assert "accuracy" in text.splitlines()[0]
    assert "measured on" in text
    assert "Evaluation data all but stay in the calibrated ranges" in text
    assert "ends of the observed ranges" in text
    assert main([*words, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    points = found["curve"]["points"]
    assert [point["samples"] for point in points] == [1, 2, 4, 8, 16, 32, 64, 128, 256]
    assert [len(point["metrics"]) for point in points] == [2] * 8 + [1]
    assert found["curve"]["calibrated"] == len(found["setters"]["tensors"]) == 7
    assert found["setters"]["samples"][0]["picture"]["height"] == 8


def test_a_recipe_that_calibrates_nothing(capsys):
    assert main(["calibration", "digits-longtail", "--preset", "w16a16", "--subsets", "1"]) == 0
    text = capsys.readouterr().out
    assert "Nothing in this recipe depends on calibration data" in text
    assert "No tensor has a range from calibration data" in text


@pytest.mark.parametrize("words", [["--subsets", "0"], ["--samples", "0"], ["--subsets", "x"]])
def test_nonsense_is_one_line(capsys, words):
    assert main(["calibration", "digits-longtail", *words]) == 2
    assert "qdebug: " in capsys.readouterr().err
