"""The frames: limits, damage, strangers."""

import socket
import struct

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from qdebug.jobs import wire
from qdebug.jobs.launch import open_connection
from qdebug.jobs.runtime import Runtime, build
from qdebug.jobs.verbs import GetScore
from qdebug.recipes import preset
from qdebug.results import ModelRef, Score
from tests.jobs.test_client import score_of


def pair():
    """Two ends of one connection, the second as the worker sees it."""
    here, there = socket.socketpair()
    here.settimeout(5)
    there.settimeout(5)
    return here, there


@pytest.fixture
def client(shared_client):
    return shared_client


@pytest.fixture
def folder(shared_folder):
    return shared_folder


@pytest.fixture
def stranger(client, folder):
    """A connection to the compute process that has not greeted yet."""
    endpoint = Runtime(folder).read()
    with socket.create_connection(("127.0.0.1", endpoint.port), timeout=10) as connection:
        yield connection, endpoint


def test_a_message_arrives_as_it_was_sent():
    here, there = pair()
    with here, there:
        message = wire.Ask(GetScore(ModelRef(model="é", data="/d"), preset("w4g32a8")), 0.4, "me")
        wire.send(here, message)
        assert wire.receive_from_client(there) == message
        here.shutdown(socket.SHUT_WR)
        assert wire.receive_from_client(there) is None


@given(body=st.binary(max_size=200))
def test_bytes_that_are_no_message_are_a_frame_error(body):
    here, there = pair()
    with here, there:
        here.sendall(struct.pack(">I", len(body)) + body)
        with pytest.raises(wire.FrameError):
            wire.receive_from_client(there)


def test_a_frame_too_large_is_refused_unread():
    here, there = pair()
    with here, there:
        here.sendall(struct.pack(">I", wire.LARGEST + 1))
        with pytest.raises(wire.FrameError, match="at most"):
            wire.receive_from_client(there)


def test_a_message_too_large_is_not_sent():
    here, there = pair()
    with here, there:
        there.setblocking(False)
        with pytest.raises(wire.FrameError):
            wire.send(here, wire.Done(msgspec.Raw(b"x" * (wire.LARGEST + 1))))
        with pytest.raises(BlockingIOError):
            there.recv(1)


def test_a_frame_cut_short():
    here, there = pair()
    with there:
        with here:
            here.sendall(struct.pack(">I", 10) + b"abc")
        with pytest.raises(ConnectionResetError):
            wire.receive_from_client(there)


def test_a_wrong_token_is_turned_away(stranger, client):
    connection, endpoint = stranger
    wire.send(connection, wire.Hello(build(), "0" * len(endpoint.token)))
    assert wire.receive_from_worker(connection) == wire.Refused("the token is wrong")
    assert connection.recv(1) == b""
    assert isinstance(client.get(score_of("quick")), Score)


def test_another_build_is_turned_away(stranger):
    connection, endpoint = stranger
    wire.send(connection, wire.Hello("00000000", endpoint.token))
    reply = wire.receive_from_worker(connection)
    assert isinstance(reply, wire.Refused)
    assert "build" in reply.reason


def test_nothing_is_answered_before_the_greeting(stranger):
    connection, _ = stranger
    wire.send(connection, wire.Ask(score_of("quick"), 1.0, ""))
    assert isinstance(wire.receive_from_worker(connection), wire.Refused)


def test_a_large_frame_before_the_greeting_closes_the_connection(stranger):
    connection, _ = stranger
    connection.sendall(struct.pack(">I", wire.LARGEST_HELLO + 1))
    assert connection.recv(1) == b""


def test_rubbish_closes_that_connection_only(folder, client):
    connection, _ = open_connection(Runtime(folder).read(), build())
    with connection:
        connection.sendall(struct.pack(">I", 4) + b"\xc1\xc1\xc1\xc1")
        assert connection.recv(1) == b""
    assert isinstance(client.get(score_of("quick")), Score)
    assert client.restarts == 0
