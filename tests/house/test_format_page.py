"""The page of formats is written from their cards, and is that of today."""

import re

import pytest

from docs import formats
from qdebug.formats import FORMATS


def test_the_page_is_current():
    assert formats.PAGE.read_text("utf-8") == formats.page(), "run python -m docs.formats"
    assert formats.main(["--check"]) == 0


def test_an_old_page_is_found_out_and_written_anew(tmp_path, monkeypatch):
    current = formats.PAGE.read_text("utf-8")
    old = tmp_path / "formats.md"
    old.write_text(current.replace("NormalFloat 4", "NormalFloat"), "utf-8")
    monkeypatch.setattr(formats, "PAGE", old)
    assert formats.main(["--check"]) == 1
    assert formats.main([]) == 0
    assert old.read_text("utf-8") == current


def test_a_row_has_a_cell_for_each_heading():
    lines = formats.table().splitlines()
    cells = {len(re.split(r"(?<!\\)\|", line)) for line in lines}
    assert cells == {len(formats._HEADER) + 2}
    assert all(re.fullmatch(r"\| `\w+`( … `\w+`)? \|.*", line) for line in lines[2:])


@pytest.mark.parametrize("name", FORMATS)
def test_every_format_stands_in_a_row_by_its_name_or_its_width(name):
    """A row of a width is ``int2`` … ``int16``: the name without its number stands in both of its ends."""
    found = re.findall(r"^\| `(\w+)`(?: … `(\w+)`)?", formats.table(), re.M)

    def bare(text):
        return re.sub(r"\d+", "N", text)

    assert any(name in (first, last) or (last and bare(name) == bare(first) == bare(last)) for first, last in found)
