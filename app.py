"""The frame of the app: page config, navigation, and what every screen has.

streamlit run app.py
"""

import streamlit as st

from qdebug.web import ask, frame, sidebar, state, strip, theme

st.set_page_config(page_title="qdebug", layout="wide", initial_sidebar_state="expanded")
page = frame.navigation()
theme.apply()
state.start()
ask.begin()
info = ask.need_model()
if info:
    state.is_open(info.preset)
with st.sidebar:
    sidebar.draw(info)
if info:
    strip.draw()
    with frame.around():
        page.run()
ask.watch()
