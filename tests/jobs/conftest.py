import sys
from pathlib import Path

import pytest

from qdebug.jobs import connect, stop_worker

FAKE = (sys.executable, str(Path(__file__).with_name("fake_worker.py")), "--linger", "2")


@pytest.fixture
def folder(tmp_path):
    """A runtime directory of its own, whose compute process ends with the test."""
    yield tmp_path / "run"
    stop_worker(tmp_path / "run")


@pytest.fixture(scope="module")
def shared_folder(tmp_path_factory):
    """One for the tests of a module that leave their compute process as they found it."""
    folder = tmp_path_factory.mktemp("run")
    yield folder
    stop_worker(folder)


@pytest.fixture(scope="module")
def shared_client(shared_folder):
    client = connect(shared_folder, FAKE)
    yield client
    client.close()


@pytest.fixture
def client(folder):
    client = connect(folder, FAKE)
    yield client
    client.close()
