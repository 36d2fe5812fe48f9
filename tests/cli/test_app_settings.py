"""What the app is served with: the shipped settings, and that the command line holds to them whatever is in the way."""

import argparse
import tomllib
from pathlib import Path

import pytest

from qdebug.classroom import tries
from qdebug.cli import app
from qdebug.places import app_script

SHIPPED = tomllib.loads((app_script().parent / ".streamlit" / "config.toml").read_text("utf-8"))
WANTED = {
    ("server", "address"): "127.0.0.1",
    ("server", "enableXsrfProtection"): True,
    ("server", "enableCORS"): True,
    ("server", "enableStaticServing"): False,
    ("server", "fileWatcherType"): "none",
    ("server", "maxUploadSize"): 500,
    ("client", "showErrorDetails"): "none",
    ("client", "toolbarMode"): "viewer",
    ("browser", "gatherUsageStats"): False,
}


@pytest.mark.parametrize("section, name", WANTED)
def test_the_shipped_file_is_careful(section, name):
    assert SHIPPED[section][name] == WANTED[section, name]


def test_the_command_line_says_the_same_where_a_variable_could_say_otherwise(monkeypatch):
    monkeypatch.delenv("QDEBUG_UPLOAD_MB", raising=False)
    told = dict(one[2:].split("=", 1) for one in app.command(Path("app.py"), "127.0.0.1", 8501) if one.startswith("--"))
    for (section, name), value in WANTED.items():
        if name != "toolbarMode":
            said = str(value).lower() if isinstance(value, bool) else str(value)
            assert told[f"{section}.{name}"] == said


def test_streamlit_knows_every_setting():
    from streamlit import config

    known = config.get_config_options()
    words = app.command(Path("app.py"), "127.0.0.1", 8501)
    names = [one[2:].partition("=")[0] for one in words if one.startswith("--")]
    names += [f"{section}.{name}" for section, held in SHIPPED.items() for name in held if section != "theme"]
    assert set(names) <= known.keys()


def exposed(**given):
    return app.exposed(argparse.Namespace(port=8600, host="0.0.0.0", **given))


def test_whoever_opens_the_app_to_others_is_told_what_that_exposes():
    plain = exposed(workshop=None)
    assert "open files that you can read" in plain and "8600" in plain
    room = exposed(workshop="monday")
    assert f"{tries.MOST_HERE} wrong codes a minute" in room
    assert "uploads and paths are off" in room and "Nothing is encrypted" in room


def test_nobody_else_reaches_it_unless_a_host_is_named():
    parser = argparse.ArgumentParser()
    app.add_options(parser)
    assert parser.parse_args([]).host == "127.0.0.1"
