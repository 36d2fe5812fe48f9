"""Charts are saved in the browser: as a picture, as a drawing, as numbers."""

import csv
from xml.etree import ElementTree


def saved(page, chart, way):
    """The file that a chart is saved as, by the keyboard alone."""
    opener = page.locator(f"[class*=st-key-chart-{chart}] .q-save > button")
    opener.focus()
    page.keyboard.press("Enter")
    with page.expect_download() as waiting:
        page.get_by_role("button", name=f"Save as {way}").press("Enter")
    return waiting.value


def test_a_chart_can_be_taken_along(screen, tmp_path):
    page = screen.go().page
    title = page.locator("[class*=st-key-chart-shares] .q-chart-title").inner_text()
    for way in ("PNG", "SVG", "CSV"):
        file = saved(page, "shares", way)
        assert file.suggested_filename.endswith(f".{way.lower()}")
        file.save_as(tmp_path / way)
    assert (tmp_path / "PNG").read_bytes().startswith(b"\x89PNG")
    assert (tmp_path / "PNG").stat().st_size > 5000
    drawn = "".join(ElementTree.parse(tmp_path / "SVG").getroot().itertext())
    assert title.split()[0] in drawn
    assert "blocks.2.dw" in drawn
    rows = list(csv.DictReader((tmp_path / "CSV").read_text("utf-8").splitlines()))
    assert len({row["y"] for row in rows}) == 14
    assert 99 < sum(float(row["x"]) for row in rows) < 101


def ranges(page, chart):
    """Both axes' ranges of a chart, rounded."""
    return page.evaluate(
        """name => {
            const plot = document.querySelector(`[class*=st-key-chart-${name}] .js-plotly-plot`);
            const { xaxis, yaxis } = plot._fullLayout;
            return [...xaxis.range, ...yaxis.range].map((one) => Number(one.toPrecision(6)));
        }""",
        chart,
    )


def pull(page, chart, zone):
    """Drag in a part of a chart, 80 pixels to the left."""
    part = page.locator(f"[class*=st-key-chart-{chart}] {zone}").first
    part.scroll_into_view_if_needed()
    box = part.bounding_box()
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x - 80, y, steps=8)
    page.mouse.up()


def test_what_was_zoomed_into_stays_when_a_format_changes_and_so_does_the_view(screen):
    page = screen.go("layers").page
    page.get_by_role("radio", name="Graph").or_(page.get_by_role("button", name="Graph")).first.click()
    screen.rest()
    layer = page.locator("h2.q-layer").inner_text().split()[0]
    parts = {"along": ".nsewdrag", "histogram": ".edrag"}
    first = {chart: ranges(page, chart) for chart in parts}
    for chart, zone in parts.items():
        pull(page, chart, zone)
    screen.rest()
    zoomed = {chart: ranges(page, chart) for chart in parts}
    assert all(zoomed[chart] != first[chart] for chart in parts)
    page.locator("h2.q-layer").click()
    before = screen.strip
    page.keyboard.press("f")
    screen.until_strip_changes(before)
    assert {chart: ranges(page, chart) for chart in parts} == zoomed
    assert page.locator("h2.q-layer").inner_text().split()[0] == layer
    assert page.locator("[class*=st-key-graph]").count() and not page.locator("tr[aria-label]").count()
    page.locator("[class*=st-key-chart-along] .nsewdrag").first.dblclick()
    page.wait_for_function(
        """before => Math.abs(document.querySelector('[class*=st-key-chart-along] .js-plotly-plot')
            ._fullLayout.xaxis.range[0] - before) < 1e-3""",
        arg=first["along"][0],
    )


def test_counts_on_stretched_axes_are_saved_as_the_numbers_they_mean(screen, tmp_path):
    page = screen.go("layers").page
    page.locator("tr[aria-label='blocks.2.dw'] td").first.click()
    page.wait_for_selector("h2.q-layer:has-text('blocks.2.dw')")
    page.locator(".st-key-layer-section button", has_text="Output").click()
    screen.rest()
    assert "stretched" in page.locator(".st-key-body-closeup-output-alone").inner_text()
    saved(page, "scatter", "CSV").save_as(tmp_path / "CSV")
    rows = list(csv.DictReader((tmp_path / "CSV").read_text("utf-8").splitlines()))
    cells = [row for row in rows if row["series"] == "values in the square"]
    assert len(cells) == 96 * 96
    assert sum(int(row["z"]) for row in cells) == 256 * 448 * 16
    assert max(float(row["x"]) for row in cells) > 1000
