import json
import math
from dataclasses import asdict, replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hitl.dictionaries import Reason, dictionary
from hitl.explain.reasons import (
    LEAST_SHARE,
    Told,
    fact,
    reasons,
    written,
)

FEATURES = ("V1", "V2", "V3", "V4", "V5", "V6", "V14", "Amount")
WORDS = dictionary("cards", FEATURES)
MINE = dictionary("mine", ("age", "town", "a|b"), noun="loan", negative="repaid", positive="lost")


def usual_of(values):
    """What the card says of a column, from its legitimate rows."""
    grid = np.quantile(np.asarray(values, dtype=float), np.linspace(0, 1, 101))
    return {
        "p05": float(grid[5]), "p50": float(grid[50]), "p95": float(grid[95]), "grid": grid.tolist()
    }  # fmt: skip


NORMAL = np.random.default_rng(3).normal(size=5_000)
QUANTILES = {name: usual_of(NORMAL) for name in FEATURES}
ROW = dict.fromkeys(FEATURES, 0.5)


def told(contributions, row=None, words=WORDS, quantiles=QUANTILES):
    return reasons(contributions, ROW | (row or {}), quantiles, words)


# Which reasons


def test_at_most_four_raise_and_one_lowers_heaviest_first():
    found = told({"V1": 1.0, "V2": 1.5, "V3": 0.9, "V4": 2.0, "V5": 0.8, "V6": -0.9, "V14": -1.2})
    assert [one.feature for one in found.raising] == ["V4", "V2", "V1", "V3"]
    assert [one.feature for one in found.lowering] == ["V14"]
    assert {one.direction for one in found.raising} == {"raises"}
    assert {one.direction for one in found.lowering} == {"lowers"}


def test_shares_are_of_all_pushes_up_and_down():
    found = told({"V1": 3.0, "V2": -1.0})
    assert found.raising[0].share == pytest.approx(0.75)
    assert found.lowering[0].share == pytest.approx(0.25)
    assert "raises the score (75 % of all that moves it)." in found.raising[0].sentence
    assert found.sentence == "These 2 reasons are all that moves the score."


def test_what_has_less_than_five_percent_of_the_push_is_no_reason():
    found = told({"V1": 0.95, "V2": 0.0499, "V3": -0.06})
    assert [one.feature for one in found.raising] == ["V1"]
    assert [one.feature for one in found.lowering] == ["V3"]


def test_equal_pushes_keep_the_order_they_came_in():
    found = told({"V5": 1.0, "V2": 1.0, "V3": 1.0})
    assert [one.feature for one in found.raising] == ["V5", "V2", "V3"]


def test_a_score_that_many_small_facts_move_has_no_reason_and_says_so():
    names = [f"x{i}" for i in range(40)]
    found = reasons(
        dict.fromkeys(names, 0.1), dict.fromkeys(names, 0.0), {}, dictionary("mine", names)
    )
    assert (found.raising, found.lowering) == ((), ())
    assert found.sentence == (
        "No fact stands out: many small ones move the score, none of them 5 % of the total."
    )


@pytest.mark.parametrize("contributions", [{}, {"V1": 0.0}, {"V1": 0.004, "V2": -0.0004}])
def test_a_score_that_nothing_moves_has_no_reason_and_says_so(contributions):
    found = told(contributions)
    assert (found.raising, found.lowering) == ((), ())
    assert found.sentence == "Nothing in this row moves the score from where the model starts."


@pytest.mark.parametrize(
    ("contributions", "sentence"),
    [
        (
            {"V1": 2.0},
            "Nothing lowers the score noticeably. This reason is all that moves the score.",
        ),
        (
            {"V1": -2.0},
            "Nothing raises the score noticeably. This reason is all that moves the score.",
        ),
        (
            {f"V{i}": 1.0 for i in range(1, 7)},
            "Nothing lowers the score noticeably. These 4 reasons are about 67 % of all that moves "
            "the score.",
        ),
    ],
)  # fmt: skip
def test_the_summary_says_what_is_missing_and_how_much_is_told(contributions, sentence):
    assert told(contributions).sentence == sentence


