"""Serve the app on this machine and open a model in it. Ends with Ctrl-C."""

from __future__ import annotations

import argparse
import contextlib
import os
import socket
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlsplit

from qdebug.classroom import Classroom, Room, tries
from qdebug.classroom.store import VARIABLE
from qdebug.cli.options import METRIC, PRESET, add_windows
from qdebug.errors import FileError, QDebugError, UsageError, near
from qdebug.jobs import Client, GetScore, GetVerdict, WorkerFault, connect, metrics, uploads
from qdebug.jobs.tidy import tidy
from qdebug.places import app_script, sample_names
from qdebug.recipes import preset
from qdebug.results import ModelRef

SUMMARY = "serve the app and open a model in it"
EXAMPLES = """\
  qdebug app
  qdebug app digits-vit
  qdebug app model.onnx --data val.npz --port 8600
  qdebug app --workshop --host 0.0.0.0"""
SAFE = (
    "--browser.gatherUsageStats=false", "--client.showErrorDetails=none", "--server.enableXsrfProtection=true",
    "--server.enableCORS=true", "--server.fileWatcherType=none", "--global.developmentMode=false",
    "--server.enableStaticServing=false",
)  # fmt: skip
"""What the shipped config.toml says too: said here, no variable of the environment comes before it."""
_LOOPBACK = ("127.0.0.1", "localhost", "::1")
LARGEST_PORT = 65535
METRICS = "QDEBUG_METRICS_PORT"
"""Where the server is told the port of its numbers."""


def add_options(parser: argparse.ArgumentParser) -> None:
    """Declare what the verb takes."""
    parser.add_argument(
        "model", metavar="MODEL", nargs="?",
        help="a sample's name, or the path of an .onnx file, or of a .pt2 file of your own",
    )  # fmt: skip
    parser.add_argument("--data", metavar="D", help="evaluation data (.npz); samples bring theirs")
    parser.add_argument("--calib", metavar="C", help="calibration data (.npz)")
    parser.add_argument("--train", metavar="T", help="data for fixes that train (.npz); without it C, never D")
    parser.add_argument("--metric", metavar="M", help=METRIC)
    add_windows(parser)
    parser.add_argument("--port", type=int, default=8501, help="default: 8501")
    parser.add_argument("--host", default="127.0.0.1", help="default: 127.0.0.1, which only this machine can reach")
    parser.add_argument(
        "--metrics", metavar="PORT", type=int,
        help="tell this machine numbers at http://127.0.0.1:PORT/metrics: sessions, queue, cache, memory",
    )  # fmt: skip
    parser.add_argument(
        "--workshop", metavar="ROOM", nargs="?", const="workshop",
        help="a room for a class: a join code, samples alone, no uploads, and a view of everybody's progress",
    )  # fmt: skip
    parser.add_argument(
        "--behind-proxy", metavar="URL",
        help="where a proxy serves the app, such as https://qdebug.example.org; it passes on whose each request is "
        "(X-Forwarded-For), and nobody else may reach the port",
    )  # fmt: skip


def run(options: argparse.Namespace) -> None:
    """Check what was asked for, then become the server."""
    environment = os.environ | chosen(options) | workshop(options) | proxied(options)
    check_address(options.host, options.port)
    if options.metrics is not None:
        check_address("127.0.0.1", options.metrics)
        environment |= {METRICS: str(options.metrics)}
    if options.host not in _LOOPBACK:
        print(f"qdebug: on {options.host}, {exposed(options)}", file=sys.stderr)
    tidy()
    print(f"qdebug: http://{options.host}:{options.port} (Ctrl-C ends it)", file=sys.stderr, flush=True)
    if options.workshop:
        invite(Classroom().room(options.workshop), options.behind_proxy or address(options.host, options.port))
    client = measure_ahead(environment)  # held until this process is another one
    become(command(app_script(), options.host, options.port), environment)
    client.close()


def workshop(options: argparse.Namespace) -> dict[str, str]:
    """The environment variable that makes the app a workshop, if it is to be one.

    Raises:
        UsageError: a file was given too; a class works on samples.
    """
    if not options.workshop:
        return {}
    if options.metric:
        raise UsageError("A workshop is held on samples, each with its own metric", do="Leave out --metric.")
    files = [options.model] if options.model and options.model not in sample_names() else []
    if files + [one for one in (options.data, options.calib, options.train) if one]:
        raise UsageError("A workshop is held on samples", do="Leave the files out, or leave out --workshop.")
    return {VARIABLE: options.workshop}


def proxied(options: argparse.Namespace) -> dict[str, str]:
    """The environment variable by which the server believes a proxy whose each request is, if there is one.

    Raises:
        UsageError: the proxy's address is none that a browser opens, or has a path.
    """
    if options.behind_proxy is None:
        return {}
    parts = urlsplit(options.behind_proxy)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.path.strip("/") or parts.query:
        raise UsageError(
            f"{options.behind_proxy!r} is no address of a proxy that serves the app",
            do="Give one such as https://qdebug.example.org, without a path.",
        )
    options.behind_proxy = f"{parts.scheme}://{parts.netloc}"
    return {"FORWARDED_ALLOW_IPS": "*"}


def address(host: str, port: int) -> str:
    """Where participants find the app."""
    reached = socket.gethostname() if host in ("0.0.0.0", "::") else host
    return f"http://{reached}:{port}"


