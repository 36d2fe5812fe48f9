"""The model's graph: blocks open, a layer is chosen by mouse and by keys, and table and graph show the same one."""

from tests.browser.test_looks import faults_of_looks


def chosen(screen):
    return screen.page.locator("[role=treeitem][aria-selected=true]").get_attribute("aria-label")


def test_the_graph_opens_blocks_and_shares_the_chosen_layer_with_the_table(screen):
    page = screen.page
    screen.go("layers")
    page.locator("tr", has_text="blocks.1.dw").locator("td.c-name").click()
    screen.rest()
    page.get_by_text("Graph", exact=True).click()
    page.wait_for_selector("svg[role=tree]")
    screen.rest()
    assert chosen(screen).startswith("blocks.1.dw")

    block = page.get_by_role("treeitem", name="block blocks.1, 3 layers")
    assert block.get_attribute("aria-expanded") == "true"
    block.locator(".grip").click()
    page.get_by_role("treeitem", name="block blocks.1, 3 layers", expanded=False).wait_for()
    assert page.get_by_role("treeitem", name="blocks.1.dw").count() == 0

    # keys: open it again, go on to its first layer, choose that
    block.focus()
    page.keyboard.press("ArrowRight")
    page.get_by_role("treeitem", name="block blocks.1, 3 layers", expanded=True).wait_for()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Enter")
    page.wait_for_function("() => document.querySelector('h2.q-layer')?.innerText.startsWith('blocks.1.expand')")
    screen.rest()
    assert chosen(screen).startswith("blocks.1.expand")

    assert faults_of_looks(screen) == {}

    page.get_by_text("Table", exact=True).click()
    page.wait_for_selector("tr.chosen")
    screen.rest()
    assert page.locator("tr.chosen td.c-name").inner_text() == "blocks.1.expand"
    assert screen.faults == []