@settings(deadline=None)
@given(st.dictionaries(st.sampled_from(FEATURES), st.floats(-5, 5), min_size=1))
def test_reasons_are_few_heavy_and_ordered_whatever_the_contributions(contributions):
    found = told(contributions)
    assert len(found.raising) <= 4
    assert len(found.lowering) <= 1
    for side, sign in ((found.raising, 1), (found.lowering, -1)):
        assert all(sign * one.contribution > 0 for one in side)
        pushes = [abs(one.contribution) for one in side]
        assert pushes == sorted(pushes, reverse=True)
    total = sum(abs(part) for part in contributions.values())
    for one in (*found.raising, *found.lowering):
        assert one.share == pytest.approx(abs(one.contribution) / total)
        assert one.share >= LEAST_SHARE
        assert "score was" not in one.sentence
        assert "  " not in one.sentence


@pytest.mark.parametrize("part", [math.nan, math.inf])
def test_a_contribution_that_is_no_number_is_refused(part):
    with pytest.raises(ValueError, match="missing or infinite"):
        told({"V1": part})


def test_reasons_can_be_stored_as_they_are():
    found = told({"V1": 2.0, "V2": -1.0, "V3": 0.5}, {"V3": None})
    again = json.loads(json.dumps(asdict(found), allow_nan=False))
    assert again["version"] == WORDS.version
    assert Told(**again["raising"][0]).sentence == found.raising[0].sentence
    assert found.raising[1].value is None


# Groups

GROUPED = dictionary(
    "payments", ("amount", "amount_ratio", "customer_mean_7d", "first_at_terminal", "hour")
)
PAYMENT = {
    "amount": 412.0, "amount_ratio": 25.0, "customer_mean_7d": 20.0, "first_at_terminal": 1.0,
    "hour": 3.0,
}  # fmt: skip


def test_contributions_of_a_group_are_added_and_its_heaviest_feature_speaks():
    found = reasons(
        {"amount_ratio": 2.0, "customer_mean_7d": 0.5, "first_at_terminal": -0.5, "amount": 2.0},
        PAYMENT,
        {},
        GROUPED,
    )
    assert [(one.group, one.contribution) for one in found.raising] == [
        ("customer", 2.0),
        ("amount", 2.0),
    ]
    assert found.raising[0].features == ("amount_ratio", "customer_mean_7d", "first_at_terminal")
    assert found.raising[0].sentence == (
        "The amount, €412, is 25 times this customer's usual; together with 2 other facts about "
        "the customer's history, this raises the score (50 % of all that moves it)."
    )


def test_one_other_fact_is_counted_in_the_singular_and_trifles_not_at_all():
    parts = {"amount_ratio": 2.0, "customer_mean_7d": 0.5, "first_at_terminal": 0.05}
    sentence = reasons(parts, PAYMENT, {}, GROUPED).raising[0].sentence
    assert "; together with 1 other fact about the customer's history, this raises" in sentence
    parts = {"amount_ratio": 2.0, "customer_mean_7d": 0.05}
    assert "usual; this raises the" in reasons(parts, PAYMENT, {}, GROUPED).raising[0].sentence


def test_the_feature_that_speaks_pulls_the_way_its_group_does():
    parts = {"amount_ratio": -2.0, "customer_mean_7d": 1.5, "first_at_terminal": 1.0}
    found = reasons(parts, PAYMENT, {}, GROUPED).raising[0]
    assert found.feature == "customer_mean_7d"
    assert found.features == ("customer_mean_7d", "first_at_terminal", "amount_ratio")
    assert found.contribution == pytest.approx(0.5)


def test_a_group_that_cancels_out_is_no_reason():
    parts = {"amount_ratio": 3.0, "customer_mean_7d": -3.0, "amount": 0.5}
    found = reasons(parts, PAYMENT, {}, GROUPED)
    assert [one.group for one in (*found.raising, *found.lowering)] == ["amount"]


# Which fact speaks for a group

