"""The Sensitivity screen in a real browser: predicted at once, measured on a click, and the way to a layer."""

import re

import pytest
from playwright.sync_api import expect

pytestmark = pytest.mark.usefixtures("empty_journal")
PREDICTED, MEASURED = "td.cell.predicted", "td.cell.measured"
WHOLE = "td.cell.measured:not(.partial)"
"""Measured on all samples."""


def cells(screen, layer):
    return screen.page.locator(f"tr[aria-label='{layer}'] td.cell")


def saved(page, button):
    """What a button saves."""
    with page.expect_download() as waiting:
        page.get_by_role("button", name=button, exact=True).click()
    return waiting.value.path().read_text("utf-8")


def test_predicted_cells_then_measured_ones_then_the_layer(screen):
    screen.go("sensitivity")
    page = screen.page
    assert page.locator(PREDICTED).count() == 42
    assert page.locator(MEASURED).count() == 0
    assert "≈" in cells(screen, "fc").first.inner_text()
    title = page.locator("h2.q-found").inner_text()
    assert "of the predicted error" in title
    page.get_by_role("button", name="Measure").click()
    page.locator(MEASURED).first.wait_for()
    page.locator(MEASURED).nth(41).wait_for()
    screen.rest()
    assert page.locator(PREDICTED).count() == 0
    screen.has_charts(2)
    assert "of the error; most harmful is" in page.locator("h2.q-found").inner_text()
    assert saved(page, "CSV").count("\n") == 1 + 42
    assert "format: int8" in saved(page, "Save")
    cells(screen, "blocks.2.dw").first.click()
    page.wait_for_selector("h2.q-layer:has-text('blocks.2.dw')")
    screen.rest()
    assert screen.at == "layers"
    assert page.locator("tr.chosen").get_attribute("aria-label") == "blocks.2.dw"


def add_format(screen, name):
    screen.page.get_by_role("combobox", name="Formats").fill(name)
    screen.page.keyboard.press("Enter")
    screen.page.keyboard.press("Escape")  # the list lies over the page
    return screen.rest()


def only_the_worst(screen):
    screen.page.get_by_role("combobox", name="How much is measured").click()
    screen.page.get_by_role("option", name="the worst 3 of each format").click()
    return screen.rest()


def test_loaded_anew_it_goes_on_from_what_was_measured(open_screen):
    screen = open_screen(1440, 900, "light")
    screen.go("sensitivity")
    page = add_format(screen, "w6a6").page  # a format that no other test measures
    mine = page.locator("tbody tr[aria-label] td.cell:nth-child(5)")
    begun, partial = (page.locator(f"td.cell.{name}:nth-child(5)") for name in ("measured", "partial"))
    assert (mine.count(), begun.count()) == (14, 0)
    only_the_worst(screen)
    page.get_by_role("button", name="Measure").click()
    page.get_by_text("All of it is measured.").wait_for()
    screen.rest()
    assert (begun.count(), partial.count()) == (3, 0)
    screen.go("sensitivity")  # a new session: nothing but the journal knows
    add_format(screen, "w6a6")
    page.get_by_text("passes more are in the journal").wait_for()
    screen.rest()
    assert (begun.count(), partial.count()) == (3, 0)
    page.get_by_role("button", name="Measure the others").click()
    page.get_by_text("All of it is measured.").wait_for()
    screen.rest()
    assert (begun.count(), partial.count()) == (14, 0)


def test_while_it_measures_a_layer_is_put_elsewhere_and_another_opened(screen):
    screen.go("sensitivity")
    page = screen.page
    page.get_by_role("combobox", name="Formats").fill("w5a5")  # a format that nobody has measured
    page.keyboard.press("Enter")
    page.keyboard.press("Escape")  # the list lies over the page
    screen.rest()
    page.get_by_role("button", name="Measure").click()
    page.locator(MEASURED).first.wait_for()
    page.get_by_role("combobox", name="put fc in", exact=True).select_option("fp32")
    page.wait_for_function("document.querySelector('.q-pills').innerText.includes('1 × fp32')")
    cells(screen, "head").first.click()
    page.wait_for_selector("h2.q-layer:has-text('head')")
    screen.to("Sensitivity")
    page.locator(MEASURED).nth(13).wait_for()


def test_cancelled_it_keeps_what_was_measured_and_goes_on_later(screen):
    screen.go()
    page, before = screen.page, screen.strip
    page.locator("[data-testid=stSidebar] [data-testid=stSelectbox]").first.click()
    page.get_by_role("option", name="pydoc-gpt").click()  # it takes long enough to be stopped
    screen.until_strip_changes(before)
    screen.to("Sensitivity")
    add_format(screen, "w7a5")  # a format that nobody has measured
    total = page.locator("tbody td.cell").count()
    page.get_by_role("button", name="Measure").click()
    page.locator(MEASURED).first.wait_for()  # on part of the samples: most is still to come
    page.get_by_role("button", name="Cancel").first.dispatch_event("click")  # it moves while the table grows
    page.get_by_role("button", name="Measure the others").wait_for()
    assert screen.rest().page.locator(MEASURED).count() > 0
    assert page.locator(WHOLE).count() < total
    for left in (4, 3, 2, 1):  # what one format has is kept, and the rest of it is soon measured
        page.get_by_role("combobox", name="Formats").focus()
        page.keyboard.press("Backspace")
        expect(page.locator("tbody td.cell")).to_have_count(left * total // 5, timeout=30_000)
        screen.rest()
    only_the_worst(screen)
    page.get_by_role("button", name=re.compile("^Measure")).first.click()
    page.get_by_text("All of it is measured.").wait_for()
    assert screen.rest().page.locator(WHOLE).count() >= 3


def test_sorted_by_any_format_or_by_the_graph(screen):
    screen.go("sensitivity")
    page, names = screen.page, screen.page.locator("tbody tr[aria-label]")

    def order():
        return [names.nth(at).get_attribute("aria-label") for at in range(names.count())]

    page.get_by_role("button", name="layer", exact=True).click()
    graph = order()
    assert (graph[0], graph[-1]) == ("stem.conv", "fc")
    page.locator("th button:has-text('w8a8')").click()
    assert set(order()) == set(graph)
    assert order()[0] in ("blocks.2.dw", "blocks.2.project")
    page.locator("th button:has-text('w8a8')").click()
    assert order()[-1] in ("blocks.2.dw", "blocks.2.project")


def test_a_layer_is_put_in_a_format_with_one_pick(screen):
    screen.go("sensitivity")
    before = screen.strip
    select = screen.page.get_by_role("combobox", name="put blocks.2.dw in", exact=True)
    assert select.input_value() == "w8a8"
    select.select_option("fp32")
    screen.until_strip_changes(before)
    assert select.input_value() == "fp32"
    assert "1 × fp32" in screen.page.locator(".q-pills").inner_text()


def test_a_click_on_a_mark_opens_its_layer(screen):
    screen.go("sensitivity")
    mark = screen.page.locator("[class*='st-key-chart-depth'] .scatterlayer .point").first
    box = mark.bounding_box()
    screen.page.mouse.click(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    screen.page.wait_for_selector("h2.q-layer")
    screen.rest()
    assert screen.at == "layers"
