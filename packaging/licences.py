"""The licences of what requirements.lock names, as docs/licences.md. Run where these are installed.

python packaging/licences.py requirements.lock > docs/licences.md
"""

import re
import sys
from importlib.metadata import PackageNotFoundError, metadata
from pathlib import Path

_LONGEST = 60
"""A licence field that is longer holds the licence's text instead of its name."""


def locked(lock: Path) -> dict[str, str]:
    """Names and versions in a lock."""
    return dict(re.findall(r"^([A-Za-z0-9._-]+)==([^ \\]+)", lock.read_text(), re.MULTILINE))


def licence(name: str) -> str:
    """What a distribution says of its licence, as an SPDX expression where it has one."""
    said = metadata(name)
    if expression := said.get("License-Expression"):
        return expression
    named = said.get("License") or ""
    classified = [one.rpartition(" :: ")[2] for one in said.get_all("Classifier") or [] if one.startswith("License ::")]
    return named if 0 < len(named) <= _LONGEST and "\n" not in named else ", ".join(classified) or "not said"


def main(lock: Path) -> str:
    """The page."""
    rows = []
    for name, version in locked(lock).items():
        try:
            rows.append(f"| {name} | {version} | {licence(name)} |")
        except PackageNotFoundError:
            rows.append(f"| {name} | {version} | not installed here |")
    return "\n".join(
        [
            "# Licences", "",
            "What [requirements.lock](../requirements.lock) names, and the licence of each (written by `make lock`).",
            "", "| package | version | licence |", "|---|---|---|", *rows,
        ]
    )  # fmt: skip


if __name__ == "__main__":
    sys.stdout.write(main(Path(sys.argv[1])) + "\n")
