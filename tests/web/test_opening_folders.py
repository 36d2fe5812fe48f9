"""A Hugging Face folder on the server's disk, opened with its text from the dialog."""

from tests.doors.huggingface import zoo
from tests.web.conftest import html, settle
from tests.web.test_opening import button, dialog, press_open  # noqa: F401 - a fixture


def named(app, model, data=""):
    """The dialog's second way, filled."""
    app.get("button_group")[-1].set_value("path")
    settle(app)
    app.text_input(key="open-model").set_value(str(model))
    app.text_input(key="open-data").set_value(str(data))
    return press_open(app)


def test_a_folder_and_a_text_are_open(dialog, tmp_path):  # noqa: F811
    (tmp_path / "story.txt").write_text(zoo.STORY, "utf-8")
    named(dialog, zoo.save("llama", tmp_path / "llama"), tmp_path / "story.txt")
    text = html(dialog)
    assert 'class="q-strip"' in text
    assert "perplexity" in text
    assert "llama on story.txt" in dialog.selectbox(key="side-model").options


def test_without_data_it_shows_its_layers_and_asks_for_text(dialog, tmp_path):  # noqa: F811
    named(dialog, zoo.save("bert", tmp_path / "bert"))
    text = html(dialog)
    assert "has 14 layers" in text
    assert "int64 [N, ?]" in text
    assert "Or text: a .jsonl with" in text
    assert button(dialog, "Give data …")


def test_what_is_wrong_with_a_folder_is_said_in_the_dialog(dialog, tmp_path):  # noqa: F811
    folder = zoo.save("opt", tmp_path / "opt")
    (folder / "model.safetensors").unlink()
    named(dialog, folder, tmp_path / "none.jsonl")
    text = html(dialog)
    assert 'role="alert"' in text
    assert "There is no such file" in text
