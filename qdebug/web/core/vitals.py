"""Whether the app is well, for whoever keeps it running; and its numbers, for this machine alone."""

from __future__ import annotations

import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

import streamlit as st
from streamlit import runtime

from qdebug.errors import QDebugError, UsageError
from qdebug.jobs.client import Client, WorkerFault
from qdebug.jobs.logs import resident
from qdebug.jobs.verbs import GetStats
from qdebug.results import CacheStats

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response
    from starlette.routing import BaseRoute

VARIABLE = "QDEBUG_METRICS_PORT"
LARGEST_PORT = 65535
AGE = 2.0
"""Seconds for which an answer about health is good enough: asking often costs nothing."""
_known: tuple[float, bool] = (-AGE, False)
_asking = threading.Lock()


def routes(client: Any) -> list[BaseRoute]:
    """``/health`` for everybody, and nothing where Streamlit tells everybody its numbers.

    Args:
        client: gives the connection to the compute process.
    """
    from starlette.concurrency import run_in_threadpool
    from starlette.responses import JSONResponse, PlainTextResponse
    from starlette.routing import Route

    async def health(request: Request) -> Response:
        well = await run_in_threadpool(answers, client)
        said = {"web": "well", "compute": "well" if well else "does not answer"}
        return JSONResponse(said, status_code=200 if well else 503, headers={"Cache-Control": "no-store"})

    async def nothing(request: Request) -> Response:
        return PlainTextResponse("Not found", status_code=404)

    base = f"/{path}" if (path := str(st.get_option("server.baseUrlPath") or "").strip("/")) else ""
    return [Route(f"{base}/health", health), Route(f"{base}/_stcore/metrics", nothing)]


def answers(client: Any) -> bool:
    """Whether the compute process answers; it is started where there is none."""
    global _known  # noqa: PLW0603 - one server to a process
    with _asking:
        if time.monotonic() - _known[0] > AGE:
            try:
                well = client().vitals() is not None
            except QDebugError:
                well = False
            _known = time.monotonic(), well
        return _known[1]


def numbers(client: Client) -> dict[str, float]:
    """Sessions, queue, cache and memory, by the names that Prometheus reads; without what does not answer."""
    found: dict[str, float] = {"qdebug_web_memory_bytes": resident(), "qdebug_compute_up": 0}
    if runtime.exists():  # Streamlit tells its page's sessions by this alone
        found["qdebug_sessions"] = sum(
            one.session.session_state is not None for one in runtime.get_instance()._session_mgr.list_active_sessions()
        )
    try:
        seen, cache = client.vitals(), client.ask(GetStats(), 1.0)
    except (QDebugError, WorkerFault):
        return found
    if seen is not None:
        found |= {
            "qdebug_compute_up": 1, "qdebug_compute_memory_bytes": seen.memory, "qdebug_answers_kept": seen.answers,
            **{f'qdebug_jobs_running{{lane="{lane}"}}': many for lane, many in seen.running.items()},
            **{f'qdebug_jobs_waiting{{lane="{lane}"}}': many for lane, many in seen.waiting.items()},
        }  # fmt: skip
    if isinstance(cache, CacheStats):
        found |= {
            "qdebug_cache_bytes": cache.bytes, "qdebug_cache_budget_bytes": cache.budget,
            "qdebug_cache_values": cache.entries, "qdebug_cache_hits_total": cache.hits,
            "qdebug_cache_misses_total": cache.misses, "qdebug_cache_evictions_total": cache.evictions,
        }  # fmt: skip
    return found


def written(found: dict[str, float]) -> str:
    """Numbers in the text format of Prometheus."""
    return "".join(f"{name} {value:g}\n" if value < 1e6 else f"{name} {value:.0f}\n" for name, value in found.items())


def listen(client: Any, port: str) -> ThreadingHTTPServer | None:
    """Tell the numbers at ``http://127.0.0.1:PORT/metrics``, to this machine alone.

    Args:
        client: gives the connection to the compute process.
        port: the port; empty for none.

    Raises:
        UsageError: it is no port, or it is in use.
    """
    if not port:
        return None
    if not (port.isascii() and port.isdigit() and int(port) <= LARGEST_PORT):
        raise UsageError(f"{VARIABLE} is '{port}'", do=f"Give a port from 1 to {LARGEST_PORT}.")

    class Teller(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            known = self.path == "/metrics"
            body = written(numbers(client())).encode() if known else b"Not found\n"
            self.send_response(200 if known else 404)
            self.send_header("Content-Type", "text/plain; version=0.0.4")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - http.server's name
            """Nothing: whoever asks asks often."""

    try:
        server = ThreadingHTTPServer(("127.0.0.1", int(port)), Teller)
    except OSError as error:
        raise UsageError(
            f"Metrics cannot be told on port {port}: {error.strerror}", do=f"Name another one in {VARIABLE}."
        ) from None
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server
