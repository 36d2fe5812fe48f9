"""Ctrl-C ends what has something to show with the best so far, and everything else at once."""

import os
import signal
import subprocess
import sys

import msgspec
import pytest

from qdebug.cli.progress import Reporter
from qdebug.recipes import Qat, load


def test_work_that_can_be_ended_is_and_given_up_the_second_time(capsys):
    before = signal.getsignal(signal.SIGINT)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with Reporter("testing") as reporter, reporter.work.takes_less(), reporter.work.ends_when_enough():
            signal.raise_signal(signal.SIGINT)
            assert reporter.work.is_enough
            with pytest.raises(KeyboardInterrupt):
                signal.raise_signal(signal.SIGINT)
        assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    finally:
        signal.signal(signal.SIGINT, before)
    assert "best so far" in capsys.readouterr().err


def test_other_work_is_interrupted():
    before = signal.getsignal(signal.SIGINT)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with pytest.raises(KeyboardInterrupt), Reporter("testing"):
            signal.raise_signal(signal.SIGINT)
    finally:
        signal.signal(signal.SIGINT, before)


def test_an_ignored_signal_stays_ignored():
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with Reporter("testing"):
            assert signal.getsignal(signal.SIGINT) == signal.SIG_IGN
    finally:
        signal.signal(signal.SIGINT, before)


def test_training_ended_on_the_command_line_is_saved_as_what_it_was(tmp_path):
    """The recipe that is written says after how many steps training ended; the metric is that recipe's."""
    saved = tmp_path / "ended.yaml"
    words = ["evaluate", "digits-resnet", "--preset", "w2a8", "--fix", "qat:iterations=100000:batch=16",
             "--save-recipe", str(saved), "--json"]  # fmt: skip
    script = (
        "import os, signal, sys, threading\n"
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "from qdebug.cli.program import main\n"
        "from qdebug.methods.training import qat\n"
        "qat.LOOKS = 20000\n"
        "look = qat._Training._look\n"
        "def looked(self, done, *more):\n"
        "    look(self, done, *more)\n"
        "    if done == 10: os.kill(os.getpid(), signal.SIGINT)\n"
        "qat._Training._look = looked\n"
        f"sys.exit(main({words!r}))\n"
    )
    environment = os.environ | {"QDEBUG_WORKSPACE": str(tmp_path / "workspace")}
    ran = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=240, env=environment, check=False
    )
    assert ran.returncode == 0, ran.stderr
    assert "--fix qat:iterations=100000:batch=16:stop=10 gives the same" in ran.stderr
    recipe = load(saved)
    assert recipe.fixes == (Qat(iterations=100000, batch=16, stop=10),)
    assert msgspec.json.decode(ran.stdout)["recipe"] == msgspec.structs.replace(recipe, model=None).digest
