"""Take the docs' pictures again: ``python -m docs.picture [NAME …]``, at the top of the repository.

Needs Chromium and the development tools.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from benchmarks.browser import served, shown

IMAGES = Path(__file__).parent / "images"
SCREENS = {
    "overview": "text=would help here", "diagnosis": "text=wins back", "layers": "text=Output means",
    "sensitivity": "text=most harmful is", "formats": "text=Click a bar", "calibration": "text=calibration samples",
    "fixes": "text=Cross-layer equalization", "mixture": "text=bits per weight", "compare": "h1.q-verdict",
    "export": "text=A report to send", "scan": "h1.q-verdict", "lesson": "text=Question",
}  # fmt: skip
"""Every screen, and what stands there when what matters has come."""
ADDRESSES = {"overview": "", "lesson": "lesson-clipping"}
SCANNED = "sample_models/pydoc_gpt/weights.safetensors"
REST_MS = 2000
BUSY = '[class*="st-key-working-"], .q-waiting, [data-testid="stStatusWidget"]'


def main(names: list[str]) -> None:
    """Serve the app with its first sample, wait for each screen to be complete, and write the pictures."""
    with tempfile.TemporaryDirectory() as folder, served(Path(folder)) as address, shown(address) as page:
        page.get_by_role("button", name="Skip").click()  # whoever is new is shown around
        for name in names or SCREENS:
            page.goto(f"{address}/{ADDRESSES.get(name, name)}")
            if name == "scan":
                page.get_by_role("textbox", name="Path on the server").fill(SCANNED)
                page.get_by_role("button", name="Look through").click()
            page.wait_for_selector(SCREENS[name])
            page.wait_for_timeout(REST_MS)
            page.wait_for_function(f"!document.querySelector('{BUSY}')")
            page.wait_for_timeout(REST_MS)
            page.screenshot(path=IMAGES / f"{name}.png")


if __name__ == "__main__":
    main(sys.argv[1:])
