"""The frame of the app: page config, navigation, and what every screen has.

streamlit run app.py
"""

import streamlit as st

from qdebug.jobs import uploads
from qdebug.recipes import loads, preset
from qdebug.web import ask, frame, opening, sidebar, state, strip, theme, unopened

st.set_page_config(page_title="qdebug", layout="wide", initial_sidebar_state="expanded")
page = frame.navigation()
theme.apply()
state.start()
ask.begin()
opening.draw()
ref = state.ref()
uploads.touch((ref.model, ref.data, ref.calib))
info = None if opening.lacks_data(ref) else ask.need_model()
if info:
    state.is_open(loads(info.own_recipe) if info.own_recipe else preset(info.preset))
with st.sidebar:
    sidebar.draw(info)
if info:
    strip.draw()
    with frame.around():
        page.run()
else:
    unopened.draw(ref)
ask.watch()
