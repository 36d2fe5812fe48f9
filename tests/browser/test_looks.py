"""Every screen, in three sizes and both themes: nothing is cut off or overlaps, and everybody can use it.

A screen is opened once and then given the other sizes and the other theme, which is what a person does who turns a
tablet or lets the evening change the theme.
"""

from pathlib import Path

import numpy as np
import pytest
from axe_playwright_python.sync_playwright import Axe
from safetensors.numpy import save_file

from qdebug.classroom.content import ORDER

SCREENS = ("overview", "diagnosis", "layers", "sensitivity", "formats", "calibration", "fixes", "mixture", "compare",
           "export")  # fmt: skip
LOOKS = (
    ("desk", 1440, 900, "light"),
    ("desk", 1440, 900, "dark"),
    ("tablet", 1024, 768, "dark"),
    ("phone", 390, 844, "dark"),
)
"""Sizes in pixels with a theme, in the order in which least changes from one to the next.

A theme gives colours alone: that all boxes are where they were in the other is part of what is looked at.
"""
LAYOUT = Path(__file__).with_name("layout.js").read_text("utf-8")


BOXES = """() => [...document.querySelectorAll('[data-testid=stMain] *')]
    .filter(node => node.innerText)
    .map(node => [node.innerText.slice(0, 40), node.getBoundingClientRect()])
    .map(([words, box]) => `${words} ${[box.x, box.y, box.width, box.height].map(Math.round)}`)"""
"""Where every element with words lies."""
ALL = {"resultTypes": ["violations"]}
COLOURS = ALL | {"runOnly": ["color-contrast", "link-in-text-block"]}
"""The rules of axe-core that ask for colours; what the others ask for is the same in every theme."""


def faults_of_access(page, rules=ALL):
    """What axe-core calls serious or critical, by all its rules or some, a line each."""
    found = Axe().run(page, options=rules).response["violations"]
    return [
        f"{one['id']}: {one['help']}: {node['html'][:160]}"
        for one in found
        if one["impact"] in ("serious", "critical")
        for node in one["nodes"]
    ]


@pytest.mark.parametrize("name", SCREENS)
def test_a_screen_is_whole_in_every_size_and_theme_and_open_to_everybody(screen, name):
    assert faults_of_looks(screen.go("" if name == "overview" else name)) == {}


def test_a_layer_is_so_however_it_is_looked_at(screen):
    """The first section is the screen's own; the others are measured in the widest and the narrowest size."""
    screen.go("layers")
    sections = screen.page.locator(".st-key-layer-section button")
    faults = {}
    for name in sections.all_inner_texts()[1:]:
        screen.page.set_viewport_size({"width": 1440, "height": 900})
        sections.get_by_text(name, exact=True).click()
        faults[name] = screen.rest().page.evaluate(LAYOUT)
        screen.page.set_viewport_size({"width": 390, "height": 844})
        faults[name] += screen.rest().page.evaluate(LAYOUT)
    faults["access"] = faults_of_access(screen.page)
    assert len(faults) > 4
    assert {name: found for name, found in faults.items() if found} == {}


def test_a_scan_is_so_too(screen, tmp_path):
    weight = np.random.default_rng(0).normal(size=(64, 256)).astype(np.float32)
    weight[3, 5] = 40.0
    save_file({"layers.0.weight": weight, "layers.0.bias": weight[:, 0].copy()}, tmp_path / "model.safetensors")
    screen.go("scan")
    screen.page.get_by_role("textbox", name="Path on the server").fill(str(tmp_path / "model.safetensors"))
    screen.page.get_by_role("button", name="Look through").click()
    screen.page.wait_for_selector("h1.q-verdict")
    screen.rest().has_charts(2)
    assert faults_of_looks(screen) == {}


@pytest.mark.timeout(900)
def test_the_lessons_are_so_too(screen):
    """In one test: each opens a sample, which the compute process of another test would have to open again."""
    faults = {slug: faults_of_looks(screen.go(f"lesson-{slug}")) for slug in ORDER}
    faults["all"] = faults_of_looks(screen.go("lessons"))
    assert {slug: found for slug, found in faults.items() if found} == {}


def faults_of_looks(screen):
    """What is wrong with the page that is shown, by size and theme."""
    faults = {}
    boxes = {}
    page = screen.page
    for size, width, height, scheme in LOOKS:
        page.set_viewport_size({"width": width, "height": height})
        screen.in_theme(scheme)
        faults[size, scheme] = page.evaluate(LAYOUT)
        if size == "desk":
            boxes[scheme] = page.evaluate(BOXES)
            faults[size, scheme] += faults_of_access(page, COLOURS if scheme == "dark" else ALL)
    faults["themes"] = sorted(set(boxes["light"]) ^ set(boxes["dark"]))[:9]
    return {where: found for where, found in faults.items() if found}
