"""What earlier versions wrote opens: recipes, journals of sweeps, rooms with their answers, links.

The files were written by the code of three earlier days: ``first`` and ``second`` by the first versions of recipes,
``third`` by the first that had workspaces. They are never written anew: a version that changes a schema adds a folder.
"""

import shutil
from pathlib import Path

import pytest

from qdebug import recipes
from qdebug.classroom import Classroom
from qdebug.jobs.links import Links
from qdebug.recipes import BiasCorrection, CrossLayerEqualization, SmoothQuant, preset, set_layers
from qdebug.results import ModelRef
from qdebug.search.sweep.journal import Journal

HERE = Path(__file__).parent
WORKSPACES = sorted(file.parent.name for file in HERE.glob("*/sweeps.sqlite3"))


@pytest.fixture(params=WORKSPACES)
def workspace(request, tmp_path):
    """A copy: what is opened may be written to."""
    return Path(shutil.copytree(HERE / request.param, tmp_path / "workspace"))


def test_there_are_some():
    assert len(list(HERE.glob("*/recipe.yaml"))) == len(list(HERE.glob("*/recipe.json"))) == 3
    assert WORKSPACES == ["third"]


@pytest.mark.parametrize("file", sorted(HERE.glob("*/recipe.*")), ids=lambda file: f"{file.parent.name}-{file.suffix}")
def test_a_recipe_says_what_it_said(file):
    found = recipes.load(file)
    plain = set_layers(preset("w4g32a16"), {"head": preset("w8a8").default})
    assert (found.default, found.layers) == (plain.default, plain.layers)
    assert (found.embeddings, found.attention, found.between) == (plain.embeddings, plain.attention, plain.between)
    equalized, smoothed, corrected = found.fixes
    assert isinstance(equalized, CrossLayerEqualization) and equalized.iterations == 20
    assert isinstance(smoothed, SmoothQuant) and smoothed.alpha == 0.6
    assert isinstance(corrected, BiasCorrection)
    assert recipes.loads(recipes.dumps(found)) == found


def test_a_journal_keeps_what_was_measured(workspace):
    journal = Journal(workspace)
    assert journal.get("some key") == (bytes(range(48)), 1.5)
    assert journal.set_aside is None
    journal.put("another", b"12345678", 0.5)
    assert journal.get("another") == (b"12345678", 0.5)
    journal.close()


def test_a_room_keeps_its_people_and_their_answers(workspace):
    classroom = Classroom(workspace)
    room = classroom.room("monday")
    assert (room.code, room.teacher) == ("RH28AZ", "CA75UFWu2TqjCiDd")
    assert [one.name for one in classroom.participants("monday")] == ["Ann"]
    (answer,) = classroom.answers("p1").items()
    assert answer[0] == ("outliers", "alpha")
    assert classroom.teaches("t", "monday") and not classroom.teaches("p1", "monday")


def test_links_lead_where_they_led(workspace):
    links = Links(workspace)
    assert links.model(links.name_model(ModelRef(model="digits-vit"))) == ModelRef(model="digits-vit")
    assert links.recipe("5c5268dbc0333703") == recipes.load(HERE / "third" / "recipe.yaml")
