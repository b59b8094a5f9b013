import itertools
import math

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hitl.explain.surrogates import Surrogate
from hitl.explain.text import (
    contribution_sentence,
    neighbour_sentence,
    number,
    odds_phrase,
    plural,
    surrogate_sentence,
    verdict_sentence,
)

REASON = {
    "feature": "V14",
    "value": -6.6,
    "contribution": 1.8,
    "typical_low": -1.2,
    "typical_high": 1.1,
    "percentile": 0.04,
}


def reason(**changes):
    return pd.Series(REASON | changes)


def stand_in(**changes):
    values = {
        "weights": {"V14 <= -1.20": 0.2},
        "features": {"V14 <= -1.20": "V14"},
        "intercept": 0.5,
        "r2": 0.829,
        "local_prediction": 0.7,
        "model_prediction": 0.93,
        "spread": 0.9,
        "seed": 0,
        "samples": 100,
        "verdict": "good",
    }
    return Surrogate(**(values | changes))


def verdict(probability, threshold=0.62, novelty=0.8, limit=2.0):
    return verdict_sentence(probability, threshold, novelty, limit, "payment", "fraud")


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0"),
        (-0.0, "0"),
        (1, "1"),
        (-6.5999, "−6.6"),
        (0.0123456, "0.0123"),
        (0.99999, "1"),
        (100, "100"),
        (1234.5, "1,230"),
        (12_345_678, "12,300,000"),
        (-0.00001234, "−1.23e−05"),
        (0.0001, "0.0001"),
        (math.nan, "nan"),
        (-math.inf, "−inf"),
    ],
)
def test_numbers_have_three_digits_and_a_real_minus(value, text):
    assert number(value) == text


@given(st.floats(-1e9, 1e9).filter(lambda x: x == 0 or abs(x) > 1e-9))
def test_a_written_number_reads_back_to_half_a_unit_of_its_third_digit(value):
    read = float(number(value).replace(",", "").replace("−", "-"))
    assert read == pytest.approx(value, rel=0.005)


@pytest.mark.parametrize(
    ("probability", "phrase"),
    [
        (0.0, "fewer than 1 in 1,000"),
        (0.0009, "fewer than 1 in 1,000"),
        (0.001, "about 1 in 1,000"),
        (0.004, "about 4 in 1,000"),
        (0.0099, "about 1 in 100"),
        (0.04, "about 4 in 100"),
        (0.1, "about 1 in 10"),
        (0.5, "about 5 in 10"),
        (0.93, "about 9 in 10"),
        (0.95, "about 95 in 100"),
        (0.97, "about 97 in 100"),
        (0.996, "about 996 in 1,000"),
        (0.9995, "more than 999 in 1,000"),
        (1.0, "more than 999 in 1,000"),
    ],
)
def test_odds_are_said_in_the_coarsest_honest_count(probability, phrase):
    assert odds_phrase(probability) == phrase


@given(st.floats(0.001, 0.999))
def test_odds_are_never_none_or_all_and_close_to_the_probability(probability):
    count, whole = odds_phrase(probability).removeprefix("about ").replace(",", "").split(" in ")
    assert 0 < int(count) < int(whole)
    assert int(count) / int(whole) == pytest.approx(probability, abs=0.0501)


@pytest.mark.parametrize("probability", [-0.1, 1.1, math.nan])
def test_a_probability_outside_zero_to_one_is_refused(probability):
    with pytest.raises(ValueError, match="not between 0 and 1"):
        odds_phrase(probability)
    with pytest.raises(ValueError, match="not between 0 and 1"):
        verdict(probability)


def test_a_flagged_novel_row_reads_as_promised():
    assert verdict(0.93, novelty=14.0) == (
        "Flagged: the model gives 0.93 against a limit of 0.62, so about 9 in 10 such payments are "
        "fraud. It is also unlike anything in training: novelty 14 against a limit of 2."
    )


def test_a_flagged_known_row_resembles_known_rows():
    assert verdict(0.93) == (
        "Flagged: the model gives 0.93 against a limit of 0.62, so about 9 in 10 such payments are "
        "fraud. It resembles known payments: novelty 0.8 against a limit of 2."
    )


def test_an_unflagged_novel_row_is_not_waved_through():
    assert verdict(0.0002, novelty=14.0) == (
        "Not flagged: the model gives 0.0002 against a limit of 0.62, so fewer than 1 in 1,000 "
        "such payments are fraud. It is, however, unlike anything in training: novelty 14 "
        "against a limit of 2."
    )


def test_an_ordinary_row_is_neither_flagged_nor_novel():
    assert verdict(0.1) == (
        "Not flagged: the model gives 0.1 against a limit of 0.62, so about 1 in 10 such payments "
        "is fraud. It resembles known payments: novelty 0.8 against a limit of 2."
    )


def test_a_limit_that_is_just_met_flags_and_is_not_novel():
    assert verdict(0.62, novelty=2.0).startswith("Flagged: the model gives 0.62 against")
    assert "resembles" in verdict(0.62, novelty=2.0)


@pytest.mark.parametrize(
    ("probability", "threshold", "words"),
    [
        (0.61996, 0.62004, "gives 0.61996 against a limit of 0.62004"),
        (1e-7, 0.62, "gives less than 0.0001 against a limit of 0.62"),
        (1e-7, 2e-7, "gives 1e−07 against a limit of 2e−07"),
        (0.99996, 0.62, "gives more than 0.999 against a limit of 0.62"),
        (0.99996, 0.9998, "gives 0.99996 against a limit of 0.9998"),
        (1.0, 0.62, "gives 1 against a limit of 0.62"),
        (0.0, 0.62, "gives 0 against a limit of 0.62"),
    ],
)
def test_a_figure_never_looks_like_its_limit_or_like_certainty(probability, threshold, words):
    assert words in verdict(probability, threshold)


