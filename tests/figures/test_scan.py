"""A checkpoint's tensors in words and charts: what is said agrees with the numbers, what is drawn with the counts."""

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from qdebug.checkpoint import scan
from qdebug.figures.scan import (
    loss_bars,
    loss_finding,
    octave_histogram,
    scan_facts,
    scan_verdict,
    spread_finding,
    tensor_facts,
)


@pytest.fixture
def found(tmp_path):
    torch.manual_seed(0)
    stored = {"w": torch.randn(64, 64), "zero": torch.zeros(3), "nan": torch.full((2,), torch.nan)}
    stored["one"] = torch.ones(())
    save_file(stored, tmp_path / "w.safetensors")
    return scan(tmp_path / "w.safetensors", "int8-pc,nf4")


@pytest.fixture
def by_name(found):
    return {one.name: one for one in found.tensors}


def test_words(found, by_name):
    assert scan_verdict(found) == "nan holds NaN or Inf: 2 NaN and 0 infinite values"
    facts = scan_facts(found).replace("\u00a0", " ")
    assert facts == "safetensors, 1 file, 4 tensors, 4,102 weights, 16.4 kB, 32.0 bits per weight"
    assert tensor_facts(by_name["nan"]).endswith("◆ 2 NaN or Inf")
    assert tensor_facts(by_name["one"]).startswith("one value, F32, 4\u00a0B, 1.00 … 1.00")
    assert spread_finding(by_name["zero"].stats) == "All values are zero"
    assert spread_finding(by_name["nan"].stats) == "No value is finite"
    assert spread_finding(by_name["one"].stats) == "Values reach 1.0× their RMS, and none lies beyond 3×"
    crest, share = by_name["w"].stats.crest, by_name["w"].stats.outliers[0]
    assert spread_finding(by_name["w"].stats).startswith(f"Values reach {crest:.1f}× their RMS; {100 * share:.2f}")


def test_losses(found, by_name):
    w = by_name["w"]
    int8, nf4 = (error.sqnr_db for error in w.added)
    assert loss_finding(w) == f"int8-pc keeps {int8:.1f}\u00a0dB, nf4 only {nf4:.1f}"
    assert loss_finding(by_name["zero"]) == "No format was tried"
    bars, marks = loss_bars(w, found.totals, dark=False).data
    assert list(bars.x) == [int8, nf4]
    assert list(marks.x) == [total.sqnr_db for total in found.totals]


@pytest.mark.parametrize("dark", [False, True])
def test_bars_are_the_counts(by_name, dark):
    stats = by_name["w"].stats
    above, below = octave_histogram(stats, dark=dark).data
    assert list(above.x) == [stats.top - place for place in range(len(above.x))]
    assert np.nansum(np.array(above.y, float)) == sum(stats.above)
    assert np.nansum(np.array(below.y, float)) == sum(stats.below)


def test_nothing_to_draw_is_an_empty_chart(by_name):
    assert not octave_histogram(by_name["zero"].stats, dark=False).data
    assert not octave_histogram(by_name["nan"].stats, dark=False).data
