"""The app as Streamlit's own test bench runs it, over the real compute process and a sample."""

import time
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

APP = Path(__file__).parents[2] / "app.py"
PATIENCE = 120.0


def settle(app):
    """Run the page until every answer it waits for is drawn."""
    deadline = time.monotonic() + PATIENCE
    while True:
        app.run(timeout=PATIENCE)
        assert not app.exception, [one.value for one in app.exception]
        if not app.get("progress") and not app.session_state.waiting:
            return app
        waiting = [type(one).__name__ for one in app.session_state.waiting] if "waiting" in app.session_state else []
        texts = [one.proto.text for one in app.get("progress")]
        assert time.monotonic() < deadline, f"the page does not come to rest: {waiting}, {texts}"
        time.sleep(0.1)


def html(app):
    """All markup on the page that is ours, as one text with plain spaces."""
    bodies = (one.proto.body for one in app.get("html"))
    return "\n".join(body for body in bodies if not body.startswith("<style")).replace("\u00a0", " ")


def show(app, screen):
    """Change to a screen and wait for it."""
    app.switch_page(f"pages/{screen}.py")
    return settle(app)


@pytest.fixture
def app(monkeypatch):
    """The app with its first sample, at rest on the overview."""
    monkeypatch.setenv("QDEBUG_MODEL", "digits-mobilenet")
    for name in ("QDEBUG_DATA", "QDEBUG_CALIB"):
        monkeypatch.delenv(name, raising=False)
    return settle(AppTest.from_file(APP, default_timeout=PATIENCE))
