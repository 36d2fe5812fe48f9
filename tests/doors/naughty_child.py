"""A child that does within the walls what the name of its file says, where the real one would read the file."""

import os
import socket
import sys
import time
from pathlib import Path

from qdebug.doors.confined.child import main, read_model
from qdebug.doors.confined.messages import ARRAYS, FAILED, FAILURE, MODEL, TENSORS


def allocate(task):
    held = []
    while True:
        held.append(bytearray(64 * 2**20))


def loop(task):
    while True:
        pass


def sleep(task):
    time.sleep(600)


def fork(task):
    try:
        if os.fork() == 0:
            time.sleep(600)
    except OSError as error:
        raise ValueError(f"refused with {error.errno}") from None


def execute(task):
    os.execv("/bin/true", ["true"])


def connect(task):
    socket.socket()


def kill(task):
    os.kill(task.parent, 9)


def die(task):
    os.abort()


def write(task):
    with Path(task.folder, TENSORS).open("wb") as file:
        while True:
            file.write(bytes(16 * 2**20))


def nothing(task):
    pass


def link(task):
    read_model(task)
    Path(task.folder, MODEL).rename(Path(task.folder, "other"))
    Path(task.folder, MODEL).symlink_to(Path(task.folder, "other"))


def pipe(task):
    read_model(task)
    Path(task.folder, MODEL).unlink()
    os.mkfifo(Path(task.folder, MODEL))


def shape(task):
    edit(task, b'"shape":[8,3,3,3]', b'"shape":[8,3,9]')


def kind(task):
    edit(task, b'"elem":1', b'"elem":7')


def field(task):
    edit(task, b'"outputs"', b'"outpvts"')


def reads(task):
    edit(task, b'"conv.weight","conv.bias"]', b'"conv.weight","no.bias"]')


def left_over(task):
    edit(task, b'"constants":[', b'"constants":[],"more":[')


def not_json(task):
    edit(task, b"{", b"\xff{")


def deep(task):
    read_model(task)
    Path(task.folder, MODEL).write_bytes(b'{"graph":' * 100_000)


def edit(task, before, after):
    read_model(task)
    path = Path(task.folder, MODEL)
    text = path.read_bytes()
    assert before in text, text
    path.write_bytes(text.replace(before, after))


def cut(task):
    read_model(task)
    path = Path(task.folder, TENSORS)
    os.truncate(path, path.stat().st_size - 4)


def code(task):
    Path(task.folder, TENSORS).write_bytes(b"")
    Path(task.folder, ARRAYS).write_bytes(b'[{"name":"x","key":"0","dtype":"|O","shape":[1]}]')


def say(task):
    text = b'{"kind":"ModelError","what":"%s","do":"\\u001b[31m","where":{"file":"/etc/passwd","do":"x"}}'
    Path(task.folder, FAILURE).write_bytes(text % (b"a" * 20_000))
    os._exit(FAILED)


def invent(task):
    Path(task.folder, FAILURE).write_bytes(b'{"kind":"SystemExit","what":"a"}')
    os._exit(FAILED)


def shout(task):
    sys.stdout.write("\x1b]0;owned\x07" * 100)
    raise ValueError


if __name__ == "__main__":
    work = globals()[os.path.basename(sys.argv[1].split('"source":"')[1].split('"')[0]).split(".")[0]]
    sys.exit(main(sys.argv[1:], dict.fromkeys(("onnx", "npz", "convert", "check"), work)))
