"""``samples``, ``inspect``, ``app``, and what all verbs share."""

import io
import json
import os
import re
import socket
import subprocess
import sys
import time

import pytest

import qdebug
from qdebug.cli import app
from qdebug.cli.export import TARGETS
from qdebug.cli.output import print_json, table
from qdebug.cli.program import VERBS, parse
from qdebug.cli.progress import Reporter
from qdebug.errors import UsageError
from qdebug.export import cards
from qdebug.jobs import Client
from qdebug.places import app_script, sample_names
from qdebug.results import Progress


def test_samples(cli):
    status, out, err = cli("samples", "--json")
    assert status == 0, err
    cards = {card["name"]: card for card in json.loads(out)["samples"]}
    assert tuple(sorted(cards)) == sample_names()
    assert {"title", "task", "story", "metric", "float_metric", "params"} <= cards["digits-mobilenet"].keys()
    text = cli("samples")[1]
    assert all(name in text for name in cards)


def test_inspect(cli, toy):
    status, out, err = cli("inspect", toy / "toy.pt2", "--data", toy / "toy.npz", "--json")
    assert status == 0, err
    found = json.loads(out)
    assert {"model", "digest", "source", "layers", "patterns", "not_understood"} <= found.keys()
    assert found["layers"][0] == {
        "name": "stem", "op": found["layers"][0]["op"], "weight_shape": [4, 1, 3, 3], "params": 40, "macs": 4 * 9 * 64,
    }  # fmt: skip
    assert ["stem", "body"] in [pattern["layers"] for pattern in found["patterns"]]
    text = cli("inspect", toy / "toy.pt2", "--data", toy / "toy.npz")[1]
    assert "4×1×3×3" in text
    assert "2,304" in text
    assert "stem → body" in text


def test_inspect_needs_no_data(cli, toy):
    with_data = json.loads(cli("inspect", toy / "toy.pt2", "--data", toy / "toy.npz", "--json")[1])
    status, out, err = cli("inspect", toy / "toy.pt2", "--json")
    assert status == 0, err
    for key in ("digest", "layers", "patterns", "not_understood", "params"):
        assert json.loads(out)[key] == with_data[key], key


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_has_help_with_examples_that_parse(verb, capsys):
    with pytest.raises(SystemExit) as ended:
        parse([verb, "--help"])
    assert ended.value.code == 0
    shown = capsys.readouterr().out
    assert VERBS[verb].__doc__.split("\n")[0] in shown
    for line in VERBS[verb].EXAMPLES.splitlines():
        program, *words = line.replace("'", "").split()
        assert program == "qdebug"
        assert parse(words).verb == verb


def test_the_help_of_export_names_every_target():
    named = re.split(r"[\s,;:()]+", TARGETS)
    assert set(named) >= {card.name for card in cards()}


def test_version(capsys):
    with pytest.raises(SystemExit):
        parse(["--version"])
    assert capsys.readouterr().out == f"qdebug {qdebug.__version__}\n"


@pytest.mark.parametrize(
    ("words", "near"),
    [([], "VERB"), (["sampels"], "samples"), (["inspect"], "MODEL"), (["inspect", "m", "--jsn"], "--json")],
)
def test_mistakes_in_the_words_themselves(cli, words, near):
    status, out, err = cli(*words)
    assert (status, out) == (2, "")
    assert near in err
    assert err.count("\n") == 1


