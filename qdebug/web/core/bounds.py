"""What a browser may ask of Streamlit beside running pages, and what it is told of the server: less than by default.

Streamlit's page can clear the caches of all sessions, ask for the repository that the app lies in, and have files
written beside the app; its buttons for that are not shown here, but a message needs no button. And it is told the path
of the app's script, which nothing in a browser needs. Whoever connects from another site's page would make the server
ask a host on the internet for its own address; pages of the app's own address are let in without that.
"""

from __future__ import annotations

from functools import wraps
from pathlib import PurePath
from typing import TYPE_CHECKING, Any

from streamlit import net_util
from streamlit.runtime.app_session import AppSession

if TYPE_CHECKING:
    from streamlit.proto.BackMsg_pb2 import BackMsg
    from streamlit.proto.ForwardMsg_pb2 import ForwardMsg

REFUSED = ("clear_cache", "load_git_info", "set_run_on_save")
OPERATIONS = ("install_skills", "dismiss_skills_nudge")
_MARK = "_qdebug_bounds"


def is_refused(message: BackMsg) -> bool:
    """Whether a browser's message is passed over: it would do something to others or to the server's files."""
    kind = message.WhichOneof("type")
    is_operation = kind == "backend_operation_request"
    return kind in REFUSED or (is_operation and message.backend_operation_request.WhichOneof("payload") in OPERATIONS)


def keep() -> None:
    """From now on, in all sessions of this process; a second call changes nothing.

    Raises:
        AttributeError: this Streamlit does it another way, and nobody has looked at which.
    """
    if hasattr(AppSession, _MARK):
        return
    net_util.get_external_ip = lambda: None
    hear, greet = AppSession.handle_backmsg, AppSession._create_new_session_message

    @wraps(hear)
    def handle_backmsg(self: AppSession, msg: BackMsg) -> None:
        if not is_refused(msg):
            hear(self, msg)

    @wraps(greet)
    def new_session(self: AppSession, *given: Any, **named: Any) -> ForwardMsg:
        made = greet(self, *given, **named)
        made.new_session.main_script_path = PurePath(made.new_session.main_script_path).name
        return made

    AppSession.handle_backmsg = handle_backmsg
    AppSession._create_new_session_message = new_session
    setattr(AppSession, _MARK, True)
