"""The app from Python: served with exactly that model, and gone when it is no longer wanted."""

import socket
import urllib.request

import pytest

import qdebug
from qdebug.results import ModelRef
from tests.networks import Residual, data_for, seeded


@pytest.fixture
def visited(monkeypatch):
    """The pages that a browser was pointed at."""
    found = []
    monkeypatch.setattr("webbrowser.open", found.append)
    return found


@pytest.mark.parametrize("options", [{}, {"part": "pw"}])
def test_a_module_is_open_in_the_app_until_it_is_stopped(visited, page, options):
    session = qdebug.open(seeded(Residual), iter([data_for(Residual, 48)]), **options)
    with session.app() as served:
        assert visited == [served.url]
        assert served.is_running and served.url in repr(served)
        page.set_default_timeout(120_000)
        page.goto(served.url)
        page.wait_for_selector(".q-strip")
        assert session.info().digest in page.locator(".q-facts").inner_text()
    assert not served.is_running
    assert "stopped" in repr(served)
    with pytest.raises(OSError):
        urllib.request.urlopen(served.url, timeout=2)
    served.stop()  # once more does nothing


def test_a_port_in_use_is_one_clear_error(visited):
    session = qdebug.open(seeded(Residual), data_for(Residual, 16))
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with pytest.raises(qdebug.QDebugError, match="Cannot serve on"):
            session.app(taken.getsockname()[1])
    assert visited == []


def test_a_server_that_does_not_start_is_one_clear_error(visited, monkeypatch):
    import sys

    from qdebug.facade import served

    monkeypatch.setattr(served, "command", lambda *_: [sys.executable, "-c", "raise SystemExit(3)"])
    with pytest.raises(qdebug.QDebugError, match="The app does not start"):
        served.serve(ModelRef(model="digits-resnet"))
    assert visited == []
