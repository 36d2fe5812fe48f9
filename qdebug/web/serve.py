"""The server of the app: Streamlit's own, told beforehand that the app sets its pages up by itself.

Streamlit takes a folder named ``pages`` for an app of its older kind until the first visitor's page has run, and tells
that visitor that a lesson's address does not exist.
"""

from __future__ import annotations

from streamlit.runtime.pages_manager import PagesManager
from streamlit.web.cli import main

if __name__ == "__main__":
    PagesManager.uses_pages_directory = False
    main(prog_name="streamlit")
