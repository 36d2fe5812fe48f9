"""The listening half of the compute process: connections in, messages through the job table, messages out."""

from __future__ import annotations

import hmac
import logging
import os
import secrets
import socket
import threading
import time

from qdebug.jobs import wire
from qdebug.jobs.runtime import Endpoint
from qdebug.jobs.table import Table, fault

LONGEST_WAIT = 30.0
"""Seconds that one ``ask`` may wait at most."""
HELLO_SECONDS = 5.0
MOST_CONNECTIONS = 256

_log = logging.getLogger(__name__)


class Server:
    """Serves a job table on the loopback interface.

    Args:
        table: the jobs.
        build: the build whose clients are served.
        linger: seconds without any connection after which the server ends. A client keeps a connection open for as long
            as it lives, so this is how the process follows its starter, however that one ended.
    """

    def __init__(self, table: Table, build: str, linger: float = 30.0) -> None:
        self._table = table
        self._build = build
        self._linger = linger
        self._stop = threading.Event()
        self._lock = threading.Lock()
        self._open = 0
        self._left = time.monotonic()
        self._socket = socket.create_server(("127.0.0.1", 0), backlog=64)
        self._socket.settimeout(0.2)
        self.endpoint = Endpoint(
            port=self._socket.getsockname()[1],
            token=secrets.token_hex(32),
            pid=os.getpid(),
            instance=secrets.token_hex(8),
        )

    def serve(self) -> None:
        """Answer until told to stop, or until nobody has been connected for a while."""
        with self._socket:
            while not self._stop.is_set() and not self._deserted():
                try:
                    connection, _ = self._socket.accept()
                except TimeoutError:
                    self._table.sweep()
                    continue
                threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _deserted(self) -> bool:
        with self._lock:
            return self._open == 0 and time.monotonic() - self._left > self._linger

    def _serve(self, connection: socket.socket) -> None:
        with self._lock:
            self._open += 1
        try:
            with connection:
                connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                if self._admit(connection):
                    self._converse(connection)
        except OSError as error:
            _log.info("a connection ended: %s", error)
        except wire.FrameError as error:
            _log.warning("a connection was closed: %s", error)
        finally:
            with self._lock:
                self._open -= 1
                self._left = time.monotonic()

    def _admit(self, connection: socket.socket) -> bool:
        """Whether the other side is of our build and this user's."""
        connection.settimeout(HELLO_SECONDS)
        hello = wire.receive_from_client(connection, wire.LARGEST_HELLO)
        if hello is None:
            return False
        if not isinstance(hello, wire.Hello) or not hmac.compare_digest(hello.token, self.endpoint.token):
            reason = "the token is wrong"
        elif hello.build != self._build:
            reason = f"the compute process is build {self._build}, the client {hello.build}"
        elif self._open > MOST_CONNECTIONS:
            reason = f"{MOST_CONNECTIONS} connections are open"
        else:
            wire.send(connection, wire.Welcome(self.endpoint.instance, self.endpoint.pid))
            connection.settimeout(None)
            return True
        wire.send(connection, wire.Refused(reason))
        return False

    def _converse(self, connection: socket.socket) -> None:
        while not self._stop.is_set():
            message = wire.receive_from_client(connection)
            if message is None:
                return
            try:
                reply = self._reply(message)
            except Exception as error:  # noqa: BLE001 - a fault in the table must not look like a dead process
                reply = fault(type(message).__name__, error)
            wire.send(connection, reply)

    def _reply(self, message: wire.FromClient) -> wire.Message:
        match message:
            case wire.Ask(request, wait, asker, seen):
                return self._table.ask(request, min(max(wait, 0.0), LONGEST_WAIT), asker, seen)
            case wire.Cancel(job, asker):
                self._table.cancel(job, asker)
            case wire.Finish(job, asker):
                if not self._table.finish(job, asker):
                    return wire.Refused("somebody else waits for all of it")
            case wire.Look():
                return self._table.vitals()
            case wire.Stop():
                self._stop.set()
            case wire.Hello():
                raise wire.FrameError("a second greeting")
        return wire.Accepted()
