"""What is measured answers at once: a click is one run of the page and one look at the store."""

import re

from qdebug.jobs import verbs
from qdebug.web.core import desk
from tests.web.conftest import html, settle


def test_a_click_on_what_is_measured_shows_its_score_in_one_run_and_at_most_one_question(app, monkeypatch):
    for name in ("w8a8-pc", "w8a8"):  # both are measured
        app.selectbox(key="side-preset").set_value(name)
        settle(app)
    asked, ask_worker = [], type(desk.client()).ask

    def noted(self, request, *rest, **options):
        asked.append(type(request))
        return ask_worker(self, request, *rest, **options)

    monkeypatch.setattr(type(desk.client()), "ask", noted)
    before = html(app)
    app.selectbox(key="side-preset").set_value("w8a8-pc").run()
    assert html(app) != before
    assert re.search(r'class="q-value">exact<', html(app))
    assert asked.count(verbs.GetScore) <= 1
