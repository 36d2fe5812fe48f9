"""A click on a format, alone and among thirty other participants: milliseconds in the browser, errors, memory.

    python -m benchmarks.workshop [--participants 30] [--clicks 50] [--think 10]

Serves the app, opens the Layers screen of ``digits-mobilenet`` in Chromium, and gives one layer's weight two formats in
turn; both are measured before, so that a click finds its score in the cache. Participants
change their own recipe's preset every ``think`` seconds on average, among three that are measured too; their pages look
again as pages do. Processor time is of everything while they are there, by the clicks on formats and presets.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import tempfile
import time
from pathlib import Path

from playwright.sync_api import Page

from benchmarks._participants import Participant, among
from benchmarks.browser import chromium, served, shown
from qdebug.jobs import connect
from qdebug.jobs.verbs import GetStats

LAYER, FORMATS = "fc", ("int4", "int8")
SETTLE_MS = 300
_CHANGED = """before => { const now = document.querySelector('.q-strip')?.innerText;
    return now && now !== before && now.includes('exact'); }"""


def main(participants: int, clicks: int, think: float) -> dict[str, object]:
    """Measure alone, then among others."""
    if chromium() is None:
        return {"skipped": "no Chromium was found"}
    with tempfile.TemporaryDirectory() as folder, served(Path(folder)) as address, shown(f"{address}/layers") as page:
        _clicked(page, 4)
        alone = _clicked(page, clicks)
        server, worker = server_of(address), connect(Path(folder))
        worker.get(GetStats())
        with among([Participant(address, think=think) for _ in range(1)]):  # the presets are measured
            time.sleep(6 * think)
        before = resident(server)
        others = [Participant(address, think=think) for _ in range(participants)]
        with among(others):
            there, busy, runs_before = resident(server), [used(server), used(worker.pid)], _runs(others)
            crowded = _clicked(page, clicks)
            after, ran = resident(server), _runs(others) - runs_before + clicks
            spent = [used(one) - was for one, was in zip((server, worker.pid), busy, strict=True)]
        worker.close()
    runs = [seconds for one in others for seconds in one.seconds]
    errors = [error for one in others for error in one.problems]
    return {
        "clicks": clicks,
        "alone_ms": summary(alone),
        "participants": participants,
        "seconds_between_their_clicks": think,
        "among_others_ms": summary(crowded),
        "their_runs_ms": summary([1e3 * one for one in runs]) | {"count": len(runs)},
        "processor_ms_per_run": {
            name: round(1e3 * seconds / ran, 1)
            for name, seconds in zip(("server", "compute process"), spent, strict=True)
        },
        "errors": len(errors),
        "first_errors": errors[:3],
        "server_mb": {"alone": before, "joined": there, "at_the_end": after},
        "server_mb_per_participant": round((max(there, after) - before) / participants, 2),
    }


def _clicked(page: Page, many: int) -> list[float]:
    """Milliseconds from each choice to the exact score."""
    found = []
    for at in range(many):
        before = page.locator(".q-strip").inner_text()
        start = time.perf_counter()
        page.get_by_role("combobox", name=f"weight format of {LAYER}", exact=True).select_option(FORMATS[at % 2])
        page.wait_for_function(_CHANGED, arg=before, polling=20)
        found.append(1e3 * (time.perf_counter() - start))
        page.wait_for_timeout(SETTLE_MS)
    return found


def server_of(address: str) -> int:
    """The process that serves an address."""
    port = address.rsplit(":", 1)[1]
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            try:
                words = (folder / "cmdline").read_bytes().split(b"\0")
            except OSError:
                continue
            if f"--server.port={port}".encode() in words:
                return int(folder.name)
    raise RuntimeError(f"no process serves {address}")


def used(process: int) -> float:
    """Seconds of processor time that a process has taken."""
    fields = Path(f"/proc/{process}/stat").read_text("utf-8").rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _runs(others: list[Participant]) -> int:
    return sum(len(one.seconds) for one in others)


def resident(process: int) -> float:
    """Megabytes of a process that are in memory."""
    lines = Path(f"/proc/{process}/status").read_text("utf-8").splitlines()
    return round(next(int(line.split()[1]) for line in lines if line.startswith("VmRSS")) / 1024, 1)


def summary(values: list[float]) -> dict[str, float]:
    """Median and 95th percentile."""
    if len(values) < 2:
        return {}
    return {"median": round(statistics.median(values), 1), "p95": round(statistics.quantiles(values, n=20)[-1], 1)}


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--participants", type=int, default=30)
    parser.add_argument("--clicks", type=int, default=50)
    parser.add_argument("--think", type=float, default=10.0)
    chosen = parser.parse_args()
    print(json.dumps(main(chosen.participants, chosen.clicks, chosen.think), indent=2))
