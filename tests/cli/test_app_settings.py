"""What the app is served with: the shipped settings, and that the command line holds to them whatever is in the way."""

import argparse
import tomllib
from pathlib import Path

import pytest

from qdebug.classroom import Room, tries
from qdebug.cli import app
from qdebug.errors import UsageError
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
    return app.exposed(argparse.Namespace(**{"port": 8600, "host": "0.0.0.0", "behind_proxy": None, **given}))


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


def test_behind_a_proxy_it_is_believed_whose_requests_are():
    options = argparse.Namespace(behind_proxy="https://qdebug.example.org/")
    assert app.proxied(options) == {"FORWARDED_ALLOW_IPS": "*"} and options.behind_proxy == "https://qdebug.example.org"
    assert app.proxied(argparse.Namespace(behind_proxy=None)) == {}
    room = exposed(workshop="monday", behind_proxy="https://qdebug.example.org")
    assert "Only the proxy at https://qdebug.example.org may reach it" in room and "Nothing is encrypted" not in room


@pytest.mark.parametrize("given", ["qdebug.example.org", "ftp://a", "https://", "https://a/qdebug", "https://a?b=c"])
def test_what_is_no_address_of_a_proxy_is_refused(given):
    with pytest.raises(UsageError, match="without a path"):
        app.proxied(argparse.Namespace(behind_proxy=given))


def test_the_teacher_is_told_the_proxys_address(capsys):
    app.invite(Room("monday", "ABCDE", "secret"), "https://qdebug.example.org")
    said = capsys.readouterr().err
    assert "join code ABCDE, at https://qdebug.example.org\n" in said
    assert "https://qdebug.example.org/teacher?teacher=secret" in said
    assert app.address("127.0.0.1", 8501) == "http://127.0.0.1:8501"
