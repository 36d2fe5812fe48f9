"""Fixes: what each does, where it applies, what it buys."""

import streamlit as st

from qdebug.web.fixes import fix_cards
from qdebug.web.shell import frame

if frame.model():
    st.html('<h1 class="q-page">Fixes</h1>')
    fix_cards.draw()
