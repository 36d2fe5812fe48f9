"""The frame of the app: page config, navigation, and what every screen has.

streamlit run app.py
"""

import streamlit as st

from qdebug.jobs import uploads
from qdebug.recipes import loads, preset
from qdebug.web.core import address, ask, chart, left, participant, state, theme
from qdebug.web.lessons import catalogue
from qdebug.web.opening import dialog, unopened
from qdebug.web.shell import frame, keys, sidebar, strip, tour
from qdebug.web.workshop import joining

left.pass_over()
st.set_page_config(page_title="qdebug", layout="wide", initial_sidebar_state="auto")
page = frame.navigation()
theme.apply()
state.start()
ask.begin()
participant.identify()
chart.savable()
if not joining.is_in():
    st.stop()
address.read()
joining.keep_to_samples()
dialog.draw()
if frame.is_alone(page):
    if page.url_path != frame.SCAN:
        with st.sidebar:
            catalogue.aside()
    with frame.around():
        page.run()
else:
    ref = state.ref()
    uploads.touch((ref.model, ref.data, ref.calib))
    info = None if dialog.lacks_data(ref) else ask.need_model()
    if info:
        state.is_open(loads(info.own_recipe) if info.own_recipe else preset(info.preset))
    with st.sidebar:
        sidebar.draw(info)
    if info:
        strip.draw()
        address.draw_problem()
        frame.follow()
        keys.draw(info)
        tour.begin(page)
        tour.draw()
        with frame.around():
            page.run()
        address.write(info)
    else:
        address.draw_problem()
        unopened.draw(ref)
        if dialog.lacks_data(ref):
            address.write(None)
ask.watch()
