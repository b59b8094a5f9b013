"""Every statement and every view: the same text gives the same answer on both engines."""

import contextlib
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from hitl.store import TABLES, VIEWS, VIEWS_SQL, Store
from hitl.store.statements import STATEMENTS
from hitl.workspaces import CARDS
from tests import facts
from tests.facts import MINUTE, NOW

POSTGRES = pytest.mark.postgres
ROOT = Path(__file__).parent.parent
UNTIL = NOW + 10 * MINUTE

PARAMETERS: dict[str, tuple[Any, ...]] = {
    "event_exists": ("key-cards-1-1",),
    "case_head": ("cards", "cards-1"),
    "cases_in_hand": ("cards", "cem"),
    "next_plain_case": ("cards",),
    "next_other_case": ("cards", "fay", UNTIL + 10 * MINUTE, True),
    "place_differences": ("cards",),
    "begin_chain": ("cards",),
    "move_head": ("cards-7", "open", "", 0, 4, "first", "", "", 1),
    "fold_heads": ("cards", 29),
    "head_differences": ("cards",),
    "lock_chain": ("cards",),
    "chain_part": ("cards", 20),
    "chain_breaks": ("cards",),
    "log_part": ("cards",),
    "event_count": ("cards",),
    "chain_head": ("cards",),
    "move_chain": ("cards", 99, "hash"),
    "mark_checked": ("cards", 9),
    "newest_decision": ("cards", "ann"),
    "decision_of": ("cards", "cards-x", "ann"),
    "event_verdict": ("key-cards-1-1",),
    "draft": ("cards", "cards-0", "dee"),
    "keep_draft": ("cards", "cards-0", "dee", "{}", NOW),
    "drop_draft": ("cards", "cards-0", "dee"),
    "promotion_number": ("cards",),
    "champion_id": ("cards",),
    "model": ("m-cards-first",),
    "stream_head": ("cards",),
    "due_outcomes": ("cards", 1, NOW + 20_000),
    "explanation": ("cards-0", "m-old", "all"),
    "explanation_by_key": ("x-0123456789abcdef",),
    "unexplained": ("cards", 3),
    "workspace_state": ("cards",),
    "shown_evidence": ("key-cards-1-1",),
}
"""Parameters with which each statement finds something."""

ORDER_OF_KEY = {
    "predictions": ("instance_id", "model_id"),
    "training_labels": ("model_id", "instance_id"),
    "promotions": ("workspace", "number"),
    "live_predictions": ("instance_id",),
    "champions": ("workspace",),
    "loop_counts": ("workspace",),
    "stream_heads": ("workspace", "run"),
    "news_since_training": ("workspace", "source", "is_positive", "n"),
    "decision_log": ("event_id",),
    "case_events": ("event_id",),
    "chain_heads": ("workspace",),
    "opinion_pairs": ("instance_id", "reviewer"),
    "outside_labels": ("label_id",),
    "drafts": ("workspace", "instance_id", "reviewer"),
    "newest_comparisons": ("workspace", "challenger_id"),
    "comparisons": ("comparison_id",),
    "explanations": ("explanation_id",),
    "shown_evidence": ("event_id",),
    "models": ("model_id",),
    "model_history": ("model_id", "number"),
}


@pytest.fixture(scope="module")
def both(
    tmp_path_factory: pytest.TempPathFactory, postgres_url: str
) -> Iterator[tuple[Store, Store]]:
    """The same history on DuckDB and on PostgreSQL."""
    folder = tmp_path_factory.mktemp("both")
    with (
        facts.server_database(postgres_url) as url,
        Store(str(folder / "test.duckdb")) as here,
        Store(url) as there,
    ):
        facts.write_history(here)
        facts.write_history(there)
        yield here, there


def run_and_take_back(store: Store, name: str, parameters: tuple[Any, ...]) -> list[Any]:
    answers: list[Any] = []
    with contextlib.suppress(InterruptedError), store.transaction() as work:
        answers = work.rows(name, *parameters)
        raise InterruptedError
    return answers


