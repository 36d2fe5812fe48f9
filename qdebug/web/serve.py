"""The server of the app: Streamlit's own, told two things beforehand.

The app sets its pages up by itself: Streamlit takes a folder named ``pages`` for an app of its older kind until the
first visitor's page has run, and tells that visitor that a lesson's address does not exist. And files that people take
home are sent from the disk.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from streamlit.runtime.pages_manager import PagesManager
from streamlit.web.cli import main
from streamlit.web.server.starlette import starlette_app

from qdebug.web.core import takeaway

if TYPE_CHECKING:
    from starlette.routing import BaseRoute


def send_files() -> None:
    """Put the way to exported files before Streamlit's own; without one of these names it keeps to its button."""
    own = getattr(starlette_app, "create_streamlit_routes", None)
    if own is None:
        return

    def routes(*given: Any, **named: Any) -> list[BaseRoute]:
        return [takeaway.route(), *own(*given, **named)]

    starlette_app.create_streamlit_routes = routes


if __name__ == "__main__":
    PagesManager.uses_pages_directory = False
    send_files()
    main(prog_name="streamlit")
