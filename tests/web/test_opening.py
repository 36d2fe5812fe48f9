"""Opening files from the app: uploads and paths in the dialog, its errors, and models that lack data or cannot run."""

import pytest

from qdebug.jobs import uploads
from qdebug.jobs.links import Links
from qdebug.results import ModelRef
from tests.onnx_files import write_data, write_network
from tests.web.conftest import html, settle


def button(app, label):
    return next(one for one in app.button if one.label == label)


def drop(app, key, *paths):
    """Drop files on the uploader of the dialog that has this key."""
    files = [(path.name, path.read_bytes(), "") for path in paths]
    next(one for one in app.get("file_uploader") if f"-{key}" in one.id or one.key == key).set_value(
        files if key == "open-files" else files[0]
    )
    return settle(app)


@pytest.fixture
def dialog(app):
    """The app with the dialog open."""
    button(app, "Open a file …").click()
    return settle(app)


def press_open(app, label="Open"):
    button(app, label).click()
    return settle(app)


def test_a_model_and_its_data_are_uploaded_and_open(dialog, tmp_path):
    drop(dialog, "open-files", write_network(tmp_path / "net.onnx"))
    assert "float32 [N, 3, 8, 8]" in html(dialog)
    assert "labels" in html(dialog)
    drop(dialog, "open-data-file", write_data(tmp_path / "data.npz"))
    press_open(dialog)
    ref = dialog.session_state.ref
    assert uploads.is_upload(ref.model)
    assert uploads.is_upload(ref.data)
    text = html(dialog)
    assert 'class="q-strip"' in text
    assert "32 samples" in text
    assert "of the evaluation data" in text
    assert str(uploads.folder()) not in text
    assert dialog.session_state.opening is None
    assert "net.onnx on data.npz" in dialog.selectbox(key="side-model").options


def test_a_model_without_data_shows_its_layers_and_what_it_wants(dialog, tmp_path):
    drop(dialog, "open-files", write_network(tmp_path / "net.onnx"))
    press_open(dialog, "Open without data")
    text = html(dialog)
    assert "has 2 layers" in text
    assert "Give it data" in text
    assert "float32 [N, 3, 8, 8]" in text
    assert ">head</code>" in text
    button(dialog, "Give data …").click()
    settle(dialog)
    drop(dialog, "open-data-file", write_data(tmp_path / "data.npz"))
    press_open(dialog)
    assert 'class="q-strip"' in html(dialog)


def test_a_model_without_data_is_found_again_by_the_address(dialog, tmp_path):
    drop(dialog, "open-files", write_network(tmp_path / "net.onnx"))
    press_open(dialog, "Open without data")
    name = dialog.query_params["model"]
    assert Links().model(name if isinstance(name, str) else name[0]) == dialog.session_state.ref
    assert "recipe" not in dialog.query_params


def test_open_says_what_it_lacks(dialog):
    assert "A model is an .onnx file." in html(dialog)
    press_open(dialog)
    assert "Give a model first." in html(dialog)
    assert dialog.session_state.opening is not None


def test_external_data_are_dropped_with_the_model(dialog, tmp_path):
    model = write_network(tmp_path / "net.onnx", external=True)
    drop(dialog, "open-files", model)
    assert "net.weights" in html(dialog)
    assert 'role="alert"' in html(dialog)
    drop(dialog, "open-files", model, tmp_path / "net.weights")
    assert 'role="alert"' not in html(dialog)
    assert "float32 [N, 3, 8, 8]" in html(dialog)


def test_a_damaged_file_is_one_error_and_the_form_stays(dialog, tmp_path):
    first = dialog.session_state.ref
    (tmp_path / "bad.onnx").write_bytes(write_network(tmp_path / "net.onnx").read_bytes()[:700])
    drop(dialog, "open-files", tmp_path / "bad.onnx")
    press_open(dialog, "Open without data")
    assert html(dialog).count('role="alert"') == 1
    assert "it is damaged" in html(dialog)
    assert dialog.session_state.ref == first
    assert dialog.session_state.opening is not None


