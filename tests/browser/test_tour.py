"""The tour, as somebody new takes it: from the first page to a mended network in at most five clicks."""


def test_five_clicks_lead_from_a_broken_network_to_a_mended_one(screen):
    page = screen.go().page
    broken = screen.quantized
    clicks = 0
    for name in ("Next: the worst layer", "Next: why"):
        page.get_by_role("button", name=name).click()
        page.wait_for_function("name => !document.body.innerText.includes(name)", arg=name)
        screen.rest()
        clicks += 1
    page.get_by_role("button", name="Apply", exact=True).first.click()
    clicks += 1
    page.wait_for_selector("text=the strip above has moved")
    assert screen.rest().quantized > broken + 50
    assert clicks <= 5
    page.get_by_role("button", name="Next: take it home").click()
    page.get_by_role("button", name="End of the tour").click()
    page.wait_for_function("() => !document.querySelector('.q-tour')")
    page.reload()  # whoever has been here is not shown around again
    page.wait_for_selector(".q-strip")
    screen.rest()
    assert page.locator(".q-tour").count() == 0