@POSTGRES
def test_every_statement_gives_the_same_rows_on_both_engines(both) -> None:
    assert set(PARAMETERS) == set(STATEMENTS)
    for name, parameters in PARAMETERS.items():
        here, there = (run_and_take_back(store, name, parameters) for store in both)
        assert here, f"{name} finds nothing"
        assert here == there, name
        assert [[type(v) for v in row] for row in here] == [[type(v) for v in row] for row in there]


@POSTGRES
def test_every_view_and_table_gives_the_same_rows_and_types_on_both_engines(both) -> None:
    for name in (*TABLES, *VIEWS):
        order = ORDER_OF_KEY.get(name, ("instance_id",))
        here, there = (store.view(name, order=order) for store in both)
        assert len(here), f"{name} is empty"
        pd.testing.assert_frame_equal(here, there, check_exact=True, obj=name)


@POSTGRES
def test_views_without_rows_have_the_same_types_on_both_engines(
    tmp_path, fresh_postgres_url
) -> None:
    with Store(str(tmp_path / "test.duckdb")) as here, Store(fresh_postgres_url) as there:
        for name in (*TABLES, *VIEWS):
            pd.testing.assert_frame_equal(here.view(name), there.view(name), obj=name)


@POSTGRES
def test_rows_without_a_value_are_sorted_alike_on_both_engines(both) -> None:
    for order in (("outcome", "instance_id"), ("-outcome", "instance_id")):
        here, there = (
            store.view("scored_instances", order=order, workspace="cards") for store in both
        )
        assert here["instance_id"].tolist() == there["instance_id"].tolist()


def test_every_view_says_what_it_means() -> None:
    assert set(re.findall(r"COMMENT ON VIEW (\w+) IS '[^']{10,}'", VIEWS_SQL)) == set(VIEWS)


def test_every_statement_is_used() -> None:
    code = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "hitl").rglob("*.py"))
    for name in STATEMENTS:
        assert len(re.findall(rf'"{name}"', code)) > 1, f"{name} is used nowhere"


def test_a_statement_that_is_not_on_the_list_is_not_run(history) -> None:
    with pytest.raises(KeyError):
        history.rows("DROP TABLE instances")


# What the views mean, counted by hand


@pytest.fixture(scope="module", params=facts.ENGINES)
def history(request: pytest.FixtureRequest) -> Iterator[Store]:
    """A history that these tests only read."""
    with facts.opened(request) as store:
        facts.write_history(store)
        yield store


def ids(table: pd.DataFrame) -> list[str]:
    return sorted(table["instance_id"])


def test_the_champion_is_the_latest_promotion(history) -> None:
    champion = history.view("champions", workspace="cards").iloc[0]
    assert (champion["model_id"], champion["kind"], champion["number"]) == (
        "m-cards-first",
        "roll back",
        3,
    )
    listed = history.view("model_history", workspace="cards", order=("model_id", "number"))
    assert listed["is_champion"].tolist() == [False, True, False, False]
    assert listed["number"].isna().tolist() == [False, False, True, False]


def test_a_decision_stands_until_it_is_undone(history) -> None:
    standing = history.view("decisions", workspace="cards")
    assert ids(standing) == ["cards-1", "cards-2", "cards-3", "cards-6", "cards-9"]
    log = history.view("decision_log", workspace="cards", instance_id="cards-7", order=("fence",))
    assert log["kind"].tolist() == ["decided", "undone"]
    assert log["is_current"].tolist() == [False, True]


def test_the_outcome_is_the_label_where_it_arrived_and_unsure_is_none(history) -> None:
    labels = history.view("labels", workspace="cards").set_index("instance_id")
    assert labels["is_positive"].to_dict() == {
        "cards-1": False,  # people said fraud
        "cards-2": True,
        "cards-3": False,
        "cards-5": False,  # nobody decided
        "cards-9": True,
    }
    assert labels["source"].to_dict() == {
        "cards-1": "outcome",
        "cards-2": "outcome",
        "cards-3": "reviewer",
        "cards-5": "outcome",
        "cards-9": "import",
    }
    assert sorted(labels.index[~labels["is_reviewed"]]) == ["cards-5"]


