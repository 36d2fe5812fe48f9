"""Fixes: what each does, where it applies, what it buys."""

import streamlit as st

from qdebug.web import fixcards, frame

if frame.model():
    st.html('<h1 class="q-page">Fixes</h1>')
    fixcards.draw()
