"""The page of platforms is written from their cards, and is that of today."""

import re

from docs import platforms
from qdebug.targets import DEVICES, PLATFORMS
from qdebug.targets.energy import ADD, MULTIPLY


def test_the_page_is_current():
    assert platforms.PAGE.read_text("utf-8") == platforms.page(), "run python -m docs.platforms"
    assert platforms.main(["--check"]) == 0


def test_an_old_page_is_found_out_and_written_anew(tmp_path, monkeypatch):
    current = platforms.PAGE.read_text("utf-8")
    old = tmp_path / "platforms.md"
    old.write_text(current.replace("NVIDIA A100", "NVIDIA A1000"), "utf-8")
    monkeypatch.setattr(platforms, "PAGE", old)
    assert platforms.main(["--check"]) == 1
    assert platforms.main([]) == 0
    assert old.read_text("utf-8") == current


def test_rows_have_a_cell_for_each_heading():
    for table in re.findall(r"(?:^\|.*\n)+", platforms.cards(), re.M):
        assert len({len(re.split(r"(?<!\\)\|", line)) for line in table.splitlines()}) == 1, table


def test_every_source_is_a_link():
    text = platforms.cards()
    for platform in PLATFORMS.values():
        assert f"### {platform.title}\n" in text
        assert all(f"]({source})" in text for source in platform.sources)
    for device in DEVICES.values():
        assert f"`{device.name}`" in text
        assert all(f"]({figure.source})" in text for figure in (device.bandwidth, *(rate for _, rate in device.rates)))


def test_the_energies_are_those_of_the_model():
    text = platforms.PAGE.read_text("utf-8")
    for name, values in (("addition", ADD), ("multiplication", MULTIPLY)):
        assert f"| {name} | {' | '.join(f'{value:g}' for value in values.values())} |" in text
