"""Export: the recipe as a file, whether a runtime computes the same, and how long it takes."""

import streamlit as st

from qdebug.web import export, frame, latency, verify

if info := frame.model():
    st.html('<h1 class="q-page">Export</h1>')
    export.draw()
    verify.draw(info)
    latency.draw()
