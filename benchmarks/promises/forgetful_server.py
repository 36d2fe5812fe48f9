"""The app's server, which forgets who has hung up after a second in place of Streamlit's two minutes.

What Streamlit keeps for somebody who may come back is no leak, but hides one for as long.
"""

from __future__ import annotations

import runpy

from streamlit.runtime.memory_session_storage import MemorySessionStorage

if __name__ == "__main__":
    MemorySessionStorage.__init__.__defaults__ = (128, 1)
    runpy.run_module("qdebug.web.serve", run_name="__main__")