def invite(room: Room, at: str) -> None:
    """Say what the teacher needs: the code for the wall, and the address for nobody else."""
    print(
        f"qdebug: workshop '{room.name}', join code {room.code}, at {at}\n"
        f"qdebug: for the teacher alone: {at}/teacher?teacher={room.teacher}",
        file=sys.stderr, flush=True,
    )  # fmt: skip


def exposed(options: argparse.Namespace) -> str:
    """What others than this machine's can do, in words."""
    if options.workshop:
        return (
            f"whoever reaches port {options.port} sees a form that asks for the join code, which takes "
            f"{tries.MOST_HERE} wrong codes a minute from an address and {tries.MOST} from all. Who is in can use this "
            "machine's processor on the samples and answer the lessons; files, uploads and paths are off. Names and "
            "answers are for the teacher's page. "
            + (
                f"Only the proxy at {options.behind_proxy} may reach it: it is believed whose each request is"
                if options.behind_proxy
                else "Nothing is encrypted: in a network that you do not trust, put a proxy with TLS before it"
            )
        )
    return (
        f"whoever reaches port {options.port} can use this machine's processor and open files that you can read, and "
        "nothing asks them who they are"
    )


def measure_ahead(environment: Mapping[str, str]) -> Client:
    """Start the compute process and let it open and measure the model while the server starts.

    Raises:
        WorkerError: it does not start.
    """
    client = connect()
    if model := environment.get("QDEBUG_MODEL"):
        ref = ModelRef(
            model=model, data=environment.get("QDEBUG_DATA"), calib=environment.get("QDEBUG_CALIB"),
            train=environment.get("QDEBUG_TRAIN"), metric=environment.get("QDEBUG_METRIC"),
            window=int(environment.get("QDEBUG_WINDOW") or 0) or None,
            tokens=int(environment.get("QDEBUG_TOKENS") or 0) or None,
        )  # fmt: skip
        for request in (GetScore(ref, preset(PRESET)), GetVerdict(ref, preset(PRESET))):
            # A model that does not open is told on the screen, where another one can be chosen.
            with contextlib.suppress(QDebugError, WorkerFault):
                client.ask(request, wait=0.0)
    client.hold()
    return client


def become(words: list[str], environment: Mapping[str, str]) -> None:
    """Run a command in place of this process, where the system can; wait for it elsewhere."""
    if os.name == "posix":
        os.execve(words[0], words, environment)
    raise SystemExit(subprocess.run(words, env=environment, check=False).returncode)


def chosen(options: argparse.Namespace) -> dict[str, str]:
    """The environment variables that tell the app what to open first; files by absolute path.

    Raises:
        FileError: neither a sample nor a file has that name.
    """
    variables: dict[str, str] = {}
    if options.model:
        if options.model in sample_names():
            variables["QDEBUG_MODEL"] = options.model
        else:
            variables["QDEBUG_MODEL"] = _file(options.model, near(options.model, sample_names()))
    given = {"QDEBUG_DATA": options.data, "QDEBUG_CALIB": options.calib, "QDEBUG_TRAIN": options.train}
    for name, path in given.items():
        if path:
            is_folder = Path(path).is_dir()  # of images
            variables[name] = str(Path(path).resolve()) if is_folder else _file(path, "Check the path.")
    if options.metric:
        variables["QDEBUG_METRIC"] = _metric(options.metric, options.host)
    numbers = {"QDEBUG_WINDOW": options.window, "QDEBUG_TOKENS": options.tokens}
    variables |= {name: str(number) for name, number in numbers.items() if number is not None}
    return variables


def _metric(metric: str, host: str) -> str:
    """A metric as the app is told of it: a name, or the copy of a function's file.

    Raises:
        UsageError: a function, where others than this machine's can reach the app.
        FileError: its file cannot be read.
    """
    if not metrics.names_file(metric):
        return metric
    if host not in _LOOPBACK:
        raise UsageError(
            f"A function of your own judges models on this machine alone, and {host} is for others too",
            do="Leave out --host, or name a metric such as top5.",
        )
    return metrics.approve(metric)


def command(script: Path, host: str, port: int) -> list[str]:
    """The command line of the server."""
    return [
        sys.executable, "-P", "-m", "qdebug.web.serve", "run", str(script), f"--server.address={host}",
        f"--server.port={port}", "--server.headless=true",
        f"--server.maxUploadSize={uploads.largest_mib()}", *SAFE,
    ]  # fmt: skip


def check_address(host: str, port: int) -> None:
    """Refuse an address that cannot be served, before Streamlit does so in its own words.

    Raises:
        UsageError: the port is in use or no port, or the host is not this machine's.
    """
    if not 0 < port <= LARGEST_PORT:
        raise UsageError(f"{port} is no port", do=f"Give one from 1 to {LARGEST_PORT}.")
    try:
        family, kind, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[
            0
        ]
        with socket.socket(family, kind) as trial:
            trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            trial.bind(address)
            trial.listen()
    except OSError as error:
        raise UsageError(
            f"Cannot serve on {host}, port {port}: {error.strerror}", do="Choose another one with --port or --host."
        ) from None


def _file(path: str, otherwise: str) -> str:
    if not Path(path).is_file():
        raise FileError("There is no such file", file=path, do=otherwise)
    return str(Path(path).resolve())