@given(st.floats(0, 1), st.floats(0.0001, 1))
def test_the_figures_shown_never_contradict_the_verdict(probability, threshold):
    text = verdict(probability, threshold)
    shown = text.split("gives ")[1].split(", so")[0].split(" against a limit of ")
    for words in ("less than ", "more than "):
        shown[0] = shown[0].removeprefix(words)
    value, limit = (float(part.replace("−", "-")) for part in shown)
    assert text.startswith("Flagged" if value >= limit else "Not flagged") or value == limit


@pytest.mark.parametrize(("novelty", "limit"), [(-1, 2), (math.nan, 2), (1, math.nan)])
def test_a_novelty_that_is_none_is_refused(novelty, limit):
    with pytest.raises(ValueError, match="not both 0 or more"):
        verdict(0.5, novelty=novelty, limit=limit)


def test_a_threshold_outside_zero_to_one_is_refused():
    with pytest.raises(ValueError, match=r"threshold of 1\.5"):
        verdict(0.5, threshold=1.5)


def test_a_reason_names_value_place_and_push():
    assert contribution_sentence(reason()) == (
        "V14 is −6.6, lower than 99.9 % of legitimate payments (typical −1.2 to 1.1); "
        "it raises the score by 1.8."
    )


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"value": 5.0, "percentile": 100.0}, "higher than 99.9 % of legitimate payments"),
        ({"value": 5.0, "percentile": 97.8}, "higher than 97 % of"),
        ({"percentile": 1.0}, "lower than 99 % of"),
        ({"percentile": 0.55}, "lower than 99.4 % of"),
        ({"value": 0.3, "percentile": 55.0}, "V14 is 0.3, usual for legitimate payments"),
        ({"contribution": -0.25}, "it lowers the score by 0.25."),
        ({"contribution": 0.001}, "it hardly moves the score."),
    ],
)
def test_a_reason_says_where_the_value_lies_and_what_it_does(changes, words):
    assert words in contribution_sentence(reason(**changes))


def test_a_reason_takes_the_words_of_its_workspace():
    assert "of genuine companies" in contribution_sentence(reason(), "company", "genuine")


def test_a_reason_without_a_typical_range_claims_none():
    sentence = contribution_sentence(reason(percentile=math.nan))
    assert sentence == "V14 is −6.6; it raises the score by 1.8."


def test_the_rest_of_the_features_is_spoken_of_together():
    rest = reason(feature="other features", value=math.nan, contribution=-0.3)
    assert contribution_sentence(rest) == "The other features together lower the score by 0.3."
    assert contribution_sentence(rest.replace({-0.3: 0.0})).endswith("hardly move the score.")


@pytest.mark.parametrize(
    ("verdicts", "sentence"),
    [
        ([], "There are no decided cases to compare with yet."),
        ([None, None], "There are no decided cases to compare with yet."),
        (["fraud"], "The one decided case to compare with was fraud."),
        (["legitimate", None], "The one decided case to compare with was legitimate."),
        (["fraud"] * 9 + ["legitimate"], "9 of the 10 nearest decided cases were fraud."),
        (["fraud"] + ["legitimate"] * 9, "1 of the 10 nearest decided cases was fraud."),
        (["legitimate"] * 3, "None of the 3 nearest decided cases was fraud."),
        (["fraud"] * 3, "All of the 3 nearest decided cases were fraud."),
        (
            ["fraud", "fraud", "unsure"],
            "2 of the 3 nearest decided cases were fraud; 1 left the reviewer unsure.",
        ),
    ],
)
def test_neighbours_are_counted_in_words(verdicts, sentence):
    table = pd.DataFrame({"verdict": pd.Series(verdicts, dtype=object)})
    assert neighbour_sentence(table, "fraud") == sentence


@pytest.mark.parametrize("verdicts", [[], ["fraud"], ["fraud", "legitimate"]])
def test_cases_that_nobody_decided_are_called_by_another_word(verdicts):
    sentence = neighbour_sentence(pd.DataFrame({"verdict": verdicts}), "fraud", word="known")
    assert " known case" in sentence
    assert "decided" not in sentence


def test_neighbours_without_verdicts_are_a_wrong_call():
    with pytest.raises(ValueError, match="no verdict column"):
        neighbour_sentence(pd.DataFrame({"distance": [1.0]}), "fraud")


def test_a_second_opinion_says_how_far_to_trust_it():
    assert surrogate_sentence(stand_in()) == (
        "Good: the stand-in explains 82 % of how the model's answers vary, and gives 0.7 where the "
        "model gives 0.93."
    )
    poor = stand_in(r2=-0.4, local_prediction=-0.02, verdict="do not use")
    assert surrogate_sentence(poor).startswith("Do not use: the stand-in explains 0 % of")
    assert "gives −0.02 where" in surrogate_sentence(poor)


def test_a_model_that_never_changes_its_mind_gives_no_reason():
    flat = stand_in(r2=1.0, spread=0.0, verdict="do not use")
    assert "no single feature changes" in surrogate_sentence(flat)


def test_nouns_have_a_plural():
    nouns = ["payment", "company", "day", "box", "match"]
    assert [plural(noun) for noun in nouns] == [
        "payments", "companies", "days", "boxes", "matches",
    ]  # fmt: skip


def test_every_combination_of_states_has_its_own_sentence():
    combinations = itertools.product([0.1, 0.9], [1.0, 9.0])
    assert len({verdict(p, novelty=d) for p, d in combinations}) == 4
