"""From the web process to the compute process and back: seconds to the first answer, milliseconds to a repeated one.

python -m benchmarks.jobs
"""

from __future__ import annotations

import json
import statistics
import tempfile
import time
from pathlib import Path

from qdebug.jobs import GetScore, Samples, connect, stop_worker
from qdebug.recipes import preset
from qdebug.results import ModelRef

MODEL = "digits-mobilenet"


def main() -> dict[str, object]:
    """Start a compute process and ask it."""
    with tempfile.TemporaryDirectory() as folder:
        runtime = Path(folder)
        try:
            start = time.perf_counter()
            client = connect(runtime)
            listening = time.perf_counter() - start
            client.get(Samples())
            cards = time.perf_counter() - start
            request = GetScore(ModelRef(model=MODEL), preset("w8a8"))
            client.get(request)
            scored = time.perf_counter() - start
            repeated = [_timed(lambda: client.get(request)) for _ in range(200)]
        finally:
            stop_worker(runtime)
    return {
        "seconds_until_listening": round(listening, 3),
        "seconds_until_sample_cards": round(cards, 3),
        "seconds_until_first_score": round(scored, 3),
        "repeated_answer_ms": {
            "median": round(1000 * statistics.median(repeated), 3),
            "p95": round(1000 * statistics.quantiles(repeated, n=20)[-1], 3),
        },
    }


def _timed(call: object) -> float:
    start = time.perf_counter()
    call()  # type: ignore[operator]
    return time.perf_counter() - start


if __name__ == "__main__":
    print(json.dumps(main(), indent=2))
