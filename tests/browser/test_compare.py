"""The Compare screen in a real browser: pinned, changed, compared, and the way to a layer."""

from tests.browser.test_looks import faults_of_looks


def test_pin_change_compare_and_open_a_layer(screen):
    screen.go()
    page = screen.page
    page.get_by_role("button", name="Pin as baseline").click()
    page.get_by_role("button", name="Pinned as baseline").wait_for()
    screen.to("Fixes")
    before = screen.strip
    page.get_by_text("Apply cross-layer equalization").click()
    screen.until_strip_changes(before)
    screen.to("Compare")
    page.wait_for_selector("h1.q-verdict:has-text('B is better')")
    screen.rest()
    assert page.get_by_role("combobox", name="A", exact=True).input_value() == "Baseline: w8a8"
    assert page.locator("figure.q-flip").count() == 24
    assert page.locator("figure.q-flip img").first.evaluate("node => node.naturalWidth") == 8
    screen.has_charts(1)
    first = page.locator("figure.q-flip").first.inner_text()
    page.get_by_role("button", name="Next", exact=True).click()
    page.wait_for_function(
        "first => document.querySelector('figure.q-flip')?.innerText.trim() !== first.trim()", arg=first
    )
    screen.rest()
    page.get_by_role("button", name="Swap A and B").click()
    page.wait_for_selector("h1.q-verdict.q-bad:has-text('B is worse')")
    screen.rest()
    page.get_by_role("button", name="blocks.2.dw", exact=True).click()
    page.wait_for_selector("h2.q-layer:has-text('blocks.2.dw')")
    screen.rest()
    assert screen.at == "layers"


def test_the_recipes_tried_are_dots_that_lead_back(screen):
    screen.go("fixes")
    page = screen.page
    before = screen.strip
    page.get_by_text("Apply cross-layer equalization").click()
    screen.until_strip_changes(before)
    screen.to("Compare")
    dots = page.locator("g.dot")
    assert dots.count() == 2
    after = screen.strip
    dots.first.focus()
    page.keyboard.press("Enter")
    screen.until_strip_changes(after)
    assert screen.strip == before and dots.first.get_attribute("aria-pressed") == "true"
    page.get_by_role("button", name="Undo").click()
    screen.until_strip_changes(before)
    assert dots.last.get_attribute("aria-pressed") == "true"
    page.get_by_label("Name of the recipe at hand").fill("equalized")
    page.keyboard.press("Enter")
    page.locator("g.dot[aria-label^='equalized,']").wait_for()
    assert faults_of_looks(screen) == {}
