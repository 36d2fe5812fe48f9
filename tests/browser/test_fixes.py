"""The Fixes screen in a real browser: a slow fix is tried, cancelled, tried again, kept and taken back."""

import re
from contextlib import suppress

import pytest
from playwright.sync_api import TimeoutError as PlaywrightTimeout

TRY = "Try GPTQ"


@pytest.fixture
def fixes(screen, address, request):
    """The screen of fixes with the residual sample in four bits; tried again, in a recipe that nothing is known of."""
    preset = "w4a8" if getattr(request.node, "execution_count", 1) == 1 else "w4a16"
    screen.go()
    page, before = screen.page, screen.strip
    page.locator(".st-key-side-model [data-testid=stSelectbox]").click()
    page.get_by_role("option", name=re.compile("digits-resnet")).click()
    screen.until_strip_changes(before)
    screen.rest()
    page.locator(".st-key-side-preset [data-testid=stSelectbox]").click()
    page.get_by_role("option", name=re.compile(f"^{preset}, per tensor")).click()
    page.locator(".q-pill", has_text=preset).wait_for()
    screen.rest()
    return screen.to("Fixes")


def test_gptq_is_stopped_without_loss_then_tried_kept_and_undone(fixes):
    page, before = fixes.page, fixes.strip
    card = page.locator(".st-key-card-gptq")
    assert "estimated from" in card.inner_text()
    card.get_by_role("button", name=TRY).click()
    with suppress(PlaywrightTimeout):
        card.get_by_role("button", name="Cancel").click(timeout=20_000)
    stopped, kept = card.get_by_text("the recipe is as it was"), card.get_by_role("button", name="Keep")
    stopped.or_(kept).first.wait_for()
    assert fixes.rest().strip == before
    stopped.or_(kept).first.wait_for()
    cancelled = stopped.is_visible()
    assert cancelled or kept.is_visible()  # it was quicker than the click
    if cancelled:
        card.get_by_role("button", name=TRY).click()
    card.get_by_role("button", name="Keep").wait_for()
    fixes.rest()
    assert fixes.strip == before
    titles = " ".join(card.locator(".q-chart-title").all_inner_texts())
    assert re.search(r"\d+ layers gain", titles)
    assert cancelled or "error fell from" in titles  # what was found before the click is kept, and not found again
    assert fixes.overflow() <= 0
    card.get_by_role("button", name="Keep").click()
    fixes.until_strip_changes(before)
    assert "In the recipe" in card.inner_text()
    page.get_by_role("button", name="Undo").click()
    page.get_by_role("button", name="Discard").wait_for()
    fixes.rest()
    page.get_by_role("button", name="Discard").click()
    card.get_by_role("button", name=TRY).wait_for()
    assert fixes.rest().faults == []
