"""The table of orderings: cells are measured once and kept, and its sentences say what the numbers say."""

import pytest

from benchmarks.orderings import run
from benchmarks.orderings.__main__ import table, verdicts
from benchmarks.orderings.cells import GROUPS, Cell
from benchmarks.orderings.claims import CLAIMS, Claim
from benchmarks.orderings.run import Found


def test_a_cell_is_measured_once_for_each_seed_and_kept(tmp_path, monkeypatch):
    monkeypatch.setattr(run, "SEEDS", (0, 1))
    cell, kept = Cell("digits-resnet", "w4a8"), tmp_path / "kept.jsonl"
    found = run.measure([cell], kept)[cell]
    assert len(found.values) == sum(map(bool, kept.read_text().splitlines())) == 2
    assert found.values[0] > 0.9 and found.errors[0] > 0
    monkeypatch.setattr(run, "_one", lambda *_: pytest.fail("it was measured again"))
    assert run.measure([cell], kept)[cell] == found


def test_a_run_that_was_cut_off_in_the_middle_of_a_line_goes_on(tmp_path, monkeypatch):
    monkeypatch.setattr(run, "SEEDS", (0,))
    cell, other, kept = Cell("digits-resnet", "w8a8"), Cell("digits-resnet", "w4a8"), tmp_path / "kept.jsonl"
    found = run.measure([cell], kept)
    whole = kept.read_text()
    kept.write_text(whole + whole[: len(whole) // 2])
    again = run.measure([cell, other], kept)
    assert again[cell] == found[cell]
    monkeypatch.setattr(run, "_one", lambda *_: pytest.fail("it was measured again"))
    assert run.measure([cell, other], kept) == again


@pytest.mark.parametrize("group", GROUPS)
def test_every_sentence_rests_on_cells_of_its_group(group):
    found = {cell: Found("accuracy", 0.99, (0.9, 0.91), (1.0, 1.1)) for cell in GROUPS[group]}
    claims = CLAIMS[group](found)
    assert claims and all(claim.numbers for claim in claims)
    assert len(table(found).splitlines()) == 2 + len(GROUPS[group])


def test_what_does_not_hold_says_why():
    said = verdicts([Claim("A < B.", True, "1, 2", "because"), Claim("B < A.", False, "2, 1", "Because.")])
    assert said.splitlines() == ["- **holds**: A < B. (1, 2)", "- **does not**: B < A. (2, 1) Because."]
