"""From a choice in the browser to the new score on the screen, with the engine's part apart. Prints JSON.

    python -m benchmarks.browser

Serves the app on a port of its own, opens the Layers screen of ``digits-mobilenet`` in Chromium and gives each layer's
weight another format in turn. What the engine took is what the compute process says it took for that very score; the
rest is the browser, Streamlit's run of the page and the way between the processes.
"""

from __future__ import annotations

import json
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Page, sync_playwright

from benchmarks._app import free_port, running
from qdebug.jobs import GetScore, Open, connect, stop_worker
from qdebug.recipes import Recipe, parse_plan, preset, set_layers
from qdebug.results import ModelRef

MODEL, FORMAT, PLAN = "digits-mobilenet", "int4", "w4a8"
PATIENCE_MS = 120_000
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--no-first-run",
]
_CHANGED = """before => { const now = document.querySelector('.q-strip')?.innerText;
    return now && now !== before && now.includes('exact'); }"""


def main() -> dict[str, object]:
    """Measure every layer of the sample."""
    if chromium() is None:
        return {"skipped": "no Chromium was found"}
    with tempfile.TemporaryDirectory() as folder, served(Path(folder)) as address, shown(f"{address}/layers") as page:
        rows = _choices(page, Path(folder))
    clicks, engine = ([row[place] for row in rows] for place in (0, 1))
    return {
        "choices": len(rows),
        "choice_to_score_ms": {"median": statistics.median(clicks), "max": max(clicks)},
        "engine_ms": {"median": statistics.median(engine), "max": max(engine)},
        "rest_ms": {"median": statistics.median(a - b for a, b in rows)},
    }


def _choices(page: Page, runtime: Path) -> list[tuple[float, float]]:
    """Milliseconds from choice to score, and the engine's part, for each layer."""
    client, ref = connect(runtime), ModelRef(model=MODEL)
    recipe: Recipe = preset("w8a8")
    rows: list[tuple[float, float]] = []
    for layer in client.get(Open(ref=ref)).layers:
        before = page.locator(".q-strip").inner_text()
        recipe = set_layers(recipe, {layer.name: parse_plan(PLAN)})
        start = time.perf_counter()
        page.get_by_role("combobox", name=f"weight format of {layer.name}", exact=True).select_option(FORMAT)
        page.wait_for_function(_CHANGED, arg=before)
        took = time.perf_counter() - start
        rows.append((1e3 * took, 1e3 * client.get(GetScore(ref, recipe)).seconds))
        time.sleep(1.0)  # the rest of the screen follows; a person looks at it
    client.close()
    return rows


def chromium() -> str | None:
    """Where Chromium is."""
    return next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)


@contextmanager
def shown(address: str) -> Iterator[Page]:
    """A page of 1440 x 900 on the app, once its score is there and the rest has had time to follow."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium(), args=FLAGS)
        page = browser.new_page(viewport={"width": 1440, "height": 900})
        page.set_default_timeout(PATIENCE_MS)
        page.goto(address)
        page.wait_for_function("document.querySelector('.q-strip')?.innerText.includes('exact')")
        page.wait_for_timeout(3000)
        yield page
        browser.close()


@contextmanager
def served(runtime: Path) -> Iterator[str]:
    """The app with the sample open, over a compute process of its own; gives its address."""
    port = free_port()
    command = [sys.executable, "-m", "qdebug.cli", "app", MODEL, "--port", str(port)]
    try:
        with running(command, port, runtime.parent / f"{runtime.name}.log", {"QDEBUG_RUNTIME": str(runtime)}):
            yield f"http://127.0.0.1:{port}"
    finally:
        stop_worker(runtime)


if __name__ == "__main__":
    print(json.dumps(main(), indent=2))
