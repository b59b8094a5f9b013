"""Labels from elsewhere: what they would do, what they do, and what stands in the end."""

from collections.abc import Iterator
from typing import Any

import pandas as pd
import pytest

from hitl.errors import InputError, MissingColumnsError
from hitl.store import Store
from hitl.workflow import Person, first_opinion, import_labels, preview_labels
from hitl.workflow.labelling import LabelColumns
from hitl.workspaces import CARDS, REASONS
from tests import facts
from tests.facts import NOW

SUE = Person("sue", "supervisor")
BY_CASE = LabelColumns("case", "said")
BY_ROW = LabelColumns("case", "said", by="source_row")


@pytest.fixture(scope="module", params=facts.ENGINES)
def database(request: pytest.FixtureRequest) -> Iterator[Store]:
    with facts.opened(request) as store:
        yield store


@pytest.fixture
def store(database: Store) -> Iterator[Store]:
    facts.write_history(facts.emptied(database))
    yield database
    facts.check_heads(database)


def preview(
    store: Store, *lines: tuple[Any, Any], kind: str = "outcome", columns: LabelColumns = BY_CASE
) -> pd.DataFrame:
    rows = pd.DataFrame(lines, columns=["case", "said"])
    return preview_labels(store, CARDS, rows, columns, kind=kind)


def take_over(store: Store, found: pd.DataFrame, **options: Any) -> int:
    given = {"kind": "outcome", "source": "chargebacks", "person": SUE, "now_ms": NOW + 50}
    return import_labels(store, CARDS, found, **{**given, **options})


def label(store: Store, case: str) -> tuple[bool, str]:
    row = store.view("labels", workspace="cards", instance_id=case).iloc[0]
    return bool(row["is_positive"]), row["source"]


def test_a_preview_says_what_each_line_would_do_and_writes_nothing(store) -> None:
    found = preview(
        store,
        ("cards-0", "fraud"),  # nobody said anything
        ("cards-3", "fraud"),  # bob said legitimate
        ("cards-3", "fraud"),
        ("cards-9", "fraud"),  # an imported decision said so too
        ("cards-5", "legitimate"),  # its outcome says so
        ("cards-2", "unsure"),
        ("cards-77", "fraud"),
        ("cards-8", "guilty"),
        ("cards-0", "legitimate"),
    )
    assert found["effect"].tolist() == [
        "new", "replaces", "replaces", "confirms", "here already", "no label", "unknown case",
        "not a verdict", "contradicts the file",
    ]  # fmt: skip
    assert found["line"].tolist() == list(range(1, 10))
    assert found.loc[1, ["now", "now_from"]].tolist() == [False, "reviewer"]
    assert store.view("outside_labels", source="chargebacks").empty


def test_a_weak_label_is_outranked_by_everybody(store) -> None:
    found = preview(store, ("cards-3", 1), ("cards-5", 1), ("cards-0", 1), kind="weak")
    assert found["effect"].tolist() == ["outranked", "outranked", "new"]
    assert take_over(store, found, kind="weak", source="rules") == 3
    assert label(store, "cards-3") == (False, "reviewer")
    assert label(store, "cards-0") == (True, "rules")


def test_what_stands_is_outcome_then_adjudicated_then_decided_then_weak(store) -> None:
    take_over(store, preview(store, ("cards-3", "yes"), kind="weak"), kind="weak", source="rules")
    assert label(store, "cards-3") == (False, "reviewer")
    assert store.view("label_grades", instance_id="cards-3")["grade"].tolist() == [3]
    sue = facts.taken_by(store, SUE, "cards-x")
    said = {"verdict": "fraud", "reason": REASONS["fraud"][0]}
    first_opinion(store, CARDS, sue, **said, now_ms=NOW)
    facts.decide(store, CARDS, sue, "fraud")
    assert label(store, "cards-x") == (True, "adjudicator")
    assert store.view("label_grades", instance_id="cards-x")["grade"].tolist() == [2]
    take_over(store, preview(store, ("cards-3", "fraud")))
    assert label(store, "cards-3") == (True, "chargebacks")


