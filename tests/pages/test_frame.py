"""What stands above every page."""

import base64

import pytest

from hitl.ui import frame, resources
from hitl.workspaces import WORKSPACES
from tests.pages.conftest import words


@pytest.mark.parametrize("page", ["monitor", "explain", "review", "fairness", "retrain"])
def test_every_page_stands_in_its_frame(open_page, page) -> None:
    app = open_page(page)
    assert not app.exception
    assert app.selectbox(key="workspace").options == list(WORKSPACES)
    assert "teaching tape" not in words(app) or app.title


def test_a_page_opened_without_its_frame_finds_back_into_it(home) -> None:
    from streamlit.testing.v1 import AppTest

    from tests.pages.conftest import ROOT

    app = AppTest.from_file(str(ROOT / "streamlit_app.py"), default_timeout=90)
    app.query_params["workspace"] = "story"
    app.run()
    del app.session_state["guest"]
    app.switch_page("pages/review.py").run()
    assert app.title[0].value == "Review"
    assert app.text_input(key="reviewer").value.startswith("Guest ")


def test_two_visitors_have_two_names_until_they_write_theirs(open_page) -> None:
    first, second = open_page("review"), open_page("review")
    assert first.text_input(key="reviewer").value != second.text_input(key="reviewer").value


def test_a_disk_that_does_not_last_is_said_on_every_page(open_page, monkeypatch) -> None:
    assert resources.is_lasting()
    assert not open_page("review").warning
    monkeypatch.setitem(resources.settings(), "ephemeral", True)
    assert not resources.is_lasting()
    assert "does not last" in open_page("review").warning[0].value


def test_a_queue_that_was_changed_past_the_app_is_said_on_every_page(home, open_page) -> None:
    home.materials("story")
    for change, is_said in (("+ 1", True), ("- 1", False)):
        with home.store._engine.transaction() as work:
            work.rows(f"UPDATE case_heads SET fence = fence {change} WHERE workspace = 'story'")
        resources.checked.clear()
        for page in ("review", "retrain"):
            said = "The queue does not follow from its events" in words(open_page(page))
            assert said is is_said


def test_facts_are_counted_anew_when_something_was_written(home, monkeypatch) -> None:
    home.materials("story")
    before, asked = resources.state("story"), []
    real = home.store.rows
    monkeypatch.setattr(home.store, "rows", lambda *what: asked.append(what[0]) or real(*what))
    assert resources.state("story") == before
    assert asked == []
    played = home.play("story", 3)
    assert resources.state("story").predictions == before.predictions + played.rows
    assert "workspace_state" in asked


def test_on_a_server_others_may_have_written_so_facts_are_always_counted(home, monkeypatch) -> None:
    home.materials("story")
    before = resources.state("story")
    home.store.kind = "postgres"
    monkeypatch.setattr(resources, "_counted", lambda name: (name, "counted"))
    try:
        assert resources.state("story") == ("story", "counted")
    finally:
        home.store.kind = "duckdb"
    assert resources.state("story") == before


def test_the_icon_comes_with_the_page() -> None:
    assert base64.b64decode(frame.ICON.split(",")[1]).startswith(b"\x89PNG")


def test_a_wrong_setting_is_named_on_the_page(home, open_page, monkeypatch) -> None:
    monkeypatch.setenv("HITL_THREADS", "many")
    resources.settings.clear()
    app = open_page("review")
    assert "HITL_THREADS is 'many'" in words(app)
    monkeypatch.undo()
    monkeypatch.setenv("HITL_DATABASE_URL", str(home.folder / "test.duckdb"))
    resources.settings.clear()


def test_each_page_has_a_title_and_a_question() -> None:
    assert [title for _, title, _ in frame.PAGES] == [
        "Monitor",
        "Explain",
        "Review",
        "Fairness",
        "Retrain",
        "Settings",
    ]
    assert all(question for _, _, question in frame.PAGES)
