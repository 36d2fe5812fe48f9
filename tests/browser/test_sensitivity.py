"""The Sensitivity screen in a real browser: predicted at once, measured on a click, and the way to a layer."""

import pytest

PREDICTED, MEASURED = "td.cell.predicted", "td.cell.measured"


def cells(screen, layer):
    return screen.page.locator(f"tr[aria-label='{layer}'] td.cell")


def test_predicted_cells_then_measured_ones_then_the_layer(screen):
    screen.go("sensitivity")
    page = screen.page
    assert page.locator(PREDICTED).count() == 42
    assert page.locator(MEASURED).count() == 0
    assert "≈" in cells(screen, "fc").first.inner_text()
    title = page.locator("h2.q-found").inner_text()
    assert "of the predicted error" in title
    page.get_by_role("button", name="Measure exactly").click()
    page.locator(MEASURED).first.wait_for()
    page.locator(MEASURED).nth(41).wait_for()
    screen.rest()
    assert page.locator(PREDICTED).count() == 0
    assert page.locator(".js-plotly-plot").count() == 2
    assert "of the error; most harmful is" in page.locator("h2.q-found").inner_text()
    cells(screen, "blocks.2.dw").first.click()
    page.wait_for_selector("h2.q-layer:has-text('blocks.2.dw')")
    screen.rest()
    assert page.url.endswith("/layers")
    assert page.locator("tr.chosen").get_attribute("aria-label") == "blocks.2.dw"


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
    assert screen.page.url.endswith("/layers")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize(("width", "height"), [(1440, 900), (1024, 768)])
def test_nothing_is_cut_off(open_screen, width, height, scheme):
    screen = open_screen(width, height, scheme)
    screen.go("sensitivity")
    assert screen.overflow() <= 0
    wrap = screen.page.locator(".wrap")
    assert wrap.evaluate("node => node.scrollWidth - node.clientWidth") <= 0
    table = wrap.bounding_box()
    assert table["x"] + table["width"] <= width
