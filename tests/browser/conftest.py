"""The app served as people get it, and a page of a real browser on it."""

from pathlib import Path
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Error as PlaywrightError

from benchmarks._screen import Screen, served

HERE = Path(__file__).parent
DESK = {"width": 1440, "height": 900}


def pytest_collection_modifyitems(items):
    """A browser test that fails is tried once more, and the run's last lines say so.

    Browser, server, compute process and the other tests share two cores; one run in a thousand meets a page between two
    drawings. What fails twice fails.
    """
    for item in items:
        if HERE in item.path.parents:
            item.add_marker(pytest.mark.flaky(reruns=1))


@pytest.fixture(scope="session")
def address(runtime_dir, tmp_path_factory):
    """Where the app is served, over a compute process of this test process alone."""
    with served(tmp_path_factory.mktemp("server") / "log", runtime_dir) as found:
        yield found


@pytest.fixture(scope="session")
def tabs(browser):
    """The one page that tests use after each other, in a list that is empty while there is none.

    A page of its own for each test would read and compile Streamlit's and Plotly's scripts anew: half of what opening
    the app costs.
    """
    kept = []
    yield kept
    for page in kept:
        page.context.close()


@pytest.fixture
def page(browser, tabs):
    """A page, 1440 x 900, with no memory of earlier ones."""
    found = tabs.pop() if tabs else browser.new_context(viewport=DESK).new_page()
    yield found
    try:
        forget(found)
    except PlaywrightError:
        found.context.close()
    else:
        tabs.append(found)


def forget(page):
    """Take from a page what a test left in it: storage, cookies, size and theme, where the mouse is."""
    page.evaluate("() => { localStorage.clear(); sessionStorage.clear(); }")
    page.goto("about:blank")
    page.context.clear_cookies()
    page.set_viewport_size(DESK)
    page.emulate_media(color_scheme="light")
    page.mouse.move(-9, -9)


@pytest.fixture
def screen(page, address):
    """The app in a page of 1440 x 900; fails on an error in the console and on a request to another host."""
    found = Screen(page, address)
    yield found
    found.leave()
    assert found.faults == []
    assert found.hosts <= {urlsplit(address).netloc, ""}, found.hosts


@pytest.fixture
def open_screen(browser, address):
    """Makes pages of any size and theme."""
    contexts = []

    def make(width, height, scheme):
        contexts.append(browser.new_context(viewport={"width": width, "height": height}, color_scheme=scheme))
        return Screen(contexts[-1].new_page(), address)

    yield make
    for context in contexts:
        context.close()
