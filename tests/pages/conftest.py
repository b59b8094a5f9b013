"""The app in this process on a small database of its own, one for each test file."""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from hitl import workflow
from hitl.explain.text import JOINER
from hitl.store import Store
from hitl.ui import resources
from hitl.workspaces import WORKSPACES

ROOT = Path(__file__).resolve().parents[2]
NOW = 2_000_000_000_000
"""Later than the first models, which the app itself dates."""


@dataclass(frozen=True)
class Home:
    """One test file's database, with what fills it."""

    folder: Path

    @property
    def store(self) -> Store:
        """The store the app uses."""
        return resources.store()

    def materials(self, workspace: str) -> workflow.Materials:
        """Give a workspace's rows, seeded."""
        return resources.materials(workspace)

    def play(self, workspace: str, rows: int, *, again: bool = False) -> workflow.Ingested:
        """Play rows of a stream."""
        found = self.materials(workspace)
        return workflow.ingest(self.store, found, rows, now_ms=NOW, audit_share=0.01, again=again)


def forget_everything() -> None:
    st.cache_resource.clear()
    st.cache_data.clear()


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Home]:
    """A database for this file alone; the champions are trained when first asked for."""
    folder = tmp_path_factory.mktemp("app")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HITL_DATABASE_URL", str(folder / "test.duckdb"))
        patch.setenv("HITL_DATA_DIR", str(ROOT / "data"))
        forget_everything()
        yield Home(folder)
        for name in WORKSPACES:
            resources.player(name).pause()
            resources.ahead(name).stop()
        forget_everything()


@pytest.fixture(scope="module")
def open_page(home: Home) -> Callable[..., AppTest]:
    """Open a page by its name in a new session, as somebody with that address would."""

    def open_one(page: str, workspace: str = "story", **address: str) -> AppTest:
        app = AppTest.from_file(str(ROOT / "streamlit_app.py"), default_timeout=90)
        for name, content in {"workspace": workspace, **address}.items():
            app.query_params[name] = content
        app.run()
        if page != "monitor":
            app.switch_page(f"pages/{page}.py").run()
        return app

    return open_one


def words(app: AppTest) -> str:
    """Give all a page says, one part a line."""
    parts = [*app.title, *app.header, *app.markdown, *app.caption, *app.info, *app.warning]
    metrics = [f"{m.label}: {m.value}" for m in app.metric]
    return unescaped("\n".join([*(str(part.value) for part in (*parts, *app.error)), *metrics]))


def unescaped(markdown: str) -> str:
    """Read escaped Markdown as a person sees it."""
    return re.sub(r"\\([\W_])", r"\1", markdown).replace(JOINER, "")


def count_model_calls(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Write down every time the model is asked: for scores, contributions or leaves."""
    from lightgbm import Booster

    asked: list[str] = []
    for name in ("predict", "predict_disable_shape_check"):
        if hasattr(Booster, name):
            real = getattr(Booster, name)

            def counted(self, *given, _real=real, _name=name, **named):
                asked.append(_name)
                return _real(self, *given, **named)

            monkeypatch.setattr(Booster, name, counted)
    return asked
