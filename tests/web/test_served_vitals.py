"""The app as it is served: its health for everybody, its numbers at a local address."""

import json
import socket
import time
import urllib.error
import urllib.request

import pytest

from benchmarks._screen import served


@pytest.fixture(scope="module")
def places(runtime_dir, tmp_path_factory):
    """Where the app is served, and where its numbers are told."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    log = tmp_path_factory.mktemp("server") / "log"
    with served(log, runtime_dir, QDEBUG_METRICS_PORT=str(port)) as address:
        yield address, f"http://127.0.0.1:{port}/metrics"


def read(address):
    with urllib.request.urlopen(address, timeout=90) as answer:
        return answer.read().decode()


def test_the_server_says_that_it_is_well_and_how_much_there_is_to_do(places):
    address, metrics = places
    assert json.loads(read(f"{address}/health")) == {"web": "well", "compute": "well"}
    until = time.monotonic() + 120
    numbers = {}
    while "qdebug_cache_hits_total" not in numbers and time.monotonic() < until:  # torch is being imported
        numbers = dict(line.rsplit(" ", 1) for line in read(metrics).splitlines())
    assert numbers["qdebug_sessions"] == "0"
    assert numbers["qdebug_compute_up"] == "1"
    assert 'qdebug_jobs_running{lane="slow"}' in numbers
    assert "qdebug_compute_memory_bytes" in numbers
    with pytest.raises(urllib.error.HTTPError, match="404"):
        read(f"{address}/_stcore/metrics")
    assert "<html" in read(address)  # pages are served as before
