"""Names of layers, tensors, groups and files that would script a browser, on every screen and in the report.

A network is opened in the app as somebody would open it, and gone through screen by screen in Chromium. After each, the
page is searched for anything that a name has become (:data:`~benchmarks.promises.hostile_names.TRACES`), and the tables
that list every layer are held against the names.
"""

from __future__ import annotations

import tempfile
from collections.abc import Collection, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from playwright.sync_api import Browser, Page, sync_playwright

from benchmarks._screen import Screen, served
from benchmarks.browser import FLAGS, chromium
from benchmarks.promises.hostile_names import LISTED, NAMES, TITLED, TRACES, fuzzed
from benchmarks.promises.named_files import write_checkpoint, write_data, write_network
from benchmarks.promises.promise import Allowance, Outcome, Promise
from qdebug.errors import written_out
from qdebug.jobs import stop_worker

SCREENS = (
    "Overview", "Diagnose", "Layers", "Sensitivity", "Formats", "Calibration", "Fixes", "Mixed precision", "Compare",
)  # fmt: skip
FILE = "<img src=x onerror=window.ran=1> :material⧸skull: $x$ **qbold** \u202e[go](javascript:window.ran=1).onnx"


@dataclass
class Walk:
    """One way through all screens.

    Attributes:
        names: that were given to layers, tensors, groups and files.
        broken: a sentence for each thing that a name became, or that was not shown.
        pages: how many states of a page were searched.
        read: how many names were read whole, letter by letter.
    """

    names: Sequence[str]
    broken: list[str] = field(default_factory=list)
    pages: int = 0
    read: int = 0

    def look(self, page: Page, where: str) -> None:
        """Search a page for what names have become."""
        self.pages += 1
        self.broken += [f"{where}: {trace}" for trace in page.evaluate(TRACES)]

    def read_all(self, where: str, shown: Collection[str], names: Sequence[str] = ()) -> None:
        """Every name has to be among those shown."""
        lacking = [one for one in names or self.names if written_out(one) not in shown]
        self.read += len(self.names) - len(lacking)
        self.broken += [f"{where}: {one[:80]!r} is not shown as it is" for one in lacking]

    def asked(self, hosts: Collection[str], faults: Sequence[str], ours: str) -> None:
        """What the browser asked other hosts for, and what it complained of."""
        self.broken += [f"a request to {host}" for host in hosts if host not in (ours, "")]
        # Streamlit takes no upload whose name has characters that a header cannot hold.
        self.broken += [f"the browser's console: {fault}" for fault in faults if "upload" not in fault]


def keep(allowance: Allowance) -> Outcome:
    """Models of as many layers as there are names: the known ones first, then drawn ones."""
    walks: list[tuple[int, Walk]] = []
    for start in range(0, allowance.times, len(NAMES)):
        if start and allowance.spent():
            break
        dice = allowance.dice(start)
        names = NAMES if start == 0 else tuple({fuzzed(dice): None for _ in range(2 * len(NAMES))})[: len(NAMES)]
        with ThreadPoolExecutor(1) as apart:  # Playwright runs once to a thread, and tests have it in theirs
            walks.append((start, apart.submit(walk, names).result()))
    return Outcome(
        sum(len(one.names) for _, one in walks),
        tuple(f"names from {start} on: {sentence}" for start, one in walks for sentence in one.broken),
        {"pages searched": sum(one.pages for _, one in walks), "names read whole": sum(one.read for _, one in walks)},
    )


def walk(names: Sequence[str]) -> Walk:
    """Open files with these names, look at every screen, make the report and look at it."""
    found = Walk(names)
    with tempfile.TemporaryDirectory() as text, _opened(Path(text), names) as (screen, browser):
        screen.go()
        found.look(screen.page, "Overview")
        for title in SCREENS[1:]:
            screen.to(title)
            found.look(screen.page, title)
            if title == "Layers":
                found.read_all(title, screen.page.evaluate(LISTED))
                _layers(screen, found)
        _dropped(screen, found)
        _export(screen, found)
        _report(screen, browser, found, Path(text))
        _scan(screen, found, Path(text, "checkpoint.safetensors"))
        found.asked(screen.hosts, screen.faults, urlsplit(screen.address).netloc)
    return found