CUSTOMER = {"amount_ratio": 1.0, "customer_mean_7d": 20.0, "first_at_terminal": 1.0}
CUSTOMERS = {
    "amount_ratio": usual_of(np.linspace(0, 2, 500)),
    "customer_mean_7d": usual_of(np.linspace(0, 60, 500)),
    "first_at_terminal": usual_of(np.repeat([0.0, 1.0], [490, 10])),
}


def speaker(parts, **row):
    found = reasons(parts, CUSTOMER | row, CUSTOMERS, GROUPED)
    return (*found.raising, *found.lowering)[0]


def test_an_unusual_fact_speaks_before_a_usual_one_that_is_up_to_twice_as_heavy():
    parts = {"amount_ratio": 1.0, "first_at_terminal": 0.5, "customer_mean_7d": 0.1}
    assert speaker(parts).feature == "first_at_terminal"
    assert speaker(parts).features == ("amount_ratio", "first_at_terminal", "customer_mean_7d")
    assert speaker(parts | {"first_at_terminal": 0.49}).feature == "amount_ratio"


def test_what_no_legitimate_row_had_speaks_before_what_is_merely_unusual():
    parts = {"first_at_terminal": 1.0, "customer_mean_7d": 0.6}
    assert speaker(parts, customer_mean_7d=58.0).feature == "first_at_terminal"
    assert speaker(parts, customer_mean_7d=99.0).feature == "customer_mean_7d"


def test_of_two_unusual_facts_the_heavier_speaks():
    parts = {"first_at_terminal": 0.9, "customer_mean_7d": 1.0}
    assert speaker(parts, customer_mean_7d=59.0).feature == "customer_mean_7d"


def test_being_ordinary_may_well_lower_a_score_so_there_the_heaviest_speaks():
    found = speaker({"amount_ratio": -1.0, "first_at_terminal": -0.9})
    assert (found.feature, found.direction) == ("amount_ratio", "lowers")
    assert "within the usual range" in found.sentence
    assert "the rest of this" not in found.sentence


def test_a_fact_that_pulls_the_other_way_never_speaks():
    found = speaker({"amount_ratio": 2.0, "first_at_terminal": -1.9}, first_at_terminal=1.0)
    assert (found.feature, found.direction) == ("amount_ratio", "raises")


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (1.6, "1.6 times, more than for 79 % of legitimate payments, though within the usual"),
        (0.31, "0.31 times, less than for 84 % of legitimate payments, though within the usual"),
        (1.21, "1.2 times, within the usual range: more than for 60 % of legitimate payments"),
    ],
)
def test_a_usual_value_that_raises_alone_is_told_by_its_place_and_with_the_rest(value, said):
    found = speaker({"amount_ratio": 1.0}, amount_ratio=value)
    assert said in found.sentence
    assert "; together with the rest of this payment, this raises the score" in found.sentence


def test_an_unusual_value_raises_by_itself():
    assert "; this raises the score" in speaker({"amount_ratio": 1.0}, amount_ratio=25.0).sentence


def test_a_rare_category_raises_by_itself_and_a_common_one_with_the_rest():
    quantiles = {"town": {"shares": {"Ulm": 0.9, "Bonn": 0.04}}}

    def sentence(town):
        return reasons({"town": 1.0}, {"town": town}, quantiles, MINE).raising[0].sentence

    assert "; together with the rest of this loan, this raises the score" in sentence("Ulm")
    assert "as in 4 % of repaid loans; this raises the score" in sentence("Bonn")
    assert "; this raises the score" in sentence("Rome")


# How one fact is said


@pytest.mark.parametrize("value", [-9.0, -2.5, -1.9, -0.3, 0.0, 0.8, 2.2, 9.0])
def test_a_place_never_claims_more_rows_than_there_are(value):
    text = fact("V14", {"V14": value}, QUANTILES, WORDS).place
    if "all legitimate payments" in text:
        assert value > NORMAL.max() or value < NORMAL.min()
        return
    word, percent = text.split(" than ")[0], float(text.split(" than ")[1].split(" %")[0])
    beaten = (value > NORMAL) if word == "higher" else (value < NORMAL)
    assert percent <= 100 * beaten.mean() + 0.02
    assert percent >= 100 * beaten.mean() - 1.02


