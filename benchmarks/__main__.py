"""Measure against what one would use instead: ``python -m benchmarks [explaining storing …]``.

All figures of a table come from one run on one machine: compare ratios, not milliseconds.
"""

import importlib
import sys

from benchmarks.timing import Line, table

NAMES = (
    "counterfactuals",
    "dossiers",
    "explaining",
    "paging",
    "serving",
    "storing",
    "surrogates",
    "ticking",
)


def main(chosen: list[str]) -> int:
    """Print the table of the chosen benchmarks, or of all; 2 if there is no such benchmark."""
    unknown = [name for name in chosen if name not in NAMES]
    if unknown:
        print(f"There is no benchmark {unknown[0]!r}; there are: {', '.join(NAMES)}.")
        return 2
    found: list[Line] = []
    for name in chosen or NAMES:
        print(f"Measuring {name} …", file=sys.stderr)
        found += importlib.import_module(f"benchmarks.{name}").lines()
    print(table(found))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
