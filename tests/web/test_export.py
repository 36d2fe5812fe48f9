"""The Export screen: files, verification and latency, each only after a click, and shown again without one."""

import pytest
from streamlit.testing.v1 import AppTest

from qdebug.errors import ModelError
from qdebug.jobs.client import Running
from qdebug.jobs.verbs import GetExport, GetLatency, GetTargets, GetUnsaid, GetVerified
from qdebug.recipes import parse_plan, preset, set_layers
from qdebug.results import Exported, ModelRef, Progress, Saturation, TargetCard
from qdebug.web.core.state import History
from qdebug.web.editing import edits
from qdebug.web.export import latency, screen, verified, verify
from tests.figures import values as drawn
from tests.web.conftest import html, settle, show
from tests.web.test_screens import button, recipe

REF = ModelRef(model="digits-mobilenet")
CARDS = (
    *(TargetCard(name=one, title=one.upper(), suffix=".json") for one in ("onnx", "nncf", "refuses")),
    TargetCard(name="gptq", title="GPTQ", suffix="", from_folder=True),
)
EVIL = "<img src=x onerror=alert(1)>"


class Answering:
    """Answers by the kind of question; counts what it is asked."""

    restarts = 0

    def __init__(self, place):
        self.place = place
        self.asked = []
        self.answers = {
            GetTargets: CARDS,
            GetUnsaid: ("Ends stay float.",),
            GetVerified: drawn.verified(drawn.tensor("a"), drawn.tensor("b", 24)),
            GetLatency: drawn.latency(drawn.layer_time("a", 2e-4, 1e-4)),
        }

    def ask(self, request, wait=0.4, *, asker="", seen=""):
        self.asked.append(request)
        if isinstance(request, GetExport):
            if request.target == "refuses":
                raise ModelError("This tool cannot have it", do="Choose another.")
            path = self.place / f"{request.target}.file"
            path.write_bytes(b"content")
            return Exported(path=str(path), opset=20, added=42, gone=("x",), unsaid=("All of it.",), bytes=7)
        return self.answers[type(request)]

    def cancel(self, job, *, asker=""):
        self.answers[GetVerified] = drawn.verified(drawn.tensor("a"))

    def count(self, kind):
        return sum(isinstance(one, kind) for one in self.asked)


def page():
    """The screen alone, as the frame would run it."""
    import streamlit as st

    from qdebug.web.core import ask, state
    from qdebug.web.export import latency, screen, verify
    from tests.web.values import model

    state.start()
    ask.begin()
    screen.draw(model(source=st.session_state.get("source", "onnx")))
    verify.draw(model())
    latency.draw()
    ask.watch()


@pytest.fixture
def client(answered_by, tmp_path):
    return answered_by(Answering(tmp_path))


@pytest.fixture
def bench(client):
    return AppTest.from_function(page, default_timeout=20).run()


def change(bench, new):
    bench.session_state.histories = {REF: History((new,))}
    return bench.run()


def press(bench, label):
    button(bench, label).click()
    bench.run()
    assert not bench.exception
    return bench


def labels(bench):
    return {one.label for one in bench.button}


def test_nothing_is_started_without_a_click(bench, client):
    assert {type(one) for one in client.asked} == {GetTargets}
    assert {"Write the file", "Verify", "Measure"} <= labels(bench)
    assert not bench.get("plotly_chart")
    assert not bench.get("download_button")


def test_a_written_file_is_described_and_can_be_taken_home(bench, client):
    text = html(press(bench, "Write the file"))
    for part in ("onnx.file", "7 B", "20, 42 nodes added", "1 name, computed beforehand: x", "w8a8 per tensor",
                 "1 thing the recipe says and the file cannot", "All of it."):  # fmt: skip
        assert part in text, part
    (download,) = bench.get("download_button")
    assert download.proto.label == "Download onnx\\.file"  # Markdown: the name stands for itself
    assert not download.proto.disabled
    assert "Write the file" not in labels(bench)
    assert client.count(GetExport) == 1


def test_what_was_clicked_is_shown_again_for_its_recipe_and_no_other(bench, client):
    for label in ("Write the file", "Verify", "Measure"):
        press(bench, label)
    kinds = (GetExport, GetVerified, GetLatency)
    assert [client.count(kind) for kind in kinds] == [1, 1, 1]
    change(bench, preset("w4a8"))
    assert {"Write the file", "Verify", "Measure"} <= labels(bench)
    assert "comes close to what you saw" not in html(bench)
    change(bench, preset("w8a8"))
    assert "comes close to what you saw" in html(bench)
    assert "2.00 times as fast as float here<" in html(bench)
    assert len(bench.get("download_button")) == 1
    assert [client.count(kind) for kind in kinds] == [1, 1, 1]