@settings(deadline=None)
@given(st.lists(st.integers(0, 12), min_size=30, max_size=300), st.integers(-1, 13))
def test_a_place_is_proven_with_ties_too(column, value):
    rows = np.array(column, dtype=float)
    found = fact("V14", {"V14": value}, {"V14": usual_of(rows)}, WORDS)
    text = found.place
    if text.startswith("like"):
        share = (rows == value).mean()
    else:
        share = ((value > rows) if text.startswith("higher") else (value < rows)).mean()
    percent = 100.0 if " all " in text else float(text.split(" %")[0].split()[-1])
    assert percent <= 100 * share + 100 / len(rows) + 1e-9


def test_a_value_is_beyond_high_low_or_usual():
    sides = {
        value: fact("V14", {"V14": value}, QUANTILES, WORDS).side
        for value in (-9.0, -2.5, 0.0, 2.5, 9.0)
    }
    assert list(sides.values()) == ["beyond", "low", "usual", "high", "beyond"]


def test_a_component_is_never_said_without_value_range_and_percentile():
    text = fact("V14", {"V14": -2.7}, QUANTILES, WORDS).text
    assert text == (
        "V14 (an anonymous component) is −2.7, lower than 99 % of legitimate payments (typically "
        "−1.66 to 1.64)"
    )
    usual = fact("V14", {"V14": 0.3}, QUANTILES, WORDS).text
    assert "is 0.3, within the usual range: higher than 61 % of legitimate payments (typ" in usual
    beyond = fact("V14", {"V14": 99.0}, QUANTILES, WORDS).text
    assert "is 99, higher than all legitimate payments in training (typically" in beyond


def test_a_value_that_many_share_is_like_them():
    usual = usual_of([0.0] * 90 + list(range(1, 11)))
    found = fact("Amount", {"Amount": 0.0}, {"Amount": usual}, WORDS)
    assert found.place == "like 89 % of legitimate payments"


def test_a_feature_with_one_value_has_no_range_of_two_ends():
    usual = usual_of([5.0] * 50)
    same = fact("Amount", {"Amount": 5.0}, {"Amount": usual}, WORDS)
    assert same.text == (
        "The amount is €5, within the usual range: like all legitimate payments in training "
        "(typically €5)"
    )
    assert fact("Amount", {"Amount": 6.0}, {"Amount": usual}, WORDS).text == (
        "The amount is €6, higher than all legitimate payments in training (typically €5)"
    )


def test_without_a_card_the_value_alone_is_said():
    assert fact("V14", {"V14": -6.6}, {}, WORDS).text == "V14 (an anonymous component) is −6.6"
    assert fact("age", {"age": 44}, {"age": {}}, MINE).text == "age is 44"


@pytest.mark.parametrize("value", [None, math.nan, np.float64("nan")])
def test_a_missing_value_is_said_to_be_missing(value):
    found = fact("V14", {"V14": value}, QUANTILES, WORDS)
    assert (found.text, found.side) == ("V14 (an anonymous component) is missing", "missing")
    assert fact("V14", {}, QUANTILES, WORDS).text == found.text
    assert "is missing; this raises" in told({"V14": 1.0}, {"V14": value}).raising[0].sentence


@pytest.mark.parametrize(
    ("town", "text", "side"),
    [
        ("Ulm", "town is “Ulm”, as in 12 % of repaid loans", "usual"),
        ("Bonn", "town is “Bonn”, as in fewer than 1 % of repaid loans", "rare"),
        ("Rome", "town is “Rome”, which no repaid loan in training had", "unseen"),
        (None, "town is missing", "missing"),
        ("<b>|", "town is “<b>|”, which no repaid loan in training had", "unseen"),
        ("{value}", "town is “{value}”, which no repaid loan in training had", "unseen"),
    ],
)
def test_a_category_says_how_common_it_is(town, text, side):
    quantiles = {"town": {"shares": {"Ulm": 0.129, "Bonn": 0.002, "Kiel": 0.869}}}
    found = fact("town", {"town": town}, quantiles, MINE)
    assert (found.text, found.side) == (text, side)


