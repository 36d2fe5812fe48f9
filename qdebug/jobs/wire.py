"""The frames between a client and the compute process: four bytes of length, then MessagePack. Never a pickle."""

from __future__ import annotations

import socket
import struct
from typing import TypeVar

import msgspec

from qdebug.jobs.verbs import Request
from qdebug.results import Progress

LARGEST = 64 * 2**20
"""Bytes of a frame beyond which it is refused, unread."""
LARGEST_HELLO = 4096
"""The same for the first frame, whose sender has not shown the token yet."""
_LENGTH = struct.Struct(">I")
M = TypeVar("M")


class FrameError(Exception):
    """Bytes that are no frame of this protocol; the connection they came on is of no more use."""


class Message(msgspec.Struct, frozen=True, tag=True, forbid_unknown_fields=True):
    """What travels in a frame."""


class Hello(Message, frozen=True, tag=True):
    """The client's first word: which build it is, and the token that only this user can read."""

    build: str
    token: str


class Welcome(Message, frozen=True, tag=True):
    """The answer to it; ``instance`` names this run of the compute process."""

    instance: str
    pid: int


class Refused(Message, frozen=True, tag=True):
    """The other answer to it."""

    reason: str


class Ask(Message, frozen=True, tag=True):
    """Start a job or attach to it, and wait at most ``wait`` seconds; ``asker`` is whoever waits.

    ``seen`` is the mark of the partial answer that the asker has already.
    """

    request: Request
    wait: float
    asker: str
    seen: str = ""


class Cancel(Message, frozen=True, tag=True):
    """``asker`` no longer waits for the job."""

    job: str
    asker: str


class Finish(Message, frozen=True, tag=True):
    """The job is to end with the best so far, if nobody but ``asker`` waits for it."""

    job: str
    asker: str


class Look(Message, frozen=True, tag=True):
    """How much there is to do (:class:`Vitals`)."""


class Stop(Message, frozen=True, tag=True):
    """End the compute process."""


class Done(Message, frozen=True, tag=True):
    """The job's answer, as the verb's answer type encodes."""

    answer: msgspec.Raw


class Running(Message, frozen=True, tag=True):
    """A job that is not done yet.

    Attributes:
        job: its name, for :meth:`qdebug.jobs.Client.cancel`.
        progress: how far it is.
        seconds: since it was asked for first.
        part: what is known so far, as the verb's answer type encodes; empty where the asker has
            seen it or there is none.
        mark: names the newest partial answer; empty where there is none. Any other mark than the one seen is newer.
    """

    job: str
    progress: Progress
    seconds: float
    part: bytes = b""
    mark: str = ""


class Failed(Message, frozen=True, tag=True):
    """An error of the tree in ``qdebug.errors``, by name and content."""

    kind: str
    what: str
    do: str
    where: dict[str, str]


class Fault(Message, frozen=True, tag=True):
    """A fault of ours, in words fit for a screen; the traceback is in the log."""

    text: str


class Vitals(Message, frozen=True, tag=True):
    """What the compute process has at hand, in numbers alone.

    Attributes:
        running: jobs at work, by lane.
        waiting: jobs that wait for a thread, by lane.
        answers: finished answers that are kept.
        memory: bytes of the process that are in memory; 0 where the system does not say.
    """

    running: dict[str, int]
    waiting: dict[str, int]
    answers: int
    memory: int


class Accepted(Message, frozen=True, tag=True):
    """Heard and done; nothing to say."""


FromClient = Hello | Ask | Cancel | Finish | Look | Stop
FromWorker = Welcome | Refused | Done | Running | Failed | Fault | Vitals | Accepted
_from_client: msgspec.msgpack.Decoder[FromClient] = msgspec.msgpack.Decoder(FromClient)
_from_worker: msgspec.msgpack.Decoder[FromWorker] = msgspec.msgpack.Decoder(FromWorker)


def send(connection: socket.socket, message: Message) -> None:
    """Send one message.

    Raises:
        FrameError: it is larger than a frame may be; nothing was sent.
        OSError: the connection is gone.
    """
    body = msgspec.msgpack.encode(message)
    if len(body) > LARGEST:
        raise FrameError(f"a frame of {len(body)} bytes is larger than {LARGEST}")
    connection.sendall(_LENGTH.pack(len(body)) + body)


def receive_from_client(connection: socket.socket, largest: int = LARGEST) -> FromClient | None:
    """One message of a client's, or None where it hung up between two.

    Raises:
        FrameError: a frame that is too large, cut short or not understood.
        OSError: the connection is gone.
    """
    body = _receive(connection, largest)
    return None if body is None else _decode(_from_client, body)


def receive_from_worker(connection: socket.socket) -> FromWorker:
    """One message of the compute process's.

    Raises:
        FrameError: a frame that is too large or not understood.
        OSError: the connection is gone, or the other side has hung up.
    """
    body = _receive(connection, LARGEST)
    if body is None:
        raise ConnectionResetError("the compute process hung up")
    return _decode(_from_worker, body)


def _decode(decoder: msgspec.msgpack.Decoder[M], body: bytes) -> M:
    try:
        return decoder.decode(body)
    except msgspec.MsgspecError as error:
        raise FrameError(f"a frame that is not understood: {error}") from None


def _receive(connection: socket.socket, largest: int) -> bytes | None:
    head = _read(connection, _LENGTH.size)
    if not head:
        return None
    (length,) = _LENGTH.unpack(head) if len(head) == _LENGTH.size else (0,)
    if not 0 < length <= largest:
        raise FrameError(f"a frame of {length} bytes, where at most {largest} are taken")
    body = _read(connection, length)
    if len(body) < length:
        raise ConnectionResetError("the connection broke off inside a frame")
    return body


def _read(connection: socket.socket, count: int) -> bytes:
    """``count`` bytes, or fewer where the other side hung up before."""
    parts = bytearray()
    while len(parts) < count:
        part = connection.recv(min(count - len(parts), 1 << 20))
        if not part:
            break
        parts += part
    return bytes(parts)
