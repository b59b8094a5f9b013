import json
import math
from collections.abc import Iterator
from pathlib import Path

import pytest

from hitl import workflow
from hitl.novelty import STATES as DETECTED
from hitl.store import Store
from hitl.ui import wording
from hitl.workflow import times
from hitl.workflow.materials import FIRST_DAY_MS
from hitl.workspaces import CARDS

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (1204, "1,204"),
        (0, "0"),
        (0.62345, "0.623"),
        (-6.5999, "−6.6"),
        (-3, "−3"),
        (1234.5, "1,230"),
        (math.nan, "–"),
        (None, "–"),
    ],
)
def test_numbers_are_written_for_people(value, text) -> None:
    assert wording.number(value) == text


def test_a_unit_follows_its_number() -> None:
    assert wording.number(3, unit="rows") == "3 rows"


def test_shares_are_percentages() -> None:
    assert wording.share(0.001727) == "0.173 %"
    assert wording.share(math.nan) == "–"


def test_moments_of_the_stream_have_a_day_and_no_date() -> None:
    assert times.event_time(FIRST_DAY_MS + 1_000 * (86_400 + 3_661)) == "day 2 01:01:01"
    assert times.wall_time(0) == "1970-01-01 00:00:00 UTC"


def test_every_state_has_a_word_an_icon_and_a_colour_of_its_own() -> None:
    assert set(wording.STATES) == set(DETECTED)
    assert len(set(wording.STATES.values())) == len(DETECTED)
    assert all(state in wording.state_badge(state) for state in DETECTED)


def test_the_strip_counts_what_the_database_holds() -> None:
    cards = workflow.materials(CARDS, ROOT / "data")
    with Store("duckdb::memory:") as store:
        assert wording.loop_counts(store, "cards")["scored"] == 0
        champion = workflow.seed(store, cards, seed=0, novelty_rate=0.001, now_ms=1)
        workflow.ingest(store, cards, 200, now_ms=2)
        counts = wording.loop_counts(store, "cards")
        rows = store.view("scored_instances", workspace="cards")
        heads = store.view("case_heads", workspace="cards")
        outcomes = store.view("outcomes", workspace="cards")
    assert counts == {
        "scored": len(rows),
        "flagged": int(rows["is_flagged"].sum()),
        "waiting": len(heads),
        "decided": 0,
        "since_training": len(outcomes),
        "champion_id": champion,
        "comparison": "",
        "note": "",
    }
    labels = [label for _, label, _ in wording.loop_links(counts)]
    assert labels[0] == f"**Monitor** {len(rows)} scored · {counts['flagged']} flagged"
    assert champion in labels[3]


@pytest.fixture
def compared() -> Iterator[Store]:
    """A champion m-old and a challenger m-new that passed every gate."""
    with Store("duckdb::memory:") as store:
        promoted(store, 1, "seed", "m-old", "")
        body = {"challenger_id": "m-new", "is_passed": True}
        record = {"comparison_id": "c-1", "workspace": "cards", "champion_id": "m-old",
                  "challenger_id": "m-new", "is_passed": True, "body": json.dumps(body),
                  "compared_ms": 1}  # fmt: skip
        store.append("comparisons", [record])
        yield store


def promoted(store: Store, number: int, kind: str, model_id: str, replaced_id: str) -> None:
    record = {"workspace": "cards", "number": number, "kind": kind, "model_id": model_id,
              "replaced_id": replaced_id, "comparison_id": "", "promoted_by": "Ada",
              "reason": "worse *at night*", "promoted_ms": 1_000 * number}  # fmt: skip
    store.append("promotions", [record])


def test_the_strip_says_that_a_challenger_may_be_promoted(compared) -> None:
    counts = wording.loop_counts(compared, "cards")
    assert (counts["comparison"], counts["note"]) == ("m-new may be promoted", "")
    assert wording.loop_links(counts)[3][2].startswith("The model in use")


def test_the_strip_does_not_recommend_a_model_that_was_rolled_back(compared) -> None:
    promoted(compared, 2, "promote", "m-new", "m-old")
    promoted(compared, 3, "roll back", "m-old", "m-new")
    _, label, explanation = wording.loop_links(wording.loop_counts(compared, "cards"))[3]
    assert label == "**Compare** m-new rolled back"
    assert explanation == (
        r"m-new was rolled back 1970-01-01 00:00:03 UTC by Ada: worse \*at night\*"
    )
    assert wording.rolled_back(compared, "cards", "m-old") == ""
    assert wording.rolled_back(compared, "story", "m-new") == ""
