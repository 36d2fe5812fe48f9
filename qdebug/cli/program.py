"""From arguments to an exit status: 0 done, 2 a mistake of the user's, 1 a fault of ours."""

from __future__ import annotations

import argparse
import os
import sys
import traceback
from collections.abc import Sequence
from typing import NoReturn

import qdebug
from qdebug.cli import (
    app,
    calibration,
    compare,
    compare_formats,
    diagnose,
    evaluate,
    export,
    fixes,
    formats,
    groups,
    inspect,
    ranges,
    report,
    sample,
    samples,
    scan,
    search,
    sensitivity,
    verify,
)
from qdebug.errors import QDebugError, UsageError, near

VERBS = {
    "samples": samples, "inspect": inspect, "evaluate": evaluate, "sensitivity": sensitivity, "diagnose": diagnose,
    "search": search, "compare": compare, "export": export, "verify": verify, "report": report, "fixes": fixes,
    "formats": formats, "compare-formats": compare_formats, "ranges": ranges, "calibration": calibration,
    "groups": groups, "sample": sample, "scan": scan,
    "app": app,
}  # fmt: skip
_DONE, _OURS, _MISTAKE, _INTERRUPTED = 0, 1, 2, 130


def main(argv: Sequence[str] | None = None) -> int:
    """Run one verb.

    Args:
        argv: the arguments after the program's name; those of this process if not given.

    Returns:
        The exit status. With ``--json`` standard output holds one JSON object and nothing else.
    """
    arguments = list(sys.argv[1:] if argv is None else argv)
    for stream in (sys.stdout, sys.stderr):
        # Names and units hold characters that not every terminal has; a wrong one must not end the program.
        if reconfigure := getattr(stream, "reconfigure", None):
            reconfigure(errors="replace")
    try:
        options = parse(arguments)
        VERBS[options.verb].run(options)
        sys.stdout.flush()
    except QDebugError as error:
        print(f"qdebug: {' '.join(str(error).split())}", file=sys.stderr)
        return _MISTAKE
    except KeyboardInterrupt:
        print("qdebug: interrupted", file=sys.stderr)
        return _INTERRUPTED
    except BrokenPipeError:
        # Whoever read our output has seen enough (`qdebug … | head`); keep the interpreter from trying again at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return _DONE
    except Exception:  # noqa: BLE001 - everything else is a fault of ours, and says where
        traceback.print_exc()
        print("qdebug: this is a fault of qdebug's own; please report it with the lines above", file=sys.stderr)
        return _OURS
    return _DONE


class _Parser(argparse.ArgumentParser):
    """argparse that says a mistake in one line, as everything else here does."""

    def error(self, message: str) -> NoReturn:
        raise UsageError(message[:1].upper() + message[1:], do=f"See {self.prog} --help.")


def parse(arguments: list[str]) -> argparse.Namespace:
    """The options.

    Raises:
        UsageError: a verb or an option that does not exist, with near names; a value that makes no sense.
    """
    parser = _Parser(
        prog="qdebug",
        description="See which layers break a quantized network and why, and what mends them.",
        epilog="'qdebug VERB --help' shows a verb's options and examples.",
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=f"qdebug {qdebug.__version__}")
    verbs = parser.add_subparsers(dest="verb", metavar="VERB", title="verbs", required=True)
    known: dict[str, list[str]] = {}
    for name, module in VERBS.items():
        verb = verbs.add_parser(
            name,
            help=module.SUMMARY,
            description=module.__doc__,
            epilog=f"examples:\n{module.EXAMPLES}",
            formatter_class=argparse.RawDescriptionHelpFormatter,
            allow_abbrev=False,
        )
        module.add_options(verb)
        known[name] = [option for action in verb._actions for option in action.option_strings if option[:2] == "--"]
    first = next((argument for argument in arguments if not argument.startswith("-")), None)
    if first is not None and first not in VERBS:
        raise UsageError(f"There is no verb '{first}'", do=near(first, VERBS))
    options, unknown = parser.parse_known_args(arguments)
    if unknown:
        name = unknown[0].partition("=")[0]
        raise UsageError(f"'{options.verb}' does not take '{unknown[0]}'", do=near(name, known[options.verb]))
    return options