def test_the_installed_command_prints_one_object_and_nothing_else(toy):
    ran = subprocess.run(
        [sys.executable, "-m", "qdebug.cli", "inspect", "toy.pt2", "--data", "toy.npz", "--json"],
        cwd=toy, capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert ran.returncode == 0, ran.stderr
    assert json.loads(ran.stdout)["model"] == "toy.pt2"
    assert all(line.startswith("qdebug: ") for line in ran.stderr.splitlines())


@pytest.mark.skipif(os.name != "posix", reason="pipes that break are POSIX")
def test_a_reader_who_has_seen_enough_is_no_fault(toy):
    ran = subprocess.run(
        f"{sys.executable} -m qdebug.cli inspect toy.pt2 --data toy.npz 2>err | true; echo ${{PIPESTATUS[0]}}",
        cwd=toy, shell=True, executable="/bin/bash", capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert ran.stdout == "0\n"
    assert "Traceback" not in (toy / "err").read_text()


def test_nan_is_null(capsys):
    print_json({"a": float("nan"), "b": float("inf"), "é": 1.5})
    assert json.loads(capsys.readouterr().out) == {"a": None, "b": None, "é": 1.5}


def test_columns_align_whatever_they_hold():
    text = table(("name", "n"), [("a", "1"), ("日本語", "−1,000"), ("é", "")], align="<>")
    assert text.splitlines() == [
        "name         n",
        "------  ------",
        "a            1",
        "日本語  −1,000",
        "é",
    ]


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.mark.parametrize(("stream", "start"), [(Terminal(), "\r"), (io.StringIO(), "qdebug: ")])
def test_progress_is_told_after_a_second(monkeypatch, stream, start):
    monkeypatch.setattr(sys, "stderr", stream)
    monkeypatch.setattr("qdebug.cli.progress.QUIET", 0.05)
    with Reporter("waiting") as reporter:
        reporter.work.step(3, 7, "counting")
        deadline = time.monotonic() + 10
        while "counting 3/7" not in stream.getvalue() and time.monotonic() < deadline:
            time.sleep(0.01)
    assert "counting 3/7" in stream.getvalue()
    assert stream.getvalue().startswith(start)
    if start == "\r":
        assert stream.getvalue().endswith("\r"), "the line must be empty for what comes next"


def test_progress_of_a_moment_is_not_told(monkeypatch):
    stream = Terminal()
    monkeypatch.setattr(sys, "stderr", stream)
    with Reporter("waiting") as reporter:
        reporter._note(Progress(done=1, total=2, text="quick"))
    assert stream.getvalue() == ""


class TestApp:
    def chosen(self, *words):
        return app.chosen(parse(["app", *map(str, words)]))

    def test_the_script_is_found_with_its_settings_beside_it(self):
        assert app_script().is_file()
        assert (app_script().parent / ".streamlit" / "config.toml").is_file()

    def test_a_sample_is_named_and_a_file_gets_its_absolute_path(self, toy, monkeypatch):
        monkeypatch.chdir(toy)
        assert self.chosen() == {}
        assert self.chosen("digits-mobilenet") == {"QDEBUG_MODEL": "digits-mobilenet"}
        assert self.chosen("toy.pt2", "--data", "toy.npz") == {
            "QDEBUG_MODEL": str((toy / "toy.pt2").resolve()),
            "QDEBUG_DATA": str((toy / "toy.npz").resolve()),
        }

    @pytest.mark.parametrize(
        ("words", "near"),
        [
            (["digits-mobilnet"], "digits-mobilenet"),
            (["digits-mobilenet", "--data", "nowhere.npz"], "nowhere.npz"),
            (["--port", "0"], "65535"),
            (["--port", "many"], "invalid int value"),
            (["--host", "999.1.1.1"], "--host"),
        ],
    )
    def test_mistakes(self, cli, words, near):
        status, out, err = cli("app", *words)
        assert (status, out) == (2, "")
        assert near in err

    def test_a_port_in_use_is_told(self):
        with socket.create_server(("127.0.0.1", 0)) as taken, pytest.raises(UsageError, match="Cannot serve"):
            app.check_address("127.0.0.1", taken.getsockname()[1])

    def test_it_becomes_the_server(self, monkeypatch, cli):
        became = {}
        ask = Client.ask
        asked = became["asked"] = []
        monkeypatch.setattr(
            Client, "ask", lambda self, request, wait: asked.append(request) or ask(self, request, wait)
        )
        monkeypatch.setattr(app, "become", lambda words, env: became.update(words=words, env=env))
        monkeypatch.setattr(app, "check_address", lambda host, port: None)
        assert cli("app", "digits-mobilenet", "--port", "8600")[0] == 0
        assert became["env"]["QDEBUG_MODEL"] == "digits-mobilenet"
        assert {"GetScore", "GetVerdict"} == {type(request).__name__ for request in became["asked"]}
        assert {"--server.address=127.0.0.1", "--server.port=8600", "--browser.gatherUsageStats=false"} <= set(
            became["words"]
        )
        assert str(app_script()) in became["words"]


@pytest.mark.parametrize("verb", ["export", "save-recipe"])
def test_what_a_command_reads_is_never_written_over(cli, tmp_path, verb):
    data = tmp_path / "data.npz"
    data.write_bytes(b"precious")
    write = ["--to", "onnx", "-o", str(data)] if verb == "export" else ["--save-recipe", str(data)]
    status, out, err = cli(verb if verb == "export" else "evaluate", "digits-resnet", "--data", str(data), *write)
    assert (status, out) == (2, "")
    assert "would overwrite what the command reads" in err
    assert data.read_bytes() == b"precious"


def test_only_files_are_written(cli, tmp_path):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    status, _, err = cli("export", "digits-resnet", "--to", "onnx", "-o", str(pipe))
    assert status == 2
    assert "no file that could be written" in err


@pytest.mark.parametrize("arguments", [["--threads", "0"], ["--simulate", "integer", "--runtime", "openvino"]])
def test_verify_refuses_what_it_cannot_do(cli, arguments):
    status, out, err = cli("verify", "digits-resnet", *arguments)
    assert (status, out) == (2, "")
    assert err.count("\n") == 1
