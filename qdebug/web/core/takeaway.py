"""Files that people take home: sent from the disk where the server is ours, by Streamlit's own button elsewhere.

Streamlit holds a download in the server's memory, and tells large ones apart by their ends and their middle alone. Here
the server reads the file while it sends it.
"""

from __future__ import annotations

import secrets
import threading
from collections import OrderedDict
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import streamlit as st

from qdebug.figures.text import escaped
from qdebug.jobs import exports
from qdebug.web.core.words import literal

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response
    from starlette.routing import BaseRoute

FOLDER = "media/taken"
"""Where the files are found below the server's address. Streamlit compresses nothing below ``media``."""
MOST = 1024
MIME = "application/octet-stream"
_lock = threading.Lock()
_files: OrderedDict[str, Path] = OrderedDict()
_tokens: dict[Path, str] = {}
_serving = False


def button(file: Path, name: str, key: str, *, disabled: bool = False) -> None:
    """The button that takes a file home.

    Args:
        file: where it lies; it may be gone when somebody clicks.
        name: what it is to be called.
        key: of the widget.
        disabled: whether another file is about to come in its place.
    """
    label = f"Download {name}"
    if not _serving:
        st.download_button(
            literal(label), partial(exports.read, file), name, MIME, key=key, on_click="ignore", type="primary",
            disabled=disabled,
        )  # fmt: skip
        return
    with st.container(key=key):
        st.html(link_html(label, address(file), name, disabled=disabled), width="content")


def link_html(label: str, url: str, name: str, *, disabled: bool = False) -> str:
    """A link that looks like a button; without an address while it is disabled."""
    if disabled:
        return f'<a class="q-take" role="link" aria-disabled="true">{escaped(label)}</a>'
    return f'<a class="q-take" href="{escaped(url)}" download="{escaped(name)}">{escaped(label)}</a>'


def address(file: Path) -> str:
    """Where the server sends the file from: a name that nobody guesses, the same while the server runs."""
    with _lock:
        token = _tokens.setdefault(file, secrets.token_urlsafe(24))
        _files[token] = file
        _files.move_to_end(token)
        while len(_files) > MOST:
            _tokens.pop(_files.popitem(last=False)[1], None)
    return f"{_base()}/{FOLDER}/{token}"


def route() -> BaseRoute:
    """What the server answers such addresses with; from now on buttons lead to it."""
    from starlette.routing import Route

    global _serving  # noqa: PLW0603 - one server to a process
    _serving = True
    return Route(f"{_base()}/{FOLDER}/{{token}}", _send, methods=["GET"])


async def _send(request: Request) -> Response:
    from starlette.responses import FileResponse, PlainTextResponse

    with _lock:
        file = _files.get(request.path_params["token"])
    if file is None or not file.is_file():
        return PlainTextResponse("The file is gone. Write it again.", status_code=404)
    kept = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}
    return FileResponse(file, filename=file.name, media_type=MIME, headers=kept)


def _base() -> str:
    """The path that the server's addresses begin with; empty, or with a slash before it."""
    path = str(st.get_option("server.baseUrlPath") or "").strip("/")
    return f"/{path}" if path else ""
