"""A report opened from the disk without a network, on a desk, on a phone and on paper."""

import re

import pytest
from axe_playwright_python.sync_playwright import Axe

from qdebug.report.diff_page import diff_page
from qdebug.report.page import page as write
from tests.report import values
from tests.report.test_diff import diff

SIZES = ((1440, 900, "light"), (390, 844, "dark"))


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("report")


@pytest.fixture(scope="module")
def file(folder):
    place = folder / "report.html"
    place.write_text(write(values.report("blocks.0.depthwise", group_name=values.NASTY)), encoding="utf-8")
    return place


@pytest.fixture(scope="module")
def difference(folder):
    place = folder / "diff.html"
    place.write_text(diff_page(diff("blocks.0.depthwise")), encoding="utf-8")
    return place


@pytest.fixture
def opened(browser, file):
    """The file in a fresh page without a network, and what it asked for and complained of."""
    context = browser.new_context(viewport={"width": 1440, "height": 900}, offline=True)
    page, asked, said = context.new_page(), [], []
    page.on("request", lambda request: asked.append(request.url))
    page.on("console", lambda message: said.append(message.text))
    page.on("pageerror", lambda error: said.append(str(error)))
    page.goto(file.as_uri())
    yield page, asked, said
    context.close()


DRAWN = "[...document.querySelectorAll('[data-chart]')].map(one => one.querySelectorAll('.main-svg .trace').length)"
CUT = """[...document.querySelectorAll('h1, h2, h3, p, dd, figcaption, [data-chart]')]
    .filter(one => one.getBoundingClientRect().right > innerWidth + 1 && !one.closest('.wide'))
    .map(one => one.textContent.slice(0, 40))"""


@pytest.mark.parametrize(("name", "charts"), [("report.html", 5), ("diff.html", 2)])
def test_it_opens_without_a_network_is_whole_and_open_to_everybody(opened, file, difference, name, charts):
    page, asked, said = opened
    page.goto((file.parent / name).as_uri())
    for width, height, scheme in SIZES:
        page.set_viewport_size({"width": width, "height": height})
        page.emulate_media(color_scheme=scheme)
        page.wait_for_function(
            "width => [...document.querySelectorAll('.main-svg')].every(one => one.clientWidth < width)", arg=width
        )
        drawn = page.evaluate(DRAWN)
        assert len(drawn) >= charts
        assert all(drawn), drawn
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        assert page.evaluate(CUT) == []
        faults = Axe().run(page).response["violations"]
        assert [(one["id"], one["nodes"][0]["html"][:120]) for one in faults] == []
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(20, 24, 29)"
    assert {url.split(":")[0] for url in asked} <= {"file", "data"}
    assert {url for url in asked if url.startswith("file")} == {file.as_uri(), (file.parent / name).as_uri()}
    assert said == []


def test_it_can_be_printed_from_a_phone_at_night(opened):
    """Paper is white and wide: charts are drawn anew for it, and back again."""
    page, _, said = opened
    page.set_viewport_size({"width": 390, "height": 844})
    page.emulate_media(color_scheme="dark")
    page.wait_for_function("document.querySelector('.main-svg').clientWidth < 390")
    page.evaluate("""addEventListener('beforeprint', () => {
        window.printed = [...document.querySelectorAll('.main-svg')].map(one => one.clientWidth);
        window.ink = document.querySelector('.main-svg text').style.fill;
    })""")
    paper = page.pdf(format="A4", print_background=True)
    pages = len(re.findall(rb"/Type\s*/Page\b", paper))
    assert 2 <= pages <= 8
    assert max(page.evaluate("window.printed")) > 600
    assert page.evaluate("window.ink") == "rgb(93, 104, 117)"
    assert page.evaluate("document.querySelector('.main-svg').clientWidth") < 390
    assert said == []


def test_the_data_can_be_saved_as_json(browser, file):
    context = browser.new_context(offline=True, accept_downloads=True)
    page = context.new_page()
    page.goto(file.as_uri())
    with page.expect_download() as awaited:
        page.get_by_role("button", name="Save the data as JSON").click()
    name, content = awaited.value.suggested_filename, awaited.value.path().read_text("utf-8")
    context.close()
    assert name == "net.json"
    assert '"digest": "d1d2d3d4"' in content
