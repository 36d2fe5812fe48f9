"""What each room offers: every name in ``__all__`` is there, documented, and nothing else is public by accident."""

import importlib
import inspect
import types

import pytest

ROOMS = [
    "calibrate", "checkpoint", "cli", "doors", "engine", "facade", "figures", "formats", "graph", "jobs", "measure",
    "methods", "quantize", "recipes", "results", "session", "targets",
]  # fmt: skip
PACKAGE = {"QDebugError", "Recipe", "Session", "open", "preset", "scan"}


def test_the_package_offers_what_the_readme_shows():
    import qdebug

    assert set(qdebug.__all__) == PACKAGE
    assert all(getattr(qdebug, name) is not None for name in PACKAGE)
    with pytest.raises(AttributeError, match="no attribute 'opne'"):
        _ = qdebug.opne


@pytest.mark.parametrize("room", ROOMS)
def test_every_name_a_room_offers_is_there_and_documented(room):
    module = importlib.import_module(f"qdebug.{room}")
    assert module.__doc__
    assert module.__all__
    for name in module.__all__:
        value = getattr(module, name)
        if inspect.isclass(value) or inspect.isroutine(value):
            assert inspect.getdoc(value), f"qdebug.{room}.{name} says nothing of itself"


@pytest.mark.parametrize("room", ROOMS)
def test_a_room_offers_all_of_what_it_imports_into_its_door(room):
    module = importlib.import_module(f"qdebug.{room}")
    visible = {
        name
        for name, value in vars(module).items()
        if not name.startswith("_") and not isinstance(value, types.ModuleType) and name != "annotations"
    }
    assert visible - {"TYPE_CHECKING"} <= set(module.__all__)


def test_every_error_crosses_by_name():
    from qdebug import errors

    tree = {
        value for value in vars(errors).values() if inspect.isclass(value) and issubclass(value, errors.QDebugError)
    }
    assert set(errors.BY_NAME.values()) == tree
    for kind in tree:
        error = kind("What", do="Do", file="f", layer=None)
        assert str(error) == "What (file f). Do"
        assert error.where == {"file": "f"}
