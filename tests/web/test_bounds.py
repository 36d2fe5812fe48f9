"""What browsers may not ask of the server, and are not told of it."""

import pytest
from streamlit import net_util
from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from streamlit.runtime.app_session import AppSession
from streamlit.web.server.starlette.starlette_websocket import _is_origin_allowed

from qdebug.web.core import bounds


class Quiet(AppSession):
    """Never begun, so there is nothing to end."""

    def __del__(self):
        """Leave it."""


@pytest.fixture
def session(monkeypatch):
    """A session whose own parts say what reached them."""
    heard = []

    def greeted(self):
        message = ForwardMsg()
        message.new_session.main_script_path = "/home/somebody/app.py"
        return message

    monkeypatch.delattr(AppSession, bounds._MARK, raising=False)  # another test may have kept them
    monkeypatch.setattr(AppSession, "handle_backmsg", lambda self, message: heard.append(message.WhichOneof("type")))
    monkeypatch.setattr(AppSession, "_create_new_session_message", greeted)
    bounds.keep()
    bounds.keep()
    yield Quiet.__new__(Quiet), heard
    delattr(AppSession, bounds._MARK)


def message(**fields):
    made = BackMsg()
    for name, value in fields.items():
        if value is None:
            getattr(made, name).SetInParent()
        else:
            setattr(made, name, value)
    return made


def test_nobody_makes_the_server_ask_the_internet(session, monkeypatch):
    asked = []
    monkeypatch.setattr(net_util, "_make_blocking_http_get", lambda *given, **named: asked.append(given))
    monkeypatch.setattr(net_util, "_external_ip", None)
    assert not _is_origin_allowed("https://elsewhere.example.org", "127.0.0.1:8501")
    assert _is_origin_allowed("https://qdebug.example.org", "qdebug.example.org")
    assert asked == []


@pytest.mark.parametrize("name", bounds.REFUSED)
def test_what_would_touch_others_is_passed_over(session, name):
    one, heard = session
    one.handle_backmsg(message(**{name: True}))
    assert heard == []


@pytest.mark.parametrize("name", bounds.OPERATIONS)
def test_nothing_is_written_beside_the_app(session, name):
    one, heard = session
    asked = BackMsg()
    getattr(asked.backend_operation_request, name).SetInParent()
    one.handle_backmsg(asked)
    assert heard == []


def test_pages_run_and_files_are_asked_for_as_before(session):
    one, heard = session
    rows = BackMsg()
    rows.backend_operation_request.dataframe_chunk.SetInParent()
    for each in (message(rerun_script=None), message(stop_script=True), message(file_urls_request=None), rows):
        one.handle_backmsg(each)
    assert heard == ["rerun_script", "stop_script", "file_urls_request", "backend_operation_request"]


def test_where_the_app_lies_is_told_nobody(session):
    assert session[0]._create_new_session_message().new_session.main_script_path == "app.py"
