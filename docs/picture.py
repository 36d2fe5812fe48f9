"""Take the read-me's picture again: ``python -m docs.picture``. Needs Chromium and the development tools."""

from __future__ import annotations

import tempfile
from pathlib import Path

from benchmarks.browser import served, shown

PICTURE = Path(__file__).parent / "images" / "overview.png"


def main() -> None:
    """Serve the app with its first sample, wait for the Overview to be complete, and write the picture."""
    with tempfile.TemporaryDirectory() as folder, served(Path(folder)) as address, shown(address) as page:
        page.get_by_role("button", name="Apply cross-layer equalization").wait_for()
        page.get_by_text("w4g32a16").first.wait_for()
        page.wait_for_timeout(1500)
        page.screenshot(path=PICTURE)


if __name__ == "__main__":
    main()
