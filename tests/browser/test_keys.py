"""The workbench without a mouse."""

import re


def test_layers_and_formats_are_changed_by_keys_and_undone(screen):
    page = screen.go("layers").page
    page.keyboard.press("j")
    page.wait_for_function("() => document.querySelector('h2.q-layer')?.innerText.startsWith('blocks.2.project')")
    screen.rest()
    page.keyboard.press("f")
    page.wait_for_selector(".q-pills >> text=1 × int4")
    screen.rest()
    page.keyboard.press("z")
    page.wait_for_function("() => !document.querySelector('.q-pills').innerText.includes('int4')")
    screen.rest()
    page.keyboard.press("/")
    page.keyboard.type("fc")  # in the field: none of these letters is taken for a key
    page.get_by_role("option", name="fc").wait_for()
    page.keyboard.press("Enter")
    page.wait_for_function("() => document.querySelector('h2.q-layer')?.innerText.startsWith('fc')")
    assert "layer=fc" in screen.rest().page.url
    page.keyboard.press("Escape")
    page.locator("h2.q-layer").click()
    page.keyboard.press("?")
    page.wait_for_selector("text=next, previous layer")


SHOWN = "name => document.querySelector('h2.q-layer')?.innerText.startsWith(name)"


def test_the_next_layer_is_the_next_row_as_the_rows_are_sorted(screen):
    page = screen.go("layers").page
    page.locator("th.c-share button").click()
    names = page.locator("tbody tr[data-name]").evaluate_all("rows => rows.map(row => row.dataset.name)")
    chosen = page.locator("tbody tr.chosen")
    at = names.index(chosen.get_attribute("data-name"))
    for key, to in (("j", at + 1), ("j", at + 2), ("k", at + 1)):
        page.keyboard.press(key)
        page.wait_for_function(
            "name => document.querySelector('h2.q-layer')?.innerText.startsWith(name)", arg=names[to]
        )
        screen.rest()
        assert chosen.get_attribute("data-name") == names[to]


REACHED = """() => {
    let at = document.activeElement;
    while (at?.shadowRoot?.activeElement) at = at.shadowRoot.activeElement;
    if (!at || at === document.body) return null;
    const box = at.getBoundingClientRect(), labels = [...(at.labels ?? [])].map(one => one.innerText).join(' ');
    return {
        name: (at.getAttribute('aria-label') || labels || at.innerText || at.title).trim(),
        side: !!at.closest('[data-testid=stSidebar]'), seen: box.width > 0 && box.height > 0,
    };
}"""


def test_tab_leads_through_all_there_is_and_out_again(screen):
    for name in ("", "layers", "compare"):
        page = screen.go(name).page
        page.evaluate("document.activeElement?.blur()")
        path = []
        while len(path) < 200:
            page.keyboard.press("Tab")
            path.append(page.evaluate(REACHED))
            if path[-1] is None:
                break
        assert path.pop() is None, "Tab does not come out again"
        assert path[0]["name"] == "Skip to main content"
        beside = [at for at, one in enumerate(path) if one["side"]]
        assert beside == list(range(1, 1 + len(beside))), "the sidebar comes whole, before the screen"
        assert len(path) > len(beside) + 10
        assert [one for one in path if not (one["seen"] and re.search(r"\w", one["name"]))] == []
