"""Time two ways of doing one thing in turns, so that a busy machine hits both alike."""

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Line:
    """One line of the table: what was done, how it is done here, how else, seconds of both."""

    what: str
    ours: str
    ours_seconds: float
    instead: str
    instead_seconds: float

    @property
    def ratio(self) -> float:
        """How many times longer the other way takes."""
        return self.instead_seconds / self.ours_seconds


def seconds(call: Callable[[], Any]) -> float:
    """Run something once and say how long it took."""
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def cpu_seconds(call: Callable[[], Any]) -> float:
    """Run something once and say how long it kept this program's processors busy."""
    start = time.process_time()
    call()
    return time.process_time() - start


def in_turns(
    ours: Callable[[], Any],
    instead: Callable[[], Any],
    *,
    times: int,
    clock: Callable[[Callable[[], Any]], float] = seconds,
) -> tuple[float, float]:
    """Give the median seconds of both ways, after one unmeasured run of each."""
    ours()
    instead()
    pairs = [(clock(ours), clock(instead)) for _ in range(times)]
    mine, other = zip(*pairs, strict=True)
    return statistics.median(mine), statistics.median(other)


def table(lines: list[Line]) -> str:
    """Write the lines as Markdown, times in milliseconds with three significant digits."""
    rows = ["| what | here | ms | instead | ms | ratio |", "|---|---|--:|---|--:|--:|"]
    rows += [
        f"| {line.what} | {line.ours} | {_ms(line.ours_seconds)} "
        f"| {line.instead} | {_ms(line.instead_seconds)} | {line.ratio:.3g} |"
        for line in lines
    ]
    return "\n".join(rows)


def _ms(value: float) -> str:
    return f"{float(f'{1_000 * value:.3g}'):,g}"
