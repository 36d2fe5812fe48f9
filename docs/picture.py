"""Take the pictures of the docs again: ``python -m docs.picture``. Needs Chromium and the development tools."""

from __future__ import annotations

import tempfile
from pathlib import Path

from playwright.sync_api import Page

from benchmarks.browser import served, shown

IMAGES = Path(__file__).parent / "images"


def main() -> None:
    """Serve the app with its first sample, wait for each screen to be complete, and write the pictures."""
    with tempfile.TemporaryDirectory() as folder, served(Path(folder)) as address, shown(address) as page:
        page.get_by_role("button", name="Apply cross-layer equalization").wait_for()
        page.get_by_text("w4g32a16").first.wait_for()
        _take(page, "overview")
        page.get_by_role("link", name="Layers").click()
        page.locator("tr[aria-label='blocks.2.expand'] td").first.click()
        page.wait_for_selector("h2.q-layer:has-text('blocks.2.expand')")
        page.get_by_role("link", name="Formats").click()
        page.get_by_text("Click a bar").wait_for()
        _take(page, "formats")


def _take(page: Page, name: str) -> None:
    page.wait_for_timeout(1500)
    page.screenshot(path=IMAGES / f"{name}.png")


if __name__ == "__main__":
    main()
