"""A case page that is open: what one more run costs, with what was read before and without it."""

import os
import statistics
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks.timing import Line
from hitl.workspaces import CARDS

ROOT = Path(__file__).resolve().parent.parent
RUNS = 30
COLD_RUNS = 10
SLOW = 0.95


def lines() -> list[Line]:
    """Measure processor time of a run of Explain and of Review with a case in hand."""
    with tempfile.TemporaryDirectory() as folder, _home(Path(folder)):
        return [*_page("explain"), *_page("review")]


def _page(page: str) -> list[Line]:
    import streamlit as st

    from hitl.ui import resources, reviewing, similar

    app = _open(page)
    warm = sorted(_cost(app) for _ in range(RUNS))

    def cold() -> float:
        st.cache_data.clear()
        for kept in (similar._past, similar._similar, reviewing.read):
            kept.clear()
        return _cost(app)

    bare = sorted(cold() for _ in range(COLD_RUNS))
    resources.ahead(CARDS.name).stop()
    what = f"one run of {page.capitalize()} on an open case, processor time"
    return [
        Line(
            f"{what}, {name}",
            "what was read is kept",
            _at(warm, share),
            "it is read again",
            _at(bare, share),
        )
        for name, share in (("median", 0.5), ("95 of 100", SLOW))
    ]


def _open(page: str):  # type: ignore[no-untyped-def]
    from streamlit.testing.v1 import AppTest

    from hitl.ui import resources

    app = AppTest.from_file(str(ROOT / "streamlit_app.py"), default_timeout=300)
    app.query_params["workspace"] = CARDS.name
    app.run()
    queue = resources.store().view("review_queue", workspace=CARDS.name, order=("-priority",))
    app.query_params["case"] = str(queue["instance_id"].iloc[0])
    app.switch_page(f"pages/{page}.py").run()
    if page == "review":
        app.button(key="start").click().run()
    resources.ahead(CARDS.name).wait()
    for _ in range(3):
        app.run()
    if app.exception or app.error:
        raise RuntimeError(f"{page} cannot be drawn: {[*app.exception, *app.error]}")
    return app


def _cost(app) -> float:  # type: ignore[no-untyped-def]
    start = time.process_time()
    app.run()
    return time.process_time() - start


def _at(costs: list[float], share: float) -> float:
    return statistics.quantiles(costs, n=100, method="inclusive")[round(100 * share) - 1]


@contextmanager
def _home(folder: Path) -> Iterator[None]:
    """Have a database of our own, and leave the environment as it was."""
    mine = {
        "HITL_DATABASE_URL": str(folder / "paging.duckdb"),
        "HITL_DATA_DIR": str(ROOT / "data"),
    }
    before = {name: os.environ.get(name) for name in mine}
    os.environ.update(mine)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
