"""A compute process whose answers are made up, so that the machinery around them can be tried in milliseconds.

The model's name says what happens: ``slow:SECONDS`` takes that long, in steps; ``growing:SECONDS`` shows a part every
other millisecond meanwhile; ``bad`` is a person's mistake, ``fault`` one of ours, ``full`` means that there is no
memory; ``die`` ends the process; ``huge`` is an answer that fits no frame. Each answer holds how many were computed
before it.
"""

import hashlib
import os
import signal
import sys
import threading
import time

import msgspec

from qdebug.errors import DataError
from qdebug.jobs import verbs, wire
from qdebug.jobs.worker import main
from qdebug.results import CacheStats, Metric, Score, Share, Shares, Size, Verdict


class FakeHandlers:
    def __init__(self):
        self.computed = 0
        self.lock = threading.Lock()

    def key(self, request):
        return hashlib.blake2b(msgspec.msgpack.encode(request), digest_size=16).digest()

    def lane(self, request):
        return request.lane

    def answer(self, request, work):
        with self.lock:
            self.computed += 1
            count = self.computed
        if isinstance(request, verbs.GetStats):
            return CacheStats(bytes=0, budget=1, entries=self.computed, hits=0, misses=0, evictions=0)
        name, _, argument = request.ref.model.partition(":")
        match name:
            case "slow":
                deadline = time.monotonic() + float(argument)
                step = 0
                while time.monotonic() < deadline:
                    step += 1
                    work.step(step, 100, "pretending")
                    time.sleep(0.01)
            case "growing":
                deadline, step = time.monotonic() + float(argument), 0
                while time.monotonic() < deadline:
                    step += 1
                    work.part(Verdict(text=str(step), worst=(), healthy=True))
                    time.sleep(0.002)
            case "bad":
                raise DataError("The data are upside down", do="Turn them.", file="a.npz", shape=[3, 4])
            case "fault":
                raise KeyError("/a/path/of/the/server")
            case "full":
                raise RuntimeError("can't start new thread")
            case "exit":
                raise SystemExit(3)
            case "die":
                os.kill(os.getpid(), signal.SIGKILL)
            case "huge":
                return Verdict(text="x" * wire.LARGEST, worst=(), healthy=True)
        return self.plain(request, count)

    def plain(self, request, count):
        match request:
            case verbs.GetShares():
                row = Share(name="a", isolated=1.0, share=1.0, metric=0.5)
                return Shares(recipe=request.recipe.digest, rows=(row,), n=count, seconds=0.0)
            case verbs.GetVerdict():
                return Verdict(text=str(count), worst=(), healthy=True)
        metric = Metric(
            name="accuracy", float_=0.9, quantized=0.8, delta=-0.1, ci95=(-0.2, 0.0), quantized_ci95=(0.7, 0.9),
            flips=1, n=10, predictions=10, agreement=0.9, higher_is_better=True,
        )  # fmt: skip
        size = Size(float_bytes=4, quantized_bytes=1, bits_per_weight=8.0)
        return Score(recipe=request.recipe.digest, metric=metric, size=size, exact=True, seconds=float(count))


if __name__ == "__main__":
    status = main(sys.argv[1:], FakeHandlers)
    sys.stderr.flush()
    os._exit(status)
