"""The style sheets know every colour they name, and no other."""

import re

from qdebug.figures import colours
from qdebug.web.core.theme import ASSETS, style_sheet


def test_every_variable_that_is_used_is_defined_for_both_grounds():
    sheet = style_sheet()
    defined = dict(re.findall(r"(--q-[\w-]+):light-dark\((#\w{6},#\w{6})\)", sheet))
    used = set(re.findall(r"var\((--q-[\w-]+)\)", sheet + (ASSETS / "table.css").read_text("utf-8")))
    assert used <= set(defined)
    assert defined["--q-p8"] == f"{colours.MARK['p8'].light},{colours.MARK['p8'].dark}"


def test_no_style_sheet_brings_colours_of_its_own():
    for name in ("app.css", "table.css"):
        assert not re.findall(r"#[0-9a-fA-F]{3,8}\b", (ASSETS / name).read_text("utf-8"))


def test_the_scripts_set_no_markup():
    for script in ASSETS.glob("*.js"):
        text = script.read_text("utf-8")
        assert not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|eval\(", text), script.name
