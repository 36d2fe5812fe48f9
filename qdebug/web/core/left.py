"""Pages that were left: what their fragments still ask for is passed over.

A fragment that is drawn by a timer has the browser ask for it, and name the page it is on. If a click led elsewhere a
moment before, the browser does not know it yet. Streamlit 1.67 answers all the same: it goes back to the page that was
left, finds no such fragment there, draws nothing, and the browser empties the page. And where the change of page still
waits for its turn, the later request takes its place. Both happen on a busy machine, to one click in ten.
"""

from __future__ import annotations

from functools import wraps
from typing import Any

from streamlit.runtime.scriptrunner import ScriptRunner
from streamlit.runtime.scriptrunner_utils.script_requests import RerunData, ScriptRequests, ScriptRequestType

_MARK = "_qdebug_passes_over"


def is_stale(asked: RerunData, page: str) -> bool:
    """Whether only parts of a page are asked for which is not the page that is shown.

    Args:
        asked: what the browser asks for.
        page: the hash of the page that is shown or about to be; empty before the first.
    """
    parts = asked.fragment_id or asked.fragment_id_queue
    return bool(parts and page and asked.page_script_hash and asked.page_script_hash != page)


def pass_over() -> None:
    """From now on, in all sessions of this process; a second call changes nothing."""
    if not hasattr(ScriptRequests, _MARK):
        _wrap_requests()
        _wrap_runs()
        setattr(ScriptRequests, _MARK, True)


def _wrap_requests() -> None:
    plain = ScriptRequests.request_rerun

    @wraps(plain)
    def request_rerun(self: ScriptRequests, new_data: RerunData) -> bool:
        # Read without the lock, as Streamlit reads it where it yields: a change of page comes from the script's thread,
        # and one that comes a moment later than this look is caught where the part would be run.
        waiting = self._rerun_data if self._state is ScriptRequestType.RERUN else None
        if waiting and not waiting.fragment_id_queue and is_stale(new_data, waiting.page_script_hash):
            return True
        return plain(self, new_data)

    ScriptRequests.request_rerun = request_rerun


def _wrap_runs() -> None:
    plain: Any = ScriptRunner._run_script

    @wraps(plain)
    def run_script(self: Any, rerun_data: RerunData) -> None:
        if not is_stale(rerun_data, self._get_script_run_ctx().page_script_hash):
            plain(self, rerun_data)

    ScriptRunner._run_script = run_script
