"""Participants without a browser: visitors of the Layers screen who change the recipe's preset now and then."""

from __future__ import annotations

import asyncio
import contextlib
import random
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from benchmarks._visitor import Visitor

PRESET = "side-preset"
"""The key of the select that they choose from."""
PRESETS = ("w8a8", "w8a8-pc", "w4a8-pc")
"""What they choose."""


@dataclass
class Participant(Visitor):
    """One of many.

    Attributes:
        presets: what it chooses from.
        think: seconds between its clicks, on average.
    """

    presets: Sequence[str] = PRESETS
    think: float = 1.0

    async def stay(self, ready: asyncio.Event, leave: asyncio.Event) -> None:
        """Come in, say so, and click until it is time to leave."""
        try:
            async with self.inside("layers"):
                while PRESET not in self.widgets and not leave.is_set():  # the model is being opened
                    await self._wait(leave, 1.0)
                ready.set()
                while not leave.is_set():
                    await self._wait(leave, self.think * random.uniform(0.5, 1.5))
                    if not leave.is_set():
                        await self.type(PRESET, random.choice(self.presets))
        except Exception as error:  # noqa: BLE001 - whatever it is, it is what is counted
            self.problems.append(f"{type(error).__name__}: {error}")
        finally:
            ready.set()

    async def _wait(self, leave: asyncio.Event, seconds: float) -> None:
        """Think, while parts of the page look again."""
        until = time.monotonic() + seconds
        while (left := until - time.monotonic()) > 0 and not leave.is_set():
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(leave.wait(), min([left, *self._again.values()]))
            await self._look()


@contextlib.contextmanager
def among(others: Sequence[Participant]) -> Iterator[None]:
    """While others take part, in a thread of their own; begins when all have come in."""
    inside, leave = threading.Event(), threading.Event()

    async def all_of_them() -> None:
        gone, ready = asyncio.Event(), [asyncio.Event() for _ in others]
        tasks = [asyncio.create_task(one.stay(event, gone)) for one, event in zip(others, ready, strict=True)]
        for event in ready:
            await event.wait()
        inside.set()
        while not leave.is_set():
            await asyncio.sleep(0.1)
        gone.set()
        await asyncio.gather(*tasks)

    thread = threading.Thread(target=asyncio.run, args=(all_of_them(),))
    thread.start()
    inside.wait()
    try:
        yield
    finally:
        leave.set()
        thread.join()