def test_a_labelled_instance_carries_what_people_decided_beside_its_label(history) -> None:
    rows = history.view("labelled_instances", workspace="cards").set_index("instance_id")
    decided = rows["decided_positive"]
    assert decided[decided.notna()].to_dict() == {
        "cards-1": True,  # the outcome says otherwise
        "cards-2": True,
        "cards-3": False,
        "cards-9": True,
    }
    assert not rows.loc["cards-1", "is_positive"]
    assert sorted(rows.index) == ids(history.view("labels", workspace="cards"))


def test_what_the_champion_was_trained_on_is_not_new(history) -> None:
    assert ids(history.view("new_labels", workspace="cards")) == ["cards-1", "cards-5", "cards-9"]
    assert ids(history.view("new_decisions", workspace="cards")) == [
        "cards-1",
        "cards-6",
        "cards-9",
    ]


def test_a_decision_that_its_outcome_overruled_is_not_new_once_the_outcome_is_learned(
    database_url,
) -> None:
    learned = {
        "model_id": "m-cards-first",
        "instance_id": "cards-1",
        "workspace": "cards",
        "is_positive": False,
        "source": "outcome",
    }
    with Store(database_url) as store:
        facts.write_history(store)
        store.append("training_labels", [learned])
        assert ids(store.view("new_decisions", workspace="cards")) == ["cards-6", "cards-9"]
        assert ids(store.view("new_labels", workspace="cards")) == ["cards-5", "cards-9"]


def test_an_unsure_decision_is_news_until_a_model_is_trained_after_it(database_url) -> None:
    with Store(database_url) as store:
        facts.write_history(store)
        first = store.view("models", model_id="m-cards-first").assign(
            model_id="m-later", trained_ms=NOW + 100
        )
        promotion = store.view("promotions", workspace="cards", number=3).assign(
            model_id="m-later", number=4
        )
        store.append("models", first)
        store.append("promotions", promotion)
        assert "cards-6" not in ids(store.view("new_decisions", workspace="cards"))
        assert "cards-6" in ids(store.view("decisions", workspace="cards"))


def test_news_are_counted_by_source_and_verdict(history) -> None:
    news = history.view("news_since_training", workspace="cards")
    counted = {
        (row.source, None if pd.isna(row.is_positive) else bool(row.is_positive)): row.n
        for row in news.itertuples()
    }
    assert counted == {
        ("reviewer", True): 1,  # case 1
        ("reviewer", None): 1,  # case 6
        ("import", True): 1,  # case 9
        ("outcome", False): 1,  # case 5
    }


def test_the_queue_holds_what_waits_with_its_live_score(history) -> None:
    queue = history.view("review_queue", workspace="cards", order=("-priority",))
    assert queue["instance_id"].tolist() == ["cards-0", "cards-5", "cards-7", "cards-8"]
    assert queue["status"].tolist() == ["open", "open", "claimed", "open"]
    assert queue["holder"].tolist() == ["", "", "cem", ""]
    assert queue["probability"].tolist() == [n / 11 for n in (0, 5, 7, 8)]


def test_the_strip_counts_what_the_views_list(history) -> None:
    counts = history.view("loop_counts", workspace="cards").iloc[0].to_dict()
    assert counts == {"workspace": "cards", "scored": 10, "flagged": 5, "waiting": 5, "decided": 5}


def test_only_real_rows_wait_for_an_outcome(history) -> None:
    waiting = history.view("waiting_outcomes", workspace="cards")
    assert ids(waiting) == [f"cards-{n}" for n in (3, 4, 6, 7, 8, 9)]
    heads = history.view("stream_heads", workspace="cards", order=("run",))
    assert heads[["run", "step", "n"]].to_numpy().tolist() == [[1, 4, 5], [2, 2, 3]]


def test_the_latest_comparison_wins(history) -> None:
    assert history.view("newest_comparisons", workspace="cards")["comparison_id"].tolist() == [
        "c-cards-1"
    ]


def test_workspaces_do_not_see_each_other(history) -> None:
    for name in VIEWS:
        assert set(history.view(name, workspace=CARDS.name)["workspace"]) == {"cards"}


def test_a_whole_history_leaves_heads_that_equal_the_fold(history) -> None:
    facts.check_heads(history)