def test_a_category_that_is_a_number_is_found_by_its_text():
    quantiles = {"town": {"shares": {"3": 1.0}}}
    for value in (3, 3.0, "3", np.int64(3)):
        text = fact("town", {"town": value}, quantiles, MINE).text
        assert text == "town is “3”, as in all repaid loans in training"


def test_text_without_shares_is_said_alone():
    assert fact("town", {"town": "Ulm"}, {}, MINE).text == "town is “Ulm”"


def test_names_and_values_stay_as_they_are_for_the_page_to_escape():
    assert fact("a|b", {"a|b": "*x*"}, {}, MINE).text == "a|b is “*x*”"


def test_a_sentence_that_needs_a_second_feature_gives_way_when_the_row_lacks_it():
    usual = {"amount_ratio": usual_of(np.linspace(0.3, 2.1, 500))}
    row = {"amount_ratio": 25.0}
    assert fact("amount_ratio", row, usual, GROUPED).text == (
        "The amount against this customer's usual is 25 times, more than for all legitimate "
        "payments in training (typically 0.39 to 2.0 times)"
    )
    assert (
        "within the usual range" in fact("amount_ratio", {"amount_ratio": 1.0}, usual, GROUPED).text
    )
    leaning = fact("amount_ratio", {"amount_ratio": 1.9}, usual, GROUPED, raises=True).text
    assert leaning.startswith("The amount against this customer's usual is 1.9 times, more than")
    assert "though within the usual range" in leaning
    assert fact("amount_ratio", row, {}, GROUPED).text == (
        "The amount against this customer's usual is 25 times"
    )  # fmt: skip


# Values


@pytest.mark.parametrize(
    ("kind", "unit", "value", "text"),
    [
        ("number", "", -6.5999, "−6.6"),
        ("number", "km", 12_345.0, "12,300 km"),
        ("number", "times", 25.04, "25 times"),
        ("number", "times", 0.333, "0.33 times"),
        ("number", "times", 1.0, "1.0 times"),
        ("number", "times", 9.96, "10 times"),
        ("money", "", 1234.5, "€1,234.50"),
        ("count", "payment", 1.0, "1 payment"),
        ("count", "payment", 0.0, "no payments"),
        ("count", "payment", -0.0, "no payments"),
        ("count", "payment", 12_345.0, "12,345 payments"),
        ("count", "payment", 2.5, "2.5 payments"),
        ("count", "", -3.0, "−3"),
        ("share", "%", 0.1234, "12 %"),
        ("share", "%", 0.0, "0 %"),
        ("share", "%", 1.0, "100 %"),
        ("share", "%", 0.0041, "0.41 %"),
        ("hour", "", 3.0, "03:00"),
        ("hour", "", 14.5, "14:30"),
        ("hour", "", 23.9999, "00:00"),
        ("flag", "", 1.0, "yes"),
        ("flag", "", 0.0, "no"),
        ("number", "km", "far", "“far”"),
    ],
)
def test_values_are_written_as_their_kind_asks(kind, unit, value, text):
    reason = Reason("x", "The x", "x", kind=kind, unit=unit)
    assert written(value, reason, "€") == text


def test_cells_become_numbers_texts_or_nothing():
    cells = [1, np.int64(2), True, np.bool_(False), np.float32(0.5), "x", None, math.nan, pd.NA]
    found = [fact("town", {"town": cell}, {}, MINE).value for cell in cells]
    assert found == [1.0, 2.0, 1.0, 0.0, 0.5, "x", None, None, None]


def test_money_takes_the_currency_of_the_workspace():
    francs = dictionary("cards", ("Amount",), currency="CHF")
    assert fact("Amount", {"Amount": 5.0}, {}, francs).text == "The amount is CHF 5"
    assert replace(francs, currency="$").version != francs.version