@contextmanager
def _opened(folder: Path, names: Sequence[str]) -> Iterator[tuple[Screen, Browser]]:
    """The app with a model of these names, in a page of a browser."""
    given = "".join(one for one in names[0] if one not in "/\0")
    write_network(folder / FILE, names, given)
    write_data(folder / "data.npz", names, given)
    write_checkpoint(folder / "checkpoint.safetensors", names)
    variables = {
        "QDEBUG_MODEL": str(folder / FILE), "QDEBUG_DATA": str(folder / "data.npz"),
        "QDEBUG_WORKSPACE": str(folder / "workspace"), "QDEBUG_UPLOADS": str(folder / "uploads"),
    }  # fmt: skip
    with served(folder / "log", folder / "run", **variables) as address, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium(), args=FLAGS)
        yield Screen(browser.new_page(viewport={"width": 1440, "height": 900}), address), browser
        browser.close()
    stop_worker(folder / "run")


def _layers(screen: Screen, found: Walk) -> None:
    """Each section of one layer, another layer chosen, and the graph."""
    page = screen.page
    sections = page.locator(".st-key-layer-section button")
    for name in sections.all_inner_texts()[1:]:
        sections.get_by_text(name, exact=True).click()
        found.look(screen.rest().page, f"Layers, {name}")
    page.locator("tbody tr").nth(len(found.names) - 2).click()
    found.look(screen.rest().page, "Layers, another one")
    page.locator(".st-key-layers-view").get_by_text("Graph", exact=True).click()
    found.look(screen.rest().page, "Layers, as a graph")


def _dropped(screen: Screen, found: Walk) -> None:
    """Files of these names are dropped on the dialog: it says that there is no model among them."""
    page = screen.page
    page.get_by_role("button", name="Open a file").click()
    files: list[Any] = [{"name": one, "mimeType": "application/octet-stream", "buffer": b"x"} for one in found.names]
    page.get_by_role("dialog").locator("input[type=file]").nth(0).set_input_files(files)
    page.get_by_role("dialog").locator(".q-problem").wait_for()
    found.look(screen.rest().page, "Open a file")
    page.keyboard.press("Escape")
    page.get_by_role("dialog").wait_for(state="detached")


def _export(screen: Screen, found: Walk) -> None:
    screen.to("Export")
    for button in ("Write the file", "Verify"):
        screen.page.get_by_role("button", name=button, exact=True).click()
        found.look(screen.rest().page, f"Export, {button}")


def _report(screen: Screen, browser: Browser, found: Walk, folder: Path) -> None:
    """The report is made, taken home and opened from the disk."""
    screen.page.get_by_role("button", name="Make the report", exact=True).click()
    screen.page.get_by_role("button", name="Download the page").wait_for()
    with screen.page.expect_download() as taken:
        screen.page.get_by_role("button", name="Download the page").click()
    taken.value.save_as(folder / "report.html")
    page = browser.new_page()
    page.on("request", lambda request: found.asked([urlsplit(request.url).netloc], (), ""))
    page.on("pageerror", lambda error: found.asked((), [str(error)], ""))
    page.goto((folder / "report.html").as_uri())
    page.wait_for_timeout(500)
    found.look(page, "the report")
    found.read_all("the report", page.evaluate(TITLED))
    page.close()


def _scan(screen: Screen, found: Walk, checkpoint: Path) -> None:
    screen.to("Scan")
    screen.page.get_by_role("textbox", name="Path on the server").fill(str(checkpoint))
    screen.page.get_by_role("button", name="Look through").click()
    screen.page.wait_for_selector("h1.q-verdict")
    found.look(screen.rest().page, "Scan")
    found.read_all("Scan", screen.page.evaluate(TITLED))


PROMISE = Promise(
    "names", "Names cannot script a browser or a report", "names", "tests/promises/test_names.py", 40, 4000, keep
)
