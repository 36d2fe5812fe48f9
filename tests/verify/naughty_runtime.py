"""A child that does within the walls what the name of the model says, where the real one would open it."""

import os
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np

from qdebug.errors import ModelError
from qdebug.verify.apart import wire
from qdebug.verify.apart.child import main

OPEN = wire.Session(0, "1", (("a", "Conv"),), {"Conv": 1})


def refused(call):
    """Say in an answer whether a call is refused."""
    try:
        call()
    except OSError as error:
        return wire.Failed(f"refused with {error.errno}"), {}
    return wire.Failed("allowed"), {}


def fork():
    return refused(lambda: os.fork() or os._exit(0))


def execute():
    return refused(lambda: os.execv("/bin/true", ["true"]))


def spawn():
    return refused(lambda: subprocess.run(["/bin/true"], check=False))


def connect():
    return refused(socket.socket)


def thread():
    found = []
    one = threading.Thread(target=lambda: found.append(True))
    one.start()
    one.join()
    return wire.Failed(f"ran {found}"), {}


def die():
    os.abort()


def leave():
    os._exit(7)


def sleep():
    time.sleep(600)


def allocate():
    held = []
    while True:
        held.append(bytearray(64 * 2**20))


def crowd():
    raise MemoryError


def refuse():
    raise ModelError("It does not suit \x1b[31m me", do="Give another.")


def shout():
    os.write(1, b"not an answer")
    sys.stdout.write("nor is this\n")
    sys.stdout.flush()
    return OPEN, {}


def other():
    return wire.Profile(()), {}


def code():
    return wire.Ran(), {"x": np.zeros(3, "M8[s]")}


def raw(content):
    """Write what is no answer where answers go."""
    for number in os.listdir("/proc/self/fd"):
        if int(number) > 2 and os.readlink(f"/proc/self/fd/{number}").startswith("pipe"):
            os.write(int(number), content)
    time.sleep(600)


def endless():
    raw(b"\xff" * 64)


def garbage():
    raw((4).to_bytes(8, "little") + b"\xc1\xc1\xc1\xc1")


def huge():
    import msgspec

    header = msgspec.msgpack.encode(wire.Ran(0.0, (wire.Array("x", "<f8", (2**40,)),)))
    raw(len(header).to_bytes(8, "little") + header)


def answer(asked, arrays):
    return globals()[Path(asked.path).stem]()


if __name__ == "__main__":
    os._exit(main(sys.argv[1:], answer))
