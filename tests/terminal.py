"""Call the terminal's verbs from tests, in this process or in one of their own."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hitl import datasets

ROOT = Path(__file__).parents[1]
SAMPLE = ROOT / "data" / datasets.SAMPLE_FILE


@dataclass(frozen=True)
class Ran:
    """One call of `main`: its code and what it printed."""

    code: int
    out: str
    err: str

    @property
    def answer(self) -> Any:
        return json.loads(self.out, parse_constant=_not_json)


def _not_json(name: str) -> float:
    raise AssertionError(f"{name} is not JSON")


Run = Callable[..., Ran]


def in_a_shell(
    *arguments: object, cwd: Path = ROOT, env_more: dict[str, str] | None = None, **options: Any
) -> Ran:
    """Run `python -m hitl` in a process of its own."""
    env = {k: v for k, v in os.environ.items() if not k.startswith("HITL_")}
    done = subprocess.run(
        [sys.executable, "-m", "hitl", *map(str, arguments)],
        capture_output=True,
        text=True,
        cwd=cwd,
        env={**env, "PYTHONPATH": str(ROOT), **(env_more or {})},
        check=False,
        **options,
    )
    return Ran(done.returncode, done.stdout, done.stderr)


def check_refused(ran: Ran, *said: str) -> None:
    """Fail unless a mistake ended in code 2, nothing on stdout and one sentence with a hint."""
    assert ran.code == 2, ran
    assert ran.out == ""
    *logs, sentence = ran.err.strip().splitlines()
    assert all(log.endswith("…") or log.startswith("Left out: ") for log in logs), ran.err
    assert "Traceback" not in ran.err
    for words in said:
        assert words in sentence
    assert re.search(r"\. [A-Z–-].+$", sentence), f"no hint: {sentence}"
