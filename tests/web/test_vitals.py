"""Health for everybody, numbers for this machine alone."""

import json
import urllib.error
import urllib.request

import pytest
from starlette.applications import Starlette
from starlette.testclient import TestClient

from qdebug.errors import UsageError, WorkerError
from qdebug.jobs.wire import Vitals
from qdebug.results import CacheStats
from qdebug.web.core import vitals

STATS = CacheStats(bytes=5 * 2**20, budget=2**30, entries=7, hits=40, misses=2, evictions=0)


class Compute:
    """A compute process that says what it is told to."""

    def __init__(self, well=True):
        self.well, self.asked = well, 0

    def vitals(self):
        self.asked += 1
        if not self.well:
            raise WorkerError("The compute process ended")
        return Vitals({"quick": 1, "slow": 2}, {"quick": 0, "slow": 3}, 11, 12345678)

    def ask(self, request, wait):
        return STATS


@pytest.fixture
def health(monkeypatch):
    def get(compute, path="/health"):
        monkeypatch.setattr(vitals, "_known", (-100.0, False))
        return TestClient(Starlette(routes=vitals.routes(lambda: compute))).get(path)

    return get


def test_health_is_of_both_processes(health):
    well, ill = health(Compute()), health(Compute(well=False))
    assert (well.status_code, well.json()) == (200, {"web": "well", "compute": "well"})
    assert (ill.status_code, ill.json()) == (503, {"web": "well", "compute": "does not answer"})


def test_asking_for_health_often_asks_the_compute_process_once(monkeypatch):
    monkeypatch.setattr(vitals, "_known", (-100.0, False))
    compute = Compute()
    assert [vitals.answers(lambda: compute) for _ in range(50)] == [True] * 50
    assert compute.asked == 1


def test_streamlits_own_numbers_are_for_nobody(health):
    assert health(Compute(), "/_stcore/metrics").status_code == 404


def test_numbers_are_told_to_this_machine_by_their_names():
    server = vitals.listen(Compute, "0")
    try:
        host, port = server.server_address
        assert host == "127.0.0.1"
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics") as answer:
            text = answer.read().decode()
        with pytest.raises(urllib.error.HTTPError, match="404"):
            urllib.request.urlopen(f"http://127.0.0.1:{port}/other")
    finally:
        server.shutdown()
        server.server_close()
    lines = dict(line.rsplit(" ", 1) for line in text.splitlines())
    assert lines['qdebug_jobs_waiting{lane="slow"}'] == "3"
    assert lines["qdebug_cache_hits_total"] == "40"
    assert lines["qdebug_compute_memory_bytes"] == "12345678"
    assert float(lines["qdebug_web_memory_bytes"]) > 2**20
    assert lines["qdebug_compute_up"] == "1"


def test_numbers_of_a_compute_process_that_is_gone_are_left_out():
    found = vitals.numbers(Compute(well=False))
    assert found["qdebug_compute_up"] == 0
    assert not any("jobs" in name or "cache" in name for name in found)


@pytest.mark.parametrize("port", ["many", "70000"])
def test_a_port_that_is_none_is_said(port):
    with pytest.raises(UsageError, match="QDEBUG_METRICS_PORT"):
        vitals.listen(Compute, port)


def test_without_a_port_nobody_listens():
    assert vitals.listen(Compute, "") is None


def test_numbers_can_be_read_by_what_reads_prometheus():
    assert json.loads(vitals.written({"a": 1.5}).split()[1]) == 1.5
    assert vitals.written({"a": 123456789.0}) == "a 123456789\n"
