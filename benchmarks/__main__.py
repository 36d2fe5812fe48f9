"""Every benchmark, each in a process of its own, as one JSON object: ``python -m benchmarks [NAME …]``."""

from __future__ import annotations

import json
import pkgutil
import subprocess
import sys
from pathlib import Path

FOLDER = Path(__file__).parent
APART = ("orderings", "peers")
"""They print tables, and the peers need environments of their own."""
ALL = tuple(sorted(m.name for m in pkgutil.iter_modules([str(FOLDER)]) if m.name[0] != "_" and m.name not in APART))


def main(names: list[str]) -> int:
    """Run the named benchmarks, or all, and print what they print under their names."""
    results: dict[str, object] = {}
    for name in names or ALL:
        print(f"benchmarks.{name} …", file=sys.stderr, flush=True)
        ran = subprocess.run(
            [sys.executable, "-m", f"benchmarks.{name}"], stdout=subprocess.PIPE, text=True, check=False
        )
        results[name] = json.loads(ran.stdout) if ran.returncode == 0 else {"failed": ran.returncode}
    print(json.dumps(results, indent=2))
    return int(any(isinstance(result, dict) and "failed" in result for result in results.values()))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
