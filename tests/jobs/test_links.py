"""What addresses of the app name: found again by anybody on the same workspace, and never a path."""

import pytest

from qdebug.errors import FileError
from qdebug.jobs import links as module
from qdebug.jobs.links import Links
from qdebug.recipes import CrossLayerEqualization, preset, with_fix
from qdebug.results import ModelRef

RECIPE = with_fix(preset("w4a8"), CrossLayerEqualization())
FILE = ModelRef(model="/home/ada/net.onnx", data="/home/ada/val.npz")


def test_a_recipe_and_a_model_are_found_after_a_restart(tmp_path):
    recipe, model = Links(tmp_path).name_recipe(RECIPE), Links(tmp_path).name_model(FILE)
    assert (Links(tmp_path).recipe(recipe), Links(tmp_path).model(model)) == (RECIPE, FILE)
    assert Links(tmp_path).name_recipe(RECIPE) == recipe


def test_a_sample_goes_by_its_name_and_a_file_shows_no_path(tmp_path):
    links = Links(tmp_path)
    assert links.name_model(ModelRef(model="digits-vit")) == "digits-vit"
    assert links.model("digits-vit") == ModelRef(model="digits-vit")
    for ref in (FILE, ModelRef(model="digits-vit", data="/home/ada/val.npz")):
        assert set(links.name_model(ref)) <= set("0123456789abcdef")


@pytest.mark.parametrize("name", ["", "/etc/passwd", "../digits-vit", "0" * 16, "' OR 1=1 --", "digits-vit\0"])
def test_an_address_opens_nothing_that_was_not_opened_here(tmp_path, name):
    links = Links(tmp_path)
    links.name_model(FILE)
    assert links.model(name) is None
    assert links.recipe(name) is None


def test_a_recipe_is_no_model(tmp_path):
    links = Links(tmp_path)
    assert links.model(links.name_recipe(RECIPE)) is None
    assert links.recipe(links.name_model(FILE)) is None


def test_the_oldest_is_forgotten(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "MOST", 2)
    links = Links(tmp_path)
    names = [links.name_recipe(preset(one)) for one in ("w8a8", "w4a8", "w4a16")]
    assert [links.recipe(name) is not None for name in names] == [False, True, True]


def test_a_folder_that_cannot_be_written_is_told(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(FileError, match="Addresses cannot be kept"):
        Links(tmp_path / "file").name_recipe(RECIPE)