def test_folders_are_offered_where_the_model_came_from_one(bench, client):
    assert bench.selectbox(key="export-target").options == ["ONNX", "NNCF", "REFUSES"]
    bench.session_state.source = screen.FOLDERS
    bench.run()
    bench.selectbox(key="export-target").set_value("gptq").run()
    text = html(bench)
    assert "What it will not say" in text
    assert "Ends stay float." in text
    assert client.count(GetExport) == 0
    assert "Ends stay float." not in html(press(bench, "Write the folder"))
    (download,) = bench.get("download_button")
    assert download.proto.label == "Download gptq\\.file"


def test_a_folder_that_says_all_is_told_so():
    assert "By its formats it can say all of the recipe" in screen.beforehand_html(())
    assert EVIL not in screen.beforehand_html((EVIL,))


def test_an_archive_lists_what_it_holds():
    written = Exported(path="/x/net.zip", bytes=1, holds=("config.json", "model.safetensors"))
    assert "<dt>holds</dt><dd>config.json and model.safetensors</dd>" in screen.file_html(written, preset("w8a8"))
    assert "<dt>holds" not in screen.file_html(Exported(path="/x/a.onnx", bytes=1), preset("w8a8"))


def test_a_refusal_is_told_in_its_place_and_the_rest_works(bench, client):
    bench.selectbox(key="export-target").set_value("refuses").run()
    text = html(press(bench, "Write the file"))
    assert "This tool cannot have it" in text
    assert "Choose another." in text
    assert not bench.get("download_button")
    assert "98.8 % of 2,000 codes" in html(press(bench, "Verify"))
    bench.selectbox(key="export-target").set_value("nncf").run()
    assert "This tool cannot have it" not in html(bench)
    assert len(press(bench, "Write the file").get("download_button")) == 1


def test_a_runtime_that_is_not_installed_is_told_in_its_place(bench, client):
    fine = client.answers[GetVerified]
    client.answers[GetVerified] = None
    client.ask, plain = lambda request, wait=0.4, *, asker="", seen="": refuse(request), client.ask

    def refuse(request):
        if isinstance(request, GetVerified):
            raise ModelError("OpenVINO is not installed", do="pip install 'qdebug[runtimes]'.")
        return plain(request)

    bench.selectbox(key="verify-runtime").set_value("openvino").run()
    text = html(press(bench, "Verify"))
    assert "OpenVINO is not installed" in text
    assert "pip install" in text
    client.ask, client.answers[GetVerified] = plain, fine
    assert "comes close to what you saw" not in text
    assert "comes close to what you saw" in html(press(bench, "Try again"))


def test_a_file_that_was_removed_is_written_again(bench, client):
    press(bench, "Write the file")
    (client.place / "onnx.file").unlink()
    bench.run()
    assert "has been removed meanwhile" in html(bench)
    assert not bench.get("download_button")
    press(bench, "Write it again")
    assert len(bench.get("download_button")) == 1


def test_the_runtime_and_the_simulation_are_part_of_the_question(bench, client):
    bench.selectbox(key="verify-runtime").set_value("openvino")
    bench.segmented_control(key="verify-simulation").set_value("integer").run()
    assert "integer arithmetic, sums and roundings" in html(bench)
    press(bench, "Verify")
    (asked,) = (one for one in client.asked if isinstance(one, GetVerified))
    assert (asked.runtime, asked.simulation) == ("openvino", "integer")
    bench.selectbox(key="verify-runtime").set_value("onnxruntime").run()
    assert "Verify" in labels(bench)


def test_a_verification_shows_the_finding_the_chart_and_the_table(bench):
    text = html(press(bench, "Verify"))
    assert "98.8 % of 2,000 codes equal, at most 1 apart, same predictions on 540 of 540 samples" in text
    for part in (
        "99.6 %",
        "98.9 %",
        "98.7 %",
        "in ONNX Runtime",
        "2 QLinearConv",
        "opset 20, 326 kB",
        "Why this matters",
    ):
        assert part in text, part
    assert len(bench.get("plotly_chart")) == 1
    assert text.index('title="a"') < text.index('title="b"')
    bench.segmented_control(key="verify-order").set_value("worst").run()
    assert html(bench).index('title="b"') < html(bench).index('title="a"')


def test_progress_and_a_way_out(bench, client):
    client.answers[GetVerified] = Running(
        job="j", progress=Progress(done=1, total=4, text="comparing codes"), seconds=1.0
    )
    press(bench, "Verify")
    assert bench.get("progress")[0].proto.text == "comparing codes · 1 of 4"
    press(bench, "Cancel")
    assert "Cancelled" in html(bench)
    asked = client.count(GetVerified)
    bench.run()
    assert client.count(GetVerified) == asked
    assert "all 1,000 codes equal" in html(press(bench, "Measure again"))


