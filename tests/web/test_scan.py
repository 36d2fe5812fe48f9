"""The Scan screen over the compute process: a path in, findings, tensors and charts out; mistakes in words."""

from html import unescape

import pytest
import torch
from safetensors.torch import save_file
from streamlit.testing.v1 import AppTest

from qdebug.checkpoint import scan
from qdebug.errors import RecipeError
from qdebug.web.scan import tensor_table
from qdebug.web.scan.screen import request_for
from tests.web.conftest import APP, PATIENCE, html, settle, show


@pytest.fixture
def file(tmp_path):
    torch.manual_seed(0)
    stored = {"layers.0.weight": torch.randn(32, 64), "layers.1.weight": torch.randn(48, 64), "norm": torch.ones(9)}
    stored["layers.1.weight"][3, 3] = 4000.0
    save_file(stored, tmp_path / "w.safetensors")
    return tmp_path / "w.safetensors"


@pytest.fixture
def screen():
    app = AppTest.from_file(APP, default_timeout=PATIENCE)
    app.run()
    return show(app, "scan")


def look(app, path, formats="int8-pc, nf4"):
    app.text_input(key="scan-path").set_value(str(path))
    app.text_input(key="scan-formats").set_value(formats)
    next(one for one in app.button if one.label == "Look through").click()
    return settle(app)


def test_from_a_path_to_the_tensor_that_stands_out(screen, file):
    text = unescape(html(look(screen, file)))
    found = scan(file, "int8-pc,nf4")
    assert f'q-verdict">{found.findings[0].rstrip(".")}.</h1>' in text
    assert "safetensors, 1 file, 3 tensors, 5,129 weights" in text
    assert '<code class="q-name">layers.1.weight</code>' in text
    assert {one.key for one in screen.get("plotly_chart")} == {"octaves", "losses-by-format"}
    screen.session_state["scan-tensor"] = "norm"
    assert '<code class="q-name">norm</code>' in html(settle(screen))
    assert {one.key for one in screen.get("plotly_chart")} == {"octaves"}


def test_a_file_that_was_written_anew_is_looked_at_anew(screen, file):
    look(screen, file, "none")
    save_file({"other": torch.ones(3, 4)}, file)
    assert "1 tensor, 12 weights" in html(look(screen, file, "none"))


def test_mistakes_are_said_on_the_screen(screen, tmp_path, file):
    assert "no such file or folder" in html(look(screen, tmp_path / "nowhere.gguf"))
    assert "Unknown number format 'int5x'" in unescape(html(look(screen, file, "int5x")))


def test_what_is_typed_becomes_a_question(file):
    request = request_for("~/w.gguf", " NF4, int8-pc,nf4,")
    assert request.formats == ("nf4", "int8-pc")
    assert request.path.startswith("/")
    assert "~" not in request.path
    assert request_for("/w.gguf", "none").formats == ()
    with pytest.raises(RecipeError):
        request_for("/w.gguf", "nonsense")


def test_rows_sort_by_numbers_and_show_words(file):
    data = tensor_table.data(scan(file, "nf4"), "norm")
    assert data["heads"][6:] == ["nf4, dB", ">6 RMS", "zeros"]
    assert all(len(row["cells"]) == len(data["heads"]) for row in data["rows"])
    by_name = {row["name"]: row["cells"] for row in data["rows"]}
    assert by_name["layers.1.weight"][4] == {"text": "4,000", "order": 4000.0, "bad": False}
    assert by_name["norm"][6]["order"] is None
    assert by_name["layers.0.weight"][7]["order"] == 0.0


def test_a_workshop_looks_through_no_files(monkeypatch, screen):
    monkeypatch.setattr("qdebug.web.scan.screen.workshop", lambda: "room")
    text = html(settle(screen))
    assert "In a workshop there are samples alone" in text
    assert not screen.text_input