def test_the_latest_of_two_outcomes_stands(store) -> None:
    assert label(store, "cards-1") == (False, "outcome")
    assert take_over(store, preview(store, ("cards-1", "fraud"))) == 1
    assert label(store, "cards-1") == (True, "chargebacks")
    rows = store.view("labelled_instances", instance_id="cards-1")
    assert rows["is_reviewed"].tolist() == [True]
    assert rows["decided_positive"].tolist() == [True]


def test_the_same_file_again_changes_nothing_and_a_change_of_mind_does(store) -> None:
    found = preview(store, ("cards-0", "fraud"), ("cards-3", "fraud"))
    assert [take_over(store, found, now_ms=NOW + 50 + n) for n in range(2)] == [2, 0]
    for said, number in (("legitimate", 60), ("fraud", 70)):
        changed = preview(store, ("cards-0", said))
        assert changed["effect"].tolist() == ["replaces"]
        assert take_over(store, changed, now_ms=NOW + number) == 1
        assert label(store, "cards-0") == (said == "fraud", "chargebacks")


def test_one_field_may_name_several_cases(store) -> None:
    found = preview(store, ("cards-0, cards-3;cards-8 cards-5", "fraud"))
    assert found["instance_id"].tolist() == ["cards-0", "cards-3", "cards-8", "cards-5"]
    assert found["line"].tolist() == [1] * 4
    assert take_over(store, found) == 4


def test_cases_are_named_by_their_row_in_the_data_too(store) -> None:
    found = preview(store, (0, 1), ("7.0", 0), ("99", 1), columns=BY_ROW)
    assert found["instance_id"].tolist() == ["cards-1", "cards-8", "99"]
    assert found["effect"].tolist() == ["replaces", "new", "unknown case"]


@pytest.mark.parametrize(
    ("said", "positive"),
    [
        ("FRAUD ", True),
        ("Legitimate", False),
        (1, True),
        (0.0, False),
        ("yes", True),
        ("No", False),
    ],
)
def test_a_verdict_is_a_word_of_the_workspace_or_yes_and_no(store, said, positive) -> None:
    assert preview(store, ("cards-0", said))["is_positive"].tolist() == [positive]


def test_a_file_with_a_line_that_cannot_be_used_is_refused_or_the_line_left_out(store) -> None:
    found = preview(store, ("cards-0", "fraud"), ("cards-77", "fraud"), (None, None))
    with pytest.raises(InputError, match=r"Line 2, cards-77: unknown case \(2 of 3 cannot"):
        take_over(store, found)
    assert store.view("outside_labels", source="chargebacks").empty
    assert take_over(store, found, leave_out=True) == 1


@pytest.mark.parametrize("source", ["", " ", "outcome", "reviewer"])
def test_a_source_from_elsewhere_has_a_name_of_its_own(store, source) -> None:
    with pytest.raises(InputError, match="no name for a source"):
        take_over(store, preview(store, ("cards-0", "fraud")), source=source)


def test_a_column_or_kind_that_is_not_there_is_named(store) -> None:
    with pytest.raises(MissingColumnsError, match=r"no column id.*case, said"):
        preview(store, ("cards-0", 1), columns=LabelColumns("id", "said"))
    with pytest.raises(InputError, match=r"kind 'sure'.*outcome or weak"):
        preview(store, ("cards-0", 1), kind="sure")
    with pytest.raises(InputError, match="Cases have no name"):
        preview(store, ("cards-0", 1), columns=LabelColumns("case", "said", by="name"))


def test_labels_from_elsewhere_are_news_for_training(store) -> None:
    take_over(store, preview(store, ("cards-0", "fraud")))
    assert "cards-0" in store.view("new_labels", workspace="cards")["instance_id"].tolist()
    news = store.view("news_since_training", workspace="cards", source="chargebacks")
    assert news["n"].tolist() == [1]