def test_latency_is_measured_anew_when_asked_and_says_when_it_is_slower(bench, client):
    press(bench, "Measure")
    assert "q-bad" not in html(bench)
    client.answers[GetLatency] = drawn.latency(
        ratio=1.7, finding="Slower than float: it takes 1.70 times as long here."
    )
    text = html(press(bench, "Measure again"))
    assert 'class="q-found q-bad">Slower than float' in text
    assert "1.68 – 1.72" in text
    assert [one.turn for one in client.asked if isinstance(one, GetLatency)] == [0, 1]
    bench.run()
    assert client.count(GetLatency) == 2


def test_integers_between_layers_are_one_click_away():
    w8 = preset("w8a8-pc")
    assert edits.with_integers(w8) == preset("w8a8-pc-all")
    assert edits.with_integers(preset("w8a8-pc-all")) is None
    assert edits.with_integers(preset("w4a16")) is None
    mixed = set_layers(w8, {"head": parse_plan("w4a8")})
    assert edits.with_integers(mixed).layers == mixed.layers
    assert "activations between layers and biases in float" in screen.integers_note(w8)


def test_on_the_real_screen_a_recipe_goes_home_and_undo_leads_back(app):
    show(app, "export")
    assert "activations between layers" in html(app)
    button(app, "Integers everywhere").click()
    settle(app)
    assert recipe(app) == edits.with_integers(preset("w8a8"))
    assert "Integers everywhere" not in labels(app)
    button(app, "Undo").click()
    settle(app)
    assert recipe(app) == preset("w8a8")
    app.selectbox(key="export-target").set_value("nncf")
    app.run()
    assert "Integers everywhere" not in labels(app), "what other tools do between layers is theirs"
    button(app, "Write the file").click()
    settle(app)
    assert "q-problem" not in html(app)
    assert len(app.get("download_button")) == 2  # the recipe in the sidebar, and this
    app.selectbox(key="export-target").set_value("onnxruntime")
    app.run()
    button(app, "Write the file").click()
    settle(app)
    assert "this model has none" in html(app)


def test_where_things_ran_and_what_could_saturate():
    found = drawn.verified(
        drawn.tensor("a"), findings=("Odd.",), float_layers=("b", "c"), unsaid=("Not said.",),
        saturation=(Saturation(layer="d", pairs=1200, saturating=3), Saturation(layer="e", pairs=5, saturating=0)),
    )  # fmt: skip
    text = verified.remarks_html(found)
    for part in ("Findings", "Odd.", "2 layers ran in float though quantized", "Not said.", "d: 3 of 1,200 pairs",
                 "In 1 layer sums", "whether this one has it is not known"):  # fmt: skip
        assert part in text, part
    assert "e: 0" not in text
    assert "cut them off" in verified.saturation_note(False)
    assert "This CPU has VNNI" in verified.saturation_note(True)
    named = drawn.verified(findings=("2 layers ran in floats: b, c.",), float_layers=("b", "c"))
    assert "though quantized" not in verified.remarks_html(named), "the finding names them already"
    assert verified.remarks_html(drawn.verified()) == ""
    assert "q-scroll" not in verified.remarks_html(drawn.verified(findings=("A sentence.",))), "sentences are not cut"


def test_rows_have_their_kernels_and_long_tables_end():
    rows = [drawn.tensor(str(one), kernel="float" if one else "MatMulNBits") for one in range(verified.MOST_ROWS + 3)]
    text = verified.table_html(tuple(rows), "float_", "graph")
    assert text.count("<tr>") == verified.MOST_ROWS + 1
    assert "and 3 more" in text
    assert '<span class="q-pill p4">MatMulNBits</span>' in text
    assert '<span class="q-pill p32">float</span>' in text


def test_strangers_names_stay_text():
    one = drawn.tensor(EVIL, 1, kernel=EVIL)
    found = drawn.verified(one, findings=(EVIL,), float_layers=("other",), unsaid=(EVIL,), version=EVIL,
                           kernels={EVIL: 1}, saturation=(Saturation(layer=EVIL, pairs=2, saturating=1),))  # fmt: skip
    written = Exported(path=f"/x/{EVIL}", opset=1, gone=(EVIL,), renamed={EVIL: EVIL}, unsaid=(EVIL,), bytes=1)
    pieces = [
        verified.table_html((one,), "float_", "graph"), verified.remarks_html(found), verify.metric_html(found),
        screen.file_html(written, preset("w8a8")), screen.unsaid_html(written),
        latency.times_html(drawn.latency(version=EVIL)),
    ]  # fmt: skip
    for piece in pieces:
        assert EVIL not in piece
        assert "&lt;img" in piece


def test_threads_to_choose_from():
    assert [latency.thread_counts(cores) for cores in (1, 2, 6, 32)] == [[1], [1, 2], [1, 2, 4, 6], [1, 2, 4, 8, 32]]
