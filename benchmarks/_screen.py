"""The app served as people get it, and what is done with a page of a real browser on it."""

import re
import sys
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

from playwright.sync_api import TimeoutError as PlaywrightTimeout

from benchmarks._app import ROOT, free_port, running

PATIENCE = 120_000
"""Milliseconds: the first visitor waits for torch to be imported and the sample to be opened and calibrated."""


@contextmanager
def served(log, runtime, module="qdebug.web.serve", **variables):
    """The app on a port of its own, with variables in its environment; ``module`` is what serves it."""
    port = free_port()
    told = {"QDEBUG_DATA": "", "QDEBUG_CALIB": "", "QDEBUG_RUNTIME": str(runtime), "QDEBUG_MODEL": "digits-mobilenet"}
    command = [sys.executable, "-m", module, "run", str(ROOT / "app.py"), "--server.headless=true",
               f"--server.port={port}", "--server.address=127.0.0.1"]  # fmt: skip
    with running(command, port, log, told | variables):
        yield f"http://127.0.0.1:{port}"


WATCH, QUIET = ((Path(__file__).parent / name).read_text("utf-8") for name in ("_watch.js", "_quiet.js"))
STANDS = ".q-strip, .st-key-lesson, .st-key-lesson-list, .st-key-workshop-door, .st-key-scan-place"
"""What every page has: screens the strip, lessons, their list, the door and the scan a place of their own."""


class Screen:
    """What tests do with a page: go somewhere, wait for words, read the strip."""

    def __init__(self, page, address):
        self.page = page
        self.address = address
        self.faults = []
        self.hosts = set()
        self._waits = 0
        page.add_init_script(WATCH)
        page.set_default_timeout(PATIENCE)
        self._listeners = {"pageerror": self._met, "console": self._heard, "request": self._asked}
        for event, listener in self._listeners.items():
            page.on(event, listener)

    def leave(self):
        """Hear no more of the page."""
        for event, listener in self._listeners.items():
            self.page.remove_listener(event, listener)

    def _met(self, error):
        self.faults.append(str(error))

    def _asked(self, request):
        self.hosts.add(urlsplit(request.url.removeprefix("blob:")).netloc)

    def _heard(self, message):
        # Streamlit's page looks for its server under the screen's address before it looks at the root.
        expected = message.type == "error" and "404" in message.text and "_stcore" in message.location.get("url", "")
        if message.type == "error" and not expected:
            self.faults.append(f"{message.text} {message.location}")

    def go(self, screen=""):
        """Open a screen by its address and wait until nothing is being measured."""
        self.page.goto(f"{self.address}/{screen}")
        self.page.wait_for_selector(STANDS)
        return self.rest()

    def to(self, title):
        """Go to a screen by the sidebar."""
        self.page.get_by_role("link", name=title, exact=True).click()
        self.page.wait_for_function(
            "title => document.querySelector('[aria-current=page]')?.innerText.includes(title)", arg=title
        )
        return self.rest()

    def rest(self):
        """Wait until the page neither runs nor measures nor waits for an answer nor is drawn, and shows no toast.

        So it must have been several times in a row: between two drawings it may seem so once. What is counted is how
        often it was looked at, not how long: on a busy machine the page itself may stand still for a while.

        Streamlit's toasts name an element as their label that is not there, which axe calls a fault; a page that meets
        a compute process that an earlier test killed says so in one.
        """
        self._waits += 1
        question = {"wait": self._waits, "stands": STANDS, "times": 4}
        self.page.wait_for_function(QUIET, arg=question, polling=100)
        return self

    def in_theme(self, scheme):
        """Change the browser's theme and wait until the page has been drawn in it."""
        self.page.emulate_media(color_scheme=scheme)
        self.page.wait_for_function(
            """scheme => [...document.querySelectorAll('style')].some(
                one => one.textContent.includes('[data-testid=stDialog]{color-scheme:' + scheme))""",
            arg=scheme,
        )
        return self.rest()

    @property
    def at(self):
        """Which screen's address this is; what it holds is left out."""
        return urlsplit(self.page.url).path.strip("/")

    @property
    def strip(self):
        """The strip's words."""
        return " ".join(self.page.locator(".q-strip").inner_text().split())

    @property
    def quantized(self):
        """The quantized accuracy in percent."""
        return float(re.search(r"quantized ([\d.]+)\s%", self.strip)[1])

    def until_strip_changes(self, before):
        """Wait for another score, measured exactly."""
        try:
            self.page.wait_for_function(
                "before => { const now = document.querySelector('.q-strip')?.innerText.split(/\\s+/).join(' ');"
                " return now && now !== before && now.includes('exact'); }",
                arg=before,
            )
        except PlaywrightTimeout as slow:
            raise AssertionError(f"no other score than {before!r}; the page says:\n{self.words}") from slow
        return self.rest()

    @property
    def words(self):
        """All words on the page, and whether Streamlit is at work."""
        at_work = "document.querySelector('.stApp')?.dataset.testScriptState"
        return f"script {self.page.evaluate(at_work)}\n{self.page.locator('body').inner_text()}"

    def has_charts(self, count):
        """Wait until the page has so many charts: the browser draws them when it comes to it."""
        self.page.wait_for_function(
            "count => document.querySelectorAll('.js-plotly-plot').length === count", arg=count, polling=100
        )
        return self

    def overflow(self):
        """How many pixels the page is wider than its window."""
        return self.page.evaluate("document.documentElement.scrollWidth - window.innerWidth")
