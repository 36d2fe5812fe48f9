"""Where files are sent from the disk: addresses nobody guesses, links nothing slips out of, old ones forgotten."""

from pathlib import Path
from urllib.parse import urlsplit

import pytest

from qdebug.web.core import takeaway
from qdebug.web.serve import send_files


@pytest.fixture(autouse=True)
def forgotten(monkeypatch):
    monkeypatch.setattr(takeaway, "_serving", False)
    monkeypatch.setattr(takeaway, "_files", type(takeaway._files)())
    monkeypatch.setattr(takeaway, "_tokens", {})


def test_a_file_has_one_address_and_each_its_own():
    one, other = (takeaway.address(Path(f"/x/{name}")) for name in "ab")
    assert takeaway.address(Path("/x/a")) == one != other
    assert one.startswith("/media/taken/")
    assert len(urlsplit(one).path.rpartition("/")[2]) == 32
    assert "x" not in one.split("/")


def test_the_oldest_addresses_are_forgotten(monkeypatch):
    monkeypatch.setattr(takeaway, "MOST", 2)
    first = takeaway.address(Path("/x/0"))
    for name in "12":
        takeaway.address(Path(f"/x/{name}"))
    assert [path.name for path in takeaway._files.values()] == ["1", "2"]
    assert takeaway.address(Path("/x/0")) != first


def test_strangers_names_stay_text():
    evil = '"><img src=x onerror=alert(1)>'
    link = takeaway.link_html(evil, f"/media/taken/{evil}", evil)
    assert "<img" not in link
    assert link.count('"') == 6


def test_a_link_that_is_about_to_change_leads_nowhere():
    link = takeaway.link_html("Download a", "/media/taken/t", "a", disabled=True)
    assert "href" not in link
    assert 'aria-disabled="true"' in link


def test_the_server_has_the_route_before_its_own(monkeypatch):
    from streamlit.web.server.starlette import starlette_app

    monkeypatch.setattr(starlette_app, "create_streamlit_routes", lambda runtime: [runtime])
    send_files()
    first, *others, rest = starlette_app.create_streamlit_routes("own")
    assert [one.path for one in others] == ["/health", "/_stcore/metrics"]
    assert (first.path, rest) == ("/media/taken/{token}", "own")
    assert takeaway._serving
