"""The loop people live in, in a real browser: see what is broken, change something, watch the score move."""

import re

PLACES = """() => {
  window.places = new Set(); window.working = 0;
  const look = () => {
    window.working += document.querySelectorAll('[class*="st-key-working-"]').length;
    const at = [".q-strip", ".st-key-table-body", "h2.q-layer"].map(name => document.querySelector(name));
    if (at.every(one => one)) window.places.add(at.map(one => Math.round(one.getBoundingClientRect().y)).join());
  };
  setInterval(look, 20);
}"""
"""Notes, again and again, where three parts of the page stand."""


def choose(screen, layer):
    screen.page.locator(f"tr[aria-label='{layer}'] td").first.click()
    screen.page.wait_for_selector(f"h2.q-layer:has-text('{layer}')")
    return screen.rest()


def test_the_first_page_says_what_is_broken(screen):
    screen.go()
    verdict = screen.page.locator("h1.q-verdict").inner_text()
    assert re.search(r"\d+ of 14 layers cause \d+", verdict)
    assert screen.quantized < 70
    assert "exact" in screen.strip
    screen.has_charts(4)


def test_a_format_changed_in_the_table_moves_the_score_and_undo_brings_it_back(screen):
    screen.go("layers")
    before = screen.strip
    select = screen.page.get_by_role("combobox", name="weight format of blocks.2.dw", exact=True)
    assert select.input_value() == "int8"
    select.select_option("int8 pc")
    screen.until_strip_changes(before)
    assert screen.page.locator("tr[aria-label='blocks.2.dw'] .pill").first.inner_text() == "int8 pc"
    assert "1 × int8 pc" in screen.page.locator(".q-pills").inner_text()
    after = screen.strip
    screen.page.get_by_role("button", name="Undo").click()
    screen.until_strip_changes(after)
    assert re.sub(r"exact .*", "", screen.strip) == re.sub(r"exact .*", "", before)
    assert select.input_value() == "int8"


def test_a_pick_that_got_lost_on_its_way_is_sent_again(screen):
    screen.go("layers")
    before = screen.strip
    screen.page.get_by_role("grid", name="Layers").evaluate(
        """grid => {
            const state = grid.closest('.wrap').layers, send = state.send;
            state.send = () => { state.send = send; };
        }"""
    )
    screen.page.get_by_role("combobox", name="weight format of blocks.2.dw", exact=True).select_option("int8 pc")
    screen.until_strip_changes(before)
    assert "1 × int8 pc" in screen.page.locator(".q-pills").inner_text()


def test_undo_takes_an_option_back_and_it_stays_back(screen):
    screen.go("layers")
    choose(screen, "blocks.2.dw")
    page, select = screen.page, screen.page.get_by_role("combobox", name="weight format of blocks.2.dw", exact=True)
    first = screen.strip
    select.select_option("nvfp4")
    screen.until_strip_changes(first)
    second = screen.strip
    page.get_by_role("button", name="Options").click()
    page.get_by_role("combobox", name="Rounding").click()
    page.get_by_role("option", name="stochastic").click()
    screen.until_strip_changes(second)
    page.keyboard.press("Escape")
    screen.rest()
    for label in ("nvfp4", "int8"):
        before = screen.strip
        page.get_by_role("button", name="Undo").click()
        screen.until_strip_changes(before)
        assert select.input_value() == label
    page.locator("[class*='st-key-tensor-'] button", has_text="activations").click()
    screen.rest()
    page.get_by_role("button", name="Options").click()
    screen.rest()
    assert select.input_value() == "int8"
    assert page.get_by_role("button", name="Undo").is_disabled()


def test_dragging_over_the_histogram_sets_the_clip_range(screen):
    screen.go("layers")
    choose(screen, "blocks.2.dw")
    before = screen.strip
    box = screen.page.locator("[class*='st-key-chart-histogram'] .nsewdrag").first.bounding_box()
    screen.page.mouse.move(box["x"] + 0.3 * box["width"], box["y"] + 40)
    screen.page.mouse.down()
    screen.page.mouse.move(box["x"] + 0.7 * box["width"], box["y"] + 60, steps=8)
    screen.page.mouse.up()
    screen.until_strip_changes(before)
    assert "1 × hand-set clip" in screen.page.locator(".q-pills").inner_text()
    title = screen.page.locator("[class*='st-key-chart-histogram'] .q-chart-title").inner_text()
    assert "clipped" in title
    after = screen.strip
    screen.page.get_by_role("button", name="Options").click()
    screen.page.get_by_role("button", name="Reset clip range").click()
    screen.until_strip_changes(after)
    assert "clip" not in screen.page.locator(".q-pills").inner_text()


def test_two_clicks_on_fixes_make_the_network_whole(screen):
    screen.go("fixes")
    broken = screen.strip
    screen.page.get_by_text("Apply cross-layer equalization").click()
    screen.until_strip_changes(broken)
    better = screen.strip
    screen.page.get_by_text("Apply bias correction").click()
    screen.until_strip_changes(better)
    assert screen.quantized > 98
    screen.to("Overview")
    assert "blocks.2.dw" not in screen.page.locator("h1.q-verdict").inner_text()


def test_the_cure_is_one_click_from_the_cause(screen):
    screen.go("layers")
    choose(screen, "blocks.2.dw")
    before = screen.strip
    screen.page.get_by_role("button", name="Apply cross-layer equalization").click()
    screen.until_strip_changes(before)
    assert screen.quantized > 90


