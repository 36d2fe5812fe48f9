"""The app as Streamlit's own test bench runs it, over the real compute process and a sample."""

import re
import time
from pathlib import Path

import plotly.io
import pytest
from streamlit.testing.v1 import AppTest

from qdebug.classroom.content import lesson
from qdebug.web.core import desk
from qdebug.web.core.drawings import Drawings, finished

APP = Path(__file__).parents[2] / "app.py"
PATIENCE = 120.0
TERM = re.compile(r'<(a|abbr) class="q-term"[^>]*>([^<]*)</\1>')


def settle(app):
    """Run the page until every answer it waits for is drawn."""
    deadline, pause = time.monotonic() + PATIENCE, 0.1
    while True:
        app.run(timeout=PATIENCE)
        assert not app.exception, [one.value for one in app.exception]
        if not app.get("progress") and not app.session_state.waiting:
            return app
        waiting = [type(one).__name__ for one in app.session_state.waiting] if "waiting" in app.session_state else []
        texts = [one.proto.text for one in app.get("progress")]
        assert time.monotonic() < deadline, f"the page does not come to rest: {waiting}, {texts}"
        time.sleep(pause)
        pause = min(1.5 * pause, 0.5)  # drawing takes the time of what is waited for


def html(app):
    """All markup on the page that is ours, as one text with plain spaces and without what explains terms."""
    bodies = (one.proto.body for one in app.get("html"))
    text = "\n".join(body for body in bodies if not body.startswith("<style")).replace("\u00a0", " ")
    return TERM.sub(r"\2", text)


def show(app, screen):
    """Change to a screen and wait for it."""
    app.switch_page(f"pages/{screen}.py")
    return settle(app)


def take(app, slug):
    """Open a lesson at a first visit and wait for it."""
    app.run()
    return show(app, f"lessons/{slug}")


def check(app):
    """Have an answer checked."""
    next(one for one in app.button if one.label == "Check").click()
    return html(settle(app))


def give(app, given):
    """Answer a lesson's first question."""
    field = app.text_input[0] if app.text_input else app.radio[0]
    field.set_value(given)
    return check(app)


def said(app):
    """All Markdown on the page."""
    return "\n".join(one.value for one in app.markdown)


def hold_against(app, slug, question, right, wrong):
    """A lesson's only question has a hint for the wrong answer, and its reason for the right one alone."""
    take(app, slug)
    (part,) = lesson(slug).questions
    assert part.name == question
    hint, reason = (re.sub(r"\\\{\w+\\\}", ".+", re.escape(text)) for text in (part.hint, part.why))
    assert "Not yet" in give(app, wrong)
    assert re.search(f"Hint: {hint}", said(app))
    assert not re.search(reason, said(app))
    assert "Right." in give(app, right)
    assert re.search(reason, said(app))


@pytest.fixture
def answered_by(monkeypatch):
    """Puts an object in the compute process's place, with a store of answers of its own."""

    def put(client):
        store, parts = desk.Answers(), desk.Parts()
        monkeypatch.setenv("QDEBUG_MODEL", "digits-mobilenet")
        monkeypatch.setattr(desk, "client", lambda: client)
        monkeypatch.setattr(desk, "answers", lambda: store)
        monkeypatch.setattr(desk, "parts", lambda: parts)
        return client

    return put


@pytest.fixture
def visitor(monkeypatch, tmp_path):
    """The app at a first visit, with answers of its own."""
    monkeypatch.setattr("qdebug.classroom.store.workspace", lambda: tmp_path)
    return AppTest.from_file(APP, default_timeout=PATIENCE)


@pytest.fixture(autouse=True)
def nothing_out_of_date(monkeypatch):
    """Every chart that a screen finds in the store is held against what would be drawn now."""
    find = Drawings.of

    def held_against(self, draw, *args, **options):
        kept, now = find(self, draw, *args, **options), finished(draw(*args, **options))
        same = [(one.title, plotly.io.to_json(one.content, validate=False)) for one in (kept, now)]
        assert same[0] == same[1], f"{draw.__name__} gives another picture now"
        return kept

    monkeypatch.setattr(Drawings, "of", held_against)


@pytest.fixture
def app(monkeypatch):
    """The app with its first sample, at rest on the overview."""
    monkeypatch.setenv("QDEBUG_MODEL", "digits-mobilenet")
    for name in ("QDEBUG_DATA", "QDEBUG_CALIB"):
        monkeypatch.delenv(name, raising=False)
    return settle(AppTest.from_file(APP, default_timeout=PATIENCE))
