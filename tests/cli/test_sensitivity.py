"""``qdebug sensitivity``: the table, the contract, and that an interrupted measurement goes on."""

import json
import os
import signal
import subprocess
import sys

import pytest


@pytest.fixture(autouse=True)
def workspace(tmp_path, monkeypatch):
    monkeypatch.setenv("QDEBUG_WORKSPACE", str(tmp_path))
    return tmp_path


@pytest.fixture
def measure(cli, toy):
    def run(*more):
        return cli("sensitivity", toy / "toy.pt2", "--data", toy / "toy.npz", "--formats", "w4a8,w8a8", *more)

    return run


def test_the_contract(measure):
    status, out, err = measure("--mode", "exact", "--leave-one-out", "--json")
    assert status == 0
    found = json.loads(out)
    assert {"forward_seconds", "seconds", "rows"} <= found.keys()
    for row in found["rows"]:
        assert {"layer", "format", "predicted", "exact", "seconds"} <= row.keys()
        assert row["exact"] >= 0 and row["n"] == 300 and row["without"] >= 0
    assert [one["format"] for one in found["whole"]] == ["w4a8", "w8a8"]
    assert found["plan"]["items"] == 3 * 2 * 2 + 2
    assert "measuring 14 recipes takes" in err and "float passes" in err


def test_the_second_time_nothing_is_measured(measure, workspace):
    first, second = (json.loads(measure("--mode", "exact", "--json")[1]) for _ in range(2))
    assert first["plan"]["kept"] == 0 < second["plan"]["kept"]
    assert second["plan"]["passes"] == 0
    assert [row["exact"] for row in first["rows"]] == [row["exact"] for row in second["rows"]]
    assert list(workspace.iterdir())


def test_without_a_journal_nothing_is_kept(measure, workspace):
    status, _, _ = measure("--mode", "exact", "--no-journal")
    assert status == 0 and not list(workspace.iterdir())


def test_the_table_says_how_sure_the_order_is(measure):
    status, out, _ = measure("--mode", "exact", "--until", "order")
    assert status == 0
    assert "order    settled, 95.0\N{NO-BREAK SPACE}% sure" in out
    assert "samples" in out


@pytest.mark.parametrize("option", [
    ["--until", "order"], ["--leave-one-out"], ["--cores", "2"], ["--resume"], ["--no-journal"], ["--cluster", "auto"],
])  # fmt: skip
def test_options_of_measuring_need_it(measure, option):
    status, _, err = measure(*option)
    assert status == 2 and "Add --mode exact" in err


@pytest.mark.parametrize(("option", "word"), [(["--cores", "0"], "cores"), (["--confidence", "1"], "confidence")])
def test_numbers_that_make_no_sense(measure, option, word):
    status, _, err = measure("--mode", "exact", *option)
    assert status == 2 and word in err


def test_another_program_s_journal_is_one_clear_error(measure, workspace):
    import sqlite3

    other = sqlite3.connect(workspace / "sweeps.sqlite3")
    other.execute("CREATE TABLE recipes (name TEXT)")
    other.commit()
    other.close()
    status, _, err = measure("--mode", "exact")
    assert status == 2 and "another program" in err and "--no-journal" in err


@pytest.mark.skipif(os.name != "posix", reason="signals")
def test_interrupted_it_says_how_to_go_on(toy, tmp_path):
    """The signal comes when the first measurement is kept, in a workspace that knows nothing yet."""
    script = (
        "import os, signal, sys\n"
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"  # a background job starts with it ignored
        "from qdebug.search.sweep.journal import Journal\n"
        "put = Journal.put_all\n"
        "def noted(*row): put(*row); os.kill(os.getpid(), signal.SIGINT)\n"
        "Journal.put_all = noted\n"
        "from qdebug.cli import main\n"
        "sys.exit(main(sys.argv[1:]))"
    )
    command = ["sensitivity", str(toy / "toy.pt2"), "--data", str(toy / "toy.npz"), "--mode", "exact"]
    ran = subprocess.run(
        [sys.executable, "-c", script, *command], capture_output=True, text=True, timeout=250, check=False,
        env={**os.environ, "QDEBUG_WORKSPACE": str(tmp_path)},
    )  # fmt: skip
    assert ran.returncode == 128 + signal.SIGINT
    assert "the same command goes on from there" in ran.stderr and not ran.stdout
