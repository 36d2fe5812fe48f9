"""The compute process starts once, is found by everyone, comes back when it dies, and ends when nobody is left."""

import os
import signal
import stat
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from qdebug.errors import WorkerError
from qdebug.jobs import Running, connect, stop_worker
from qdebug.jobs.runtime import Runtime
from qdebug.results import Score
from tests.jobs.conftest import FAKE
from tests.jobs.test_client import score_of, until


def alive(pid):
    """Whether the process runs (a dead one that nobody has reaped does not)."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    if sys.platform == "linux":
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rsplit(")", 1)[1].split()[0] != "Z"
    return True


def test_killed_while_a_job_runs_it_comes_back_and_the_job_with_it(client):
    before = client.pid
    with ThreadPoolExecutor(4) as pool:
        waiting = [pool.submit(client.get, score_of("slow:0.8"), asker=str(n)) for n in range(4)]
        time.sleep(0.3)
        os.kill(before, signal.SIGKILL)
        answers = [future.result(timeout=30) for future in waiting]
    assert all(isinstance(answer, Score) for answer in answers)
    assert client.restarts == 1
    assert client.pid != before


def test_killed_between_two_polls(client):
    assert isinstance(client.ask(score_of("slow:0.5"), wait=0.0), Running)
    os.kill(client.pid, signal.SIGKILL)
    assert isinstance(client.get(score_of("slow:0.5"), timeout=30), Score)
    assert client.restarts == 1


def test_a_question_that_ends_the_process_every_time_is_an_error_and_others_go_on(client):
    with pytest.raises(WorkerError, match="compute process"):
        client.get(score_of("die"), timeout=30)
    assert client.restarts >= 1
    assert isinstance(client.get(score_of("quick")), Score)


def test_two_clients_that_start_at_once_share_one_process(folder):
    clients = []
    barrier = threading.Barrier(4)

    def start():
        barrier.wait()
        clients.append(connect(folder, FAKE))

    threads = [threading.Thread(target=start) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({client.pid for client in clients}) == 1
    assert len({client.get(score_of("quick")).seconds for client in clients}) == 1
    assert all(client.restarts == 0 for client in clients)
    for client in clients:
        client.close()


def test_two_processes_that_start_at_once_share_one_process(folder):
    script = (
        "import pathlib, sys; from qdebug.jobs import connect\n"
        "print(connect(pathlib.Path(sys.argv[1]), sys.argv[2:]).pid)"
    )
    starters = [
        subprocess.Popen([sys.executable, "-c", script, str(folder), *FAKE], stdout=subprocess.PIPE, text=True)
        for _ in range(3)
    ]
    pids = {starter.communicate(timeout=60)[0].strip() for starter in starters}
    assert len(pids) == 1
    assert alive(int(pids.pop()))


def test_it_ends_when_its_clients_have_gone_however_they_went(folder):
    script = (
        "import os, pathlib, sys; from qdebug.jobs import connect\n"
        "client = connect(pathlib.Path(sys.argv[1]), sys.argv[2:])\n"
        "print(client.pid, flush=True); os.kill(os.getpid(), 9)"
    )
    ran = subprocess.run(
        [sys.executable, "-c", script, str(folder), *FAKE], stdout=subprocess.PIPE, text=True, timeout=60, check=False
    )
    pid = int(ran.stdout)
    until(lambda: not alive(pid), seconds=30)
    assert Runtime(folder).read() is None


@pytest.mark.skipif(os.name != "posix", reason="exec in place is POSIX")
def test_it_stays_for_the_program_that_takes_its_clients_place(folder):
    script = (
        "import os, pathlib, sys; from qdebug.jobs import connect\n"
        "client = connect(pathlib.Path(sys.argv[1]), sys.argv[2:]); client.hold(); print(client.pid, flush=True)\n"
        "os.execv(sys.executable, [sys.executable, '-c', 'input()'])"
    )
    with subprocess.Popen(
        [sys.executable, "-c", script, str(folder), *FAKE], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as program:
        pid = int(program.stdout.readline())
        time.sleep(3.5)  # longer than it lingers
        assert alive(pid)
        program.communicate("\n", timeout=30)
    until(lambda: not alive(pid), seconds=30)


def test_it_stays_while_a_client_is_connected(client):
    time.sleep(3.5)  # longer than it lingers without one
    pid = client.pid
    client.get(score_of("quick"))
    assert (client.pid, client.restarts) == (pid, 0)


def test_stop_ends_it(client, folder):
    pid = client.pid
    stop_worker(folder)
    until(lambda: not alive(pid))


@pytest.mark.skipif(os.name != "posix", reason="file modes are POSIX")
def test_only_this_user_can_read_what_opens_it(client, folder):
    runtime = Runtime(folder)
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert stat.S_IMODE(runtime.endpoint.stat().st_mode) == 0o600


def test_a_process_that_does_not_start_is_an_error_that_names_the_log(tmp_path):
    with pytest.raises(WorkerError, match="status 7") as caught:
        connect(tmp_path / "run", (sys.executable, "-c", "import sys; sys.exit(7)"))
    assert caught.value.where["file"].endswith("worker.log")


def test_a_runtime_directory_that_cannot_be_made(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(WorkerError, match="runtime directory"):
        connect(tmp_path / "file" / "run", FAKE)
