"""The server of the app: Streamlit's own, told some things beforehand.

The app sets its pages up by itself: Streamlit takes a folder named ``pages`` for an app of its older kind until the
first visitor's page has run, and tells that visitor that a lesson's address does not exist. And files that people take
home are sent from the disk. Where on the server the app lies is told nobody.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from streamlit.runtime.pages_manager import PagesManager
from streamlit.web.cli import main
from streamlit.web.server.starlette import starlette_app

from qdebug.web.core import bounds, desk, takeaway, vitals

if TYPE_CHECKING:
    from starlette.routing import BaseRoute


def send_files() -> None:
    """Put the ways to files and health before Streamlit's own; without one of its names all stays as it is."""
    own = getattr(starlette_app, "create_streamlit_routes", None)
    if own is None:
        return

    def routes(*given: Any, **named: Any) -> list[BaseRoute]:
        return [takeaway.route(), *vitals.routes(desk.client), *own(*given, **named)]

    starlette_app.create_streamlit_routes = routes


def serve() -> None:
    """Serve until told to stop; the command line is Streamlit's."""
    PagesManager.uses_pages_directory = False
    bounds.keep()
    send_files()
    vitals.listen(desk.client, os.environ.get(vitals.VARIABLE, ""))
    main(prog_name="streamlit")


if __name__ == "__main__":
    serve()
