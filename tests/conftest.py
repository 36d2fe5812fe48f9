"""What all tests share: one torch thread, a runtime directory of their own, and a browser."""

import os

# Before anything imports torch, and inherited by the processes that tests start: two cores serve all of them.
os.environ["OMP_NUM_THREADS"] = "1"
os.environ["NUMBA_NUM_THREADS"] = "1"
# Each test process and each compute process would otherwise claim a quarter of the machine for its cache.
os.environ["QDEBUG_CACHE_BYTES"] = str(512 * 2**20)

import shutil
import sys
import zlib
from pathlib import Path

import hypothesis
import pytest

CI = bool(os.environ.get("CI"))
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
FLAGS = [
    "--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update", "--no-first-run",
]  # fmt: skip

# How long an example takes says nothing on a busy machine; in CI the same examples come every time.
hypothesis.settings.register_profile(
    "here", deadline=None, derandomize=CI, database=None if CI else hypothesis.settings().database
)
hypothesis.settings.load_profile("here")


@pytest.fixture(scope="session", autouse=True)
def runtime_dir(tmp_path_factory):
    """A runtime directory for this test process alone, so that no test meets a compute process of somebody else's.

    The compute process in it ends with the test process (see ``qdebug.jobs.worker``); tests that share one are quicker.
    """
    folder = tmp_path_factory.mktemp("runtime")
    os.environ["QDEBUG_RUNTIME"] = str(folder)
    os.environ["QDEBUG_WORKSPACE"] = str(tmp_path_factory.mktemp("workspace"))
    os.environ["QDEBUG_UPLOADS"] = str(tmp_path_factory.mktemp("uploads"))
    yield folder
    from qdebug.jobs import stop_worker

    stop_worker(folder)


@pytest.fixture
def empty_journal():
    """Nothing was measured before: other tests share the workspace, and what they measured is not measured again."""
    for file in Path(os.environ["QDEBUG_WORKSPACE"]).glob("sweeps.sqlite3*"):
        file.unlink()


@pytest.fixture(scope="session", autouse=True)
def one_thread():
    """Nothing runs on more than one torch thread, whoever imported torch."""
    if "torch" in sys.modules:
        sys.modules["torch"].set_num_threads(1)


@pytest.fixture(autouse=True)
def graphs_captured_once():
    """Sessions on networks of one shape share its graph, see ``tests.captures``."""
    if "qdebug.session.loading" in sys.modules:
        from tests.captures import captured_once

        captured_once()


@pytest.fixture(autouse=True)
def same_in_ci(request):
    """In CI each test draws the same numbers every time, as hypothesis does there; elsewhere others, to find more."""
    if CI and "torch" in sys.modules:
        sys.modules["torch"].manual_seed(zlib.crc32(request.node.nodeid.encode()))


@pytest.fixture(scope="session")
def chromium() -> str:
    """Path of a Chromium; a test that needs one skips where there is none, and fails in CI."""
    found = os.environ.get("QDEBUG_CHROMIUM") or next(filter(None, map(shutil.which, BROWSERS)), None)
    if found is None:
        reason = f"no browser found: none of {', '.join(BROWSERS)} is on the PATH (or name one in QDEBUG_CHROMIUM)"
        pytest.fail(reason) if CI else pytest.skip(reason)
    return found


@pytest.fixture(scope="session")
def browser(chromium):
    """A running headless Chromium (playwright's synchronous interface); ask it for ``new_page``."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=chromium, headless=True, args=FLAGS)
        yield running
        running.close()


@pytest.fixture
def page(browser):
    """A fresh page, 1440 x 900, with no memory of earlier ones."""
    context = browser.new_context(viewport={"width": 1440, "height": 900})
    yield context.new_page()
    context.close()
