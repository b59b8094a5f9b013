"""One tick of a live page: what the forced garbage collection costs, frozen and not."""

import gc
import importlib

from benchmarks.storing import duckdb_store
from benchmarks.timing import Line, in_turns
from hitl.ui import wording

LIBRARIES = ("streamlit", "altair", "lightgbm", "sklearn.linear_model", "lime.lime_tabular")


def lines() -> list[Line]:
    """Read the strip's counts and collect garbage, as Streamlit does after every run."""
    for name in LIBRARIES:
        importlib.import_module(name)
    with duckdb_store() as store:

        def tick() -> None:
            wording.loop_counts(store, "cards")
            gc.collect()

        def frozen() -> None:
            tick()

        def unfrozen() -> None:
            gc.unfreeze()
            tick()
            gc.freeze()

        gc.collect()
        gc.freeze()
        pair = in_turns(frozen, unfrozen, times=7)
        gc.unfreeze()
    what = "one tick of a live page, libraries loaded"
    return [Line(what, "they are frozen", pair[0], "they are not", pair[1])]