def test_the_keyboard_walks_through_the_layers(screen):
    screen.go("layers")
    choose(screen, "stem.conv")
    row = screen.page.locator("tr[aria-label='stem.conv']")
    row.focus()
    screen.page.keyboard.press("ArrowDown")
    screen.page.keyboard.press("ArrowDown")
    screen.page.wait_for_selector("h2.q-layer:has-text('blocks.0.project')")
    assert screen.page.locator("tr.chosen").get_attribute("aria-label") == "blocks.0.project"
    screen.page.keyboard.press("End")
    screen.page.wait_for_selector("h2.q-layer:has-text('fc')")
    assert screen.page.locator("tr.chosen").get_attribute("tabindex") == "0"
    assert screen.page.locator("tbody tr[tabindex='0']").count() == 1


def test_the_table_sorts_by_share_and_keeps_the_choice(screen):
    screen.go("layers")
    choose(screen, "head")
    names = screen.page.locator("tbody tr")
    order = [names.nth(at).get_attribute("aria-label") for at in range(14)]
    assert order[0] == "stem.conv"
    screen.page.get_by_role("button", name="share", exact=True).click()
    sorted_order = [names.nth(at).get_attribute("aria-label") for at in range(14)]
    assert sorted_order != order
    assert set(sorted_order) == set(order)
    shares = [names.nth(at).locator(".c-share .figure").inner_text() for at in range(14)]
    values = [0.0 if text.startswith("<") else float(text.split()[0]) for text in shares]
    assert values == sorted(values, reverse=True)
    assert screen.page.locator("tr.chosen").get_attribute("aria-label") == "head"


def test_a_click_on_a_bar_opens_its_layer(screen):
    screen.go()
    bar = screen.page.locator("[class*='st-key-chart-shares'] .barlayer .point").first
    box = bar.bounding_box()
    screen.page.mouse.click(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    screen.page.wait_for_selector("h2.q-layer")
    screen.rest()
    assert screen.at == "layers"
    assert (
        screen.page.locator("tr.chosen").get_attribute("aria-label")
        == screen.page.locator("h2.q-layer").inner_text().split()[0]
    )


def test_on_a_tablet_the_table_and_its_layer_stand_side_by_side(open_screen):
    screen = open_screen(1024, 768, "light")
    screen.go("layers")
    table, detail = screen.page.locator(".wrap").bounding_box(), screen.page.locator("h2.q-layer").bounding_box()
    assert table["x"] + table["width"] <= detail["x"]
    assert detail["y"] < 768


def test_what_is_read_stays_where_it_is_while_another_recipe_is_measured(screen):
    screen.go("layers")
    screen.page.evaluate(PLACES)
    before = screen.strip
    screen.page.locator(".st-key-side-preset [data-testid=stSelectbox]").click()
    screen.page.get_by_role("option", name=re.compile("^w4a8, per tensor")).click()
    screen.until_strip_changes(before)
    screen.rest()
    working, places = screen.page.evaluate("() => [window.working, [...window.places]]")
    assert working, "no line of progress was ever seen"
    assert len(places) == 1, places


def test_the_ground_and_the_pills_follow_the_theme(screen):
    screen.go("layers")
    for scheme, ground, pill in (
        ("dark", "rgb(20, 24, 29)", "rgb(86, 208, 169)"),
        ("light", "rgb(255, 255, 255)", "rgb(0, 102, 75)"),
    ):
        screen.page.emulate_media(color_scheme=scheme)
        screen.rest()
        found = screen.page.evaluate("getComputedStyle(document.querySelector('.stApp')).backgroundColor")
        colour = screen.page.locator("tr.chosen .pill").first.evaluate("node => getComputedStyle(node).color")
        assert (found, colour) == (ground, pill)


def test_charts_follow_a_theme_changed_in_the_menu(screen):
    screen.go("layers")
    screen.page.wait_for_selector(".js-plotly-plot .xtick text")
    tick = "getComputedStyle(document.querySelector('.js-plotly-plot .xtick text')).fill"
    light = screen.page.evaluate(tick)
    screen.page.get_by_test_id("stMainMenu").get_by_role("button").click()
    screen.page.get_by_text("Dark").first.click()
    screen.page.wait_for_function(
        f"light => document.querySelector('.js-plotly-plot .xtick text') && {tick} !== light", arg=light
    )
    assert screen.page.evaluate("getComputedStyle(document.querySelector('.stApp')).colorScheme") == "dark"
    assert screen.page.evaluate(tick) == "rgb(154, 166, 180)"


def test_a_click_on_a_format_s_bar_shows_its_grid(screen):
    screen.go("formats")
    contest = screen.page.locator("[class*='st-key-chart-contest-weight']")
    assert "Near 4 bits" in contest.locator(".q-chart-title").inner_text()
    second = screen.page.locator("p.q-quiet").filter(has_text="SQNR").nth(1)
    before = second.inner_text()
    names = contest.locator(".ytick text").all_text_contents()
    box = contest.locator(".barlayer .point").nth(3).bounding_box()
    screen.page.mouse.click(box["x"] + box["width"] / 3, box["y"] + box["height"] / 2)
    screen.page.wait_for_function(
        "before => ![...document.querySelectorAll('p.q-quiet')].some(one => one.innerText === before)", arg=before
    )
    screen.rest()
    assert second.inner_text().startswith(f"{names[3]}: SQNR")