@pytest.mark.parametrize(
    ("names", "said"),
    [
        (["net.pt2"], "A .pt2 is not read behind walls"),
        (["a.onnx", "b.onnx"], "more than one model"),
        (["a.bin"], "no .onnx"),
    ],
)
def test_what_is_no_model_is_refused_at_once(dialog, tmp_path, names, said):
    for name in names:
        (tmp_path / name).write_bytes(b"PK")
    drop(dialog, "open-files", *(tmp_path / name for name in names))
    assert said in html(dialog)


def test_data_that_do_not_fit_are_said_in_the_form(dialog, tmp_path):
    import numpy as np

    np.savez(tmp_path / "data.npz", y=np.zeros((4, 3, 8, 8), np.float32))
    drop(dialog, "open-files", write_network(tmp_path / "net.onnx"))
    drop(dialog, "open-data-file", tmp_path / "data.npz")
    press_open(dialog)
    text = html(dialog)
    assert "The data have a key &#x27;y&#x27;" in text
    assert "<dd>data.npz</dd>" in text
    assert "Did you mean x" in text or "Known: x" in text


def test_a_model_that_cannot_be_run_shows_its_layers_below_the_error(dialog, tmp_path):
    drop(dialog, "open-files", write_network(tmp_path / "odd.onnx", odd=True))
    drop(dialog, "open-data-file", write_data(tmp_path / "data.npz"))
    press_open(dialog)
    assert "The operator Frobnicate cannot be run" in html(dialog)
    button(dialog, "Show its layers").click()
    text = html(settle(dialog))
    assert 'role="alert"' in text
    assert "Frobnicate (opset 1)" in text
    assert ">conv</code>" in text
    assert ">head</code>" in text
    button(dialog, r"Back to digits\-mobilenet").click()
    assert 'class="q-strip"' in html(settle(dialog))


def test_a_path_that_is_wrong_leaves_no_entry_and_can_be_mended(dialog, tmp_path):
    first = dialog.session_state.ref
    dialog.get("button_group")[-1].set_value("path")
    settle(dialog)
    dialog.text_input(key="open-model").set_value(str(tmp_path / "nowhere.onnx"))
    dialog.text_input(key="open-data").set_value(str(write_data(tmp_path / "data.npz")))
    press_open(dialog)
    assert "There is no such file" in html(dialog)
    assert dialog.session_state.ref == first
    assert dialog.text_input(key="open-model").value.endswith("nowhere.onnx")
    dialog.text_input(key="open-model").set_value(str(write_network(tmp_path / "net.onnx")))
    press_open(dialog)
    assert dialog.session_state.ref == ModelRef(model=str(tmp_path / "net.onnx"), data=str(tmp_path / "data.npz"))
    assert all("nowhere" not in option for option in dialog.selectbox(key="side-model").options)
    assert 'class="q-strip"' in html(dialog)


def test_a_metric_is_asked_for_by_its_name_and_no_function_is_run_for_a_browser(dialog, tmp_path):
    dialog.get("button_group")[-1].set_value("path")
    settle(dialog)
    net, data = str(write_network(tmp_path / "net.onnx")), str(write_data(tmp_path / "data.npz"))
    mine = tmp_path / "mine.py"
    mine.write_text("raise SystemExit('it was run')\n")
    dialog.text_input(key="open-model").set_value(net)
    dialog.text_input(key="open-data").set_value(data)
    dialog.text_input(key="open-metric").set_value(f"{mine}:fn")
    press_open(dialog)
    assert "This function was not given to the app by whoever started it" in html(dialog)
    dialog.text_input(key="open-metric").set_value("mse")
    dialog.text_input(key="open-window").set_value("many")
    press_open(dialog)
    assert "Window is &#x27;many&#x27;" in html(dialog) or "Window is 'many'" in html(dialog)
    dialog.text_input(key="open-window").set_value("")
    press_open(dialog)
    assert dialog.session_state.ref == ModelRef(model=net, data=data, metric="mse")
    assert "mean squared error to float" in html(dialog)
