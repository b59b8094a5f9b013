from dataclasses import replace
from string import Formatter

import pytest

from hitl.dictionaries import Dictionary, Reason, dictionary
from hitl.workspaces import CARDS, STORY

WINDOWS = ("1d", "7d", "30d")
PAYMENTS = (
    "amount",
    "hour",
    "weekend",
    *(f"customer_count_{w}" for w in WINDOWS),
    *(f"customer_mean_{w}" for w in WINDOWS),
    "amount_ratio",
    "first_at_terminal",
    *(f"terminal_count_{w}" for w in WINDOWS),
    *(f"terminal_risk_{w}" for w in WINDOWS),
)
SLOTS = {"name", "value", "range", "place", "alike"}


def templates(reason: Reason) -> list[str]:
    names = ("high", "low", "usual", "leaning", "missing", "bare", "known", "unseen")
    return [getattr(reason, name) for name in names]


def slots(template: str) -> set[str]:
    return {part[1] for part in Formatter().parse(template) if part[1]}


def test_every_feature_of_payments_is_spoken_of_in_words():
    words = dictionary("payments", PAYMENTS)
    for feature in PAYMENTS:
        reason = words.reason(feature)
        assert reason.feature == feature
        assert reason.group in words.groups
        assert "_" not in reason.name
        assert reason.name[0].isupper()


def test_the_groups_of_payments_are_the_amount_the_customer_the_terminal_and_the_time():
    words = dictionary("payments", PAYMENTS)
    members = {
        group: [f for f in PAYMENTS if words.reason(f).group == group] for group in words.groups
    }
    assert {group: len(found) for group, found in members.items()} == {
        "amount": 1, "customer": 8, "terminal": 6, "time": 2,
    }  # fmt: skip
    assert "amount_ratio" in members["customer"]
    assert words.title("customer") == "the customer's history"


@pytest.mark.parametrize("space", [CARDS, STORY])
def test_anonymous_components_say_that_they_are_anonymous_and_stand_alone(space):
    words = dictionary(space.name, space.features)
    for feature in space.features:
        if feature != "Amount":
            assert words.reason(feature).name == f"{feature} (an anonymous component)"
            assert words.reason(feature).group == feature
            assert words.title(feature) == feature


@pytest.mark.parametrize(
    ("workspace", "features"),
    [("cards", CARDS.features), ("story", STORY.features), ("payments", PAYMENTS), ("x", ("a",))],
)
def test_sentences_hold_known_slots_or_features_of_the_workspace_and_no_full_stop(
    workspace, features
):
    words = dictionary(workspace, features)
    for feature in features:
        for template in templates(words.reason(feature)):
            assert slots(template) <= SLOTS | set(features)
            assert not template.endswith(".")
            assert "  " not in template


def test_own_rows_are_called_by_their_columns():
    words = dictionary("mine", ("age", "x{y}"), noun="loan", negative="repaid", positive="default")
    assert words.reason("age") == Reason("age", "age", "age")
    assert words.reason("x{y}").name == "x{y}"
    assert words.title("age") == "age"
    assert (words.noun, words.negative, words.positive) == ("loan", "repaid", "default")


def test_a_bundled_workspace_speaks_of_further_features_by_their_columns():
    words = dictionary("cards", ("V14", "merchant"))
    assert words.reason("merchant").name == "merchant"
    assert words.reason("never listed").name == "never listed"


def test_the_version_changes_with_any_word_and_with_nothing_else():
    one, again = (dictionary("cards", ("V14", "Amount")) for _ in range(2))
    assert one.version == again.version
    assert one.version.startswith("cards-")
    assert len(one.version) == len("cards-") + 12
    others = [
        dictionary("cards", ("V14",)),
        dictionary("story", ("V14", "Amount")),
        dictionary("cards", ("V14", "Amount"), noun="transfer"),
        dictionary("cards", ("V14", "Amount"), currency="CHF"),
        reworded(one, "V14", high="{name} is far too high: {value}"),
        reworded(one, "V14", group="components"),
    ]
    assert len({one.version, *(other.version for other in others)}) == 7


def reworded(words: Dictionary, feature: str, **changes: str) -> Dictionary:
    changed = dict(words.by_feature) | {feature: replace(words.reason(feature), **changes)}
    return replace(words, by_feature=changed)


def test_the_order_of_features_is_no_other_version():
    left, right = (dictionary("cards", names) for names in (("V1", "V2"), ("V2", "V1")))
    assert left.version == right.version
