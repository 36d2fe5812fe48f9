"""Names that lead out of a folder, or would on some system; and what lies in the folder to lead there."""

from __future__ import annotations

import os
import random
import socket
from pathlib import Path

SECRET = "secret.bin"


def room(place: Path) -> tuple[Path, Path]:
    """A folder with links, pipes and devices' names in it, and one beside it that nobody may touch.

    Returns:
        both.
    """
    inside, outside = place / "in", place / "outside"
    for folder in (inside, outside, place / "in-evil", inside / "sub"):
        folder.mkdir()
    for folder in (outside, place / "in-evil"):
        (folder / SECRET).write_bytes(bytes(range(64)))
    for name, aim in (
        ("link_out", outside / SECRET),
        ("link_up", Path("..")),
        ("link_folder", outside),
        ("link_dots", Path("../outside")),
        ("link_twin", place / "in-evil" / SECRET),
        ("link_zero", Path("/dev/zero")),
        ("link_self", Path("link_self")),
        ("link_memory", Path("/proc/self/mem")),
        ("link_twice", inside / "link_out"),
        ("sub/link_out", outside / SECRET),
        ("link_stdin", Path("/dev/stdin")),
        ("link_gone", outside / "gone"),
        ("link_root", Path("/")),
    ):
        (inside / name).symlink_to(aim)
    os.mkfifo(inside / "pipe")
    before = Path.cwd()
    os.chdir(inside)  # a socket's name is short
    try:
        with socket.socket(socket.AF_UNIX) as heard:
            heard.bind("socket")
    finally:
        os.chdir(before)
    return inside, outside


def fixed(inside: Path, outside: Path) -> tuple[str, ...]:
    """Sixty of them and more; each must be refused where it names what is read."""
    secret = str(outside / SECRET)
    return (
        "",
        ".",
        "..",
        "../",
        "./..",
        "/",
        secret,
        f"/{secret}",
        f"file://{secret}",
        f"../outside/{SECRET}",
        f"./../outside/{SECRET}",
        f"sub/../../outside/{SECRET}",
        f"sub/./../../outside/{SECRET}",
        f"../in-evil/{SECRET}",
        f"../in/../in-evil/{SECRET}",
        f"..//outside//{SECRET}",
        f"{inside}-evil/{SECRET}",
        f"{inside}/../outside/{SECRET}",
        f"..\\outside\\{SECRET}",
        f"sub\\..\\..\\outside\\{SECRET}",
        "C:\\secret",
        "C:secret",
        "\\\\server\\share\\secret",
        f"//server/share{secret}",
        "~/.ssh/id_rsa",
        "~root/.profile",
        "$HOME/.profile",
        f"%2e%2e/outside/{SECRET}",
        f"..%2foutside%2f{SECRET}",
        f"..;/outside/{SECRET}",
        f"....//outside/{SECRET}",
        f".../...//outside/{SECRET}",
        f"{SECRET}\0",
        f"\0/../outside/{SECRET}",
        f"../outside/{SECRET}\0.safetensors",
        f"‥/outside/{SECRET}",
        f"．．/outside/{SECRET}",
        f"..∕outside∕{SECRET}",
        f"..\udc2foutside/{SECRET}",
        "\ud800",
        "\u202e../outside",
        f"\u00a0../outside/{SECRET}",
        f".. /outside/{SECRET}",
        f"..\t/outside/{SECRET}",
        f"..\n/outside/{SECRET}",
        "a" * 5000,
        "a/" * 3000 + "a",
        "../" * 200 + "etc/passwd",
        f"IN/../../outside/{SECRET}",
        f"../OUTSIDE/{SECRET}",
        "link_out",
        "link_up/outside/secret.bin",
        "link_folder/secret.bin",
        "link_dots/secret.bin",
        "link_twin",
        "link_zero",
        "link_self",
        "link_memory",
        "link_twice",
        "sub/link_out",
        "link_stdin",
        "link_gone",
        "link_root/etc/passwd",
        "pipe",
        "socket",
        "sub",
        "/dev/zero",
        "/dev/stdin",
        "/proc/self/environ",
        "/proc/self/cwd/secret.bin",
        "/etc/passwd",
        "NUL",
        "CON.safetensors",
        "secret.bin::$DATA",
        "-rf",
        "*",
        "?",
        "|true",
        "`true`",
    )


_PIECES = (
    "..",
    ".",
    "",
    "in",
    "IN",
    "outside",
    "in-evil",
    SECRET,
    "sub",
    "link_out",
    "link_up",
    "link_folder",
    "link_dots",
    "link_root",
    "etc",
    "passwd",
    "\0",
    "‥",
    "．．",
    "~",
    "C:",
    "%2e%2e",
    ".. ",
    "...",
    "\ud800",
    "é",
    "e\u0301",
    "\u202e",
    "proc",
    "self",
    "cwd",
    "fd",
    "0",
    "dev",
    "zero",
    "pipe",
    "socket",
    "a" * 300,
)


def drawn(dice: random.Random, inside: Path, outside: Path) -> str:
    """Another, put together at random; one that names nothing is as good."""
    joint = dice.choice(["/", "/", "/", "//", "\\", "∕", "/./"])
    start = dice.choice(["", "", "", "/", f"{inside}/", f"{outside}/", "./", "file://"])
    return start + joint.join(dice.choice(_PIECES) for _ in range(dice.randrange(1, 8)))
