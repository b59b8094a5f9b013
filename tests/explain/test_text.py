import itertools
import math

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hitl.explain.text import (
    JOINER,
    contribution_sentence,
    cost_sentence,
    escape_markdown,
    money,
    neighbour_sentence,
    number,
    odds_phrase,
    plural,
    surrogate_sentence,
    verdict_sentence,
)
from hitl.explain.trust import Surrogate

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


@pytest.mark.parametrize(
    ("share", "usual"),
    [
        (0.5, ", as in 50 % of legitimate payments"),
        (0.123, ", as in 12 % of legitimate payments"),
        (0.004, ", as in less than 1 % of legitimate payments"),
        (0.0, ", as in none of the legitimate payments"),
        (math.nan, ""),
    ],
)
def test_a_category_is_told_with_the_share_that_has_it(share, usual):
    category = reason(feature="shop", value="web", percentile=math.nan, share=share)
    assert contribution_sentence(category) == f"shop is web{usual}; it raises the score by 1.8."


def test_a_missing_value_is_told_as_one():
    gap = reason(value="missing", percentile=math.nan, share=0.2, contribution=-0.5)
    assert contribution_sentence(gap, "case", "fine") == (
        "V14 is missing, as in 20 % of fine cases; it lowers the score by 0.5."
    )


def stand_in(**changes):
    values = {
        "method": "lime-local",
        "unit": "log-odds",
        "weights": {"V14": 0.2},
        "conditions": {"V14": "V14 ≤ −1.2"},
        "low": {"V14": 0.1},
        "high": {"V14": 0.3},
        "intercept": 0.5,
        "r2": 0.829,
        "local_prediction": 0.7,
        "model_prediction": 0.93,
        "stability": 0.8,
        "shap_overlap": None,
        "sign_agreement": None,
        "spread": 0.9,
        "kernel_width": None,
        "samples": 100,
        "seeds": (0, 1),
        "kept": 29,
        "verdict": "good",
        "why": "It fits.",
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


@settings(deadline=None)
@given(st.floats(-1e9, 1e9).filter(lambda x: x == 0 or abs(x) > 1e-9))
def test_a_written_number_reads_back_to_half_a_unit_of_its_third_digit(value):
    read = float(number(value).replace(",", "").replace("−", "-"))
    assert read == pytest.approx(value, rel=0.005)


@pytest.mark.parametrize(
    ("probability", "phrase"),
    [
        (0.0, "fewer than 1 in 10,000"),
        (0.00009, "fewer than 1 in 10,000"),
        (0.0009, "about 9 in 10,000"),
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
        (0.9995, "about 9,995 in 10,000"),
        (1.0, "more than 9,999 in 10,000"),
    ],
)
def test_odds_are_said_in_the_coarsest_honest_count(probability, phrase):
    assert odds_phrase(probability) == phrase


@settings(deadline=None)
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
        "Flagged: the model gives 0.93 (limit 0.62), but nothing like it is known, so the "
        "probability is a guess."
    )


def test_a_flagged_known_row_resembles_known_rows():
    assert verdict(0.93) == (
        "Flagged: the model gives 0.93 (limit 0.62), so about 9 in 10 such payments are "
        "fraud. It resembles known payments: novelty 0.8 (limit 2)."
    )


def test_an_unflagged_novel_row_is_not_waved_through():
    assert verdict(0.0002, novelty=14.0) == (
        "Not flagged: the model gives 0.0002 (limit 0.62), but nothing like it is known, so the "
        "probability is a guess."
    )


@settings(deadline=None)
@given(st.floats(0, 1), st.floats(2.0, 1e6, exclude_min=True))
def test_of_a_novel_row_neither_a_count_nor_a_distance_is_claimed(probability, novelty):
    text = verdict(probability, novelty=novelty)
    assert " in 10" not in text
    assert "in 1,000" not in text
    assert "novelty" not in text
    assert text.count("guess") == 1


def test_an_ordinary_row_is_neither_flagged_nor_novel():
    assert verdict(0.1) == (
        "Not flagged: the model gives 0.1 (limit 0.62), so about 1 in 10 such payments "
        "is fraud. It resembles known payments: novelty 0.8 (limit 2)."
    )


def test_a_limit_that_is_just_met_flags_and_is_not_novel():
    assert verdict(0.62, novelty=2.0).startswith("Flagged: the model gives 0.62 (limit 0.62)")
    assert "resembles" in verdict(0.62, novelty=2.0)


@pytest.mark.parametrize(
    ("probability", "threshold", "words"),
    [
        (0.61996, 0.62004, "gives 0.61996 (limit 0.62004)"),
        (1e-7, 0.62, "gives less than 0.0001 (limit 0.62)"),
        (1e-7, 2e-7, "gives 1e−07 (limit 2e−07)"),
        (0.99996, 0.62, "gives more than 0.999 (limit 0.62)"),
        (0.99996, 0.9998, "gives 0.99996 (limit 0.9998)"),
        (1.0, 0.62, "gives 1 (limit 0.62)"),
        (0.0, 0.62, "gives 0 (limit 0.62)"),
    ],
)
def test_a_figure_never_looks_like_its_limit_or_like_certainty(probability, threshold, words):
    assert words in verdict(probability, threshold)


@settings(deadline=None)
@given(st.floats(0, 1), st.floats(0.0001, 1))
def test_the_figures_shown_never_contradict_the_verdict(probability, threshold):
    text = verdict(probability, threshold)
    shown = text.split("gives ")[1].split(", so")[0].removesuffix(")").split(" (limit ")
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


@pytest.mark.parametrize(
    ("overlap", "kept", "words"),
    [
        (0.8, 29, "; 4 of its 5 strongest features are among the 5 largest contributions."),
        (0.2, 29, "; 1 of its 5 strongest features is among the 5 largest contributions."),
        (1.0, 29, "; all of its 5 strongest features are among the 5 largest contributions."),
        (0.0, 29, "; none of its 5 strongest features are among the 5 largest contributions."),
        (0.75, 4, "; 3 of its 4 strongest features are among the 4 largest contributions."),
        (1.0, 1, "gives 0.7 where the model gives 0.93."),
    ],
)
def test_a_second_opinion_says_how_far_it_agrees_with_the_contributions(overlap, kept, words):
    assert surrogate_sentence(stand_in(shap_overlap=overlap, kept=kept)).endswith(words)


def test_a_second_opinion_that_hangs_on_the_seed_says_so():
    shaky = surrogate_sentence(stand_in(stability=0.4, verdict="weak"))
    assert shaky.endswith("; with another seed it names other features.")
    assert "seed" not in surrogate_sentence(stand_in(stability=None))


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


@pytest.mark.parametrize(
    ("amount", "text"),
    [
        (412, "€412"),
        (412.5, "€412.50"),
        (1234.56, "€1,234.56"),
        (1_000_000, "€1,000,000"),
        (0.005, "€0.01"),
        (0.0, "€0"),
        (-0.0, "€0"),
        (-0.001, "€0"),
        (-5, "−€5"),
        (-1234.5, "−€1,234.50"),
        (math.inf, "€inf"),
    ],
)
def test_money_is_written_to_the_cent_and_whole_amounts_without(amount, text):
    assert money(amount) == text


def test_a_currencys_code_stands_apart_and_a_sign_does_not():
    assert [money(5, sign) for sign in ("$", "CHF", "US$", "kr", "")] == [
        "$5", "CHF 5", "US$5", "kr 5", "5",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("probability", "amount", "cost", "sentence"),
    [
        (
            0.93,
            412.0,
            6.0,
            "Expected loss €383 (€412 × 0.93) against €6 for a review: reviewing pays.",
        ),
        (
            0.002,
            412.0,
            6.0,
            "Expected loss €0.82 (€412 × 0.002) against €6 for a review: a review costs more "
            "than it saves.",
        ),
        (
            0.5,
            12.0,
            6.0,
            "Expected loss €6 (€12 × 0.5) against €6 for a review: a review costs what it saves.",
        ),
        (
            0.5,
            12.004,
            6.0,
            "Expected loss just over €6 (€12 × 0.5) against €6 for a review: reviewing pays.",
        ),
        (
            1e-6,
            412.0,
            6.0,
            "Expected loss less than €0.01 (€412 × a probability of less than 0.0001) against €6 "
            "for a review: a review costs more than it saves.",
        ),
        (0.5, 2_000_000.0, 0.0, "Expected loss €1,000,000 (€2,000,000 × 0.5) against €0 for a "
         "review: reviewing pays."),
        (0.93, 0.0, 6.0, "The amount is €0: no money is at stake, so there is no loss to expect."),
        (
            0.93,
            -20.0,
            6.0,
            "The amount is −€20: money would come back, so there is no loss to expect.",
        ),
        (0.93, None, 6.0, "The amount is not known, so no loss can be expected in figures."),
        (0.93, math.nan, 6.0, "The amount is not known, so no loss can be expected in figures."),
    ],
)  # fmt: skip
def test_the_cost_line_weighs_a_loss_against_a_review(probability, amount, cost, sentence):
    assert cost_sentence(probability, amount, cost) == sentence


@settings(deadline=None)
@given(st.floats(0, 1), st.floats(0.01, 1e5), st.floats(0, 1_000))
def test_the_cost_line_advises_what_its_figures_say(probability, amount, cost):
    text = cost_sentence(probability, amount, cost)
    assert ("reviewing pays" in text) == (probability * amount > cost)
    said, against = text.split(" (")[0], text.split("against ")[1].split(" for")[0]
    if probability * amount != cost:
        assert said != f"Expected loss {against}"


def test_no_loss_follows_from_a_probability_that_is_a_guess():
    said = cost_sentence(0.0003, 1_550.21, 6.0, is_guess=True)
    assert "€1,550.21 is at stake" in said
    assert "a guess" in said
    assert "Expected loss" not in said
    assert "saves" not in said
    assert cost_sentence(0.0003, None, 6.0, is_guess=True) == cost_sentence(0.0003, None, 6.0)


def test_a_cost_that_is_none_is_refused():
    for cost in (-1.0, math.nan, math.inf):
        with pytest.raises(ValueError, match="cannot cost"):
            cost_sentence(0.5, 10.0, cost)
    with pytest.raises(ValueError, match="not between 0 and 1"):
        cost_sentence(1.5, 10.0, 6.0)


def test_neighbours_are_alerts_or_cases_near_by_features_or_reasons():
    table = pd.DataFrame({"verdict": ["fraud"] * 9 + ["legitimate"]})
    sentences = [
        neighbour_sentence(table, "fraud", word="", noun="alert"),
        neighbour_sentence(table, "fraud", word="known", by="reasons"),
        neighbour_sentence(table.iloc[9:], "fraud", word="", noun="alert"),
        neighbour_sentence(table.iloc[:0], "fraud", noun="company", by="reasons"),
    ]
    assert sentences == [
        "9 of the 10 nearest alerts were fraud.",
        "9 of the 10 known cases with the most similar reasons were fraud.",
        "The one alert to compare with was legitimate.",
        "There are no decided companies to compare with yet.",
    ]
    with pytest.raises(ValueError, match="not by 'luck'"):
        neighbour_sentence(table, "fraud", by="luck")


@pytest.mark.parametrize(
    ("text", "escaped"),
    [
        ("plain words, 12 %", "plain words, 12 %"),
        ("<script>alert(1)</script>", r"\<script\>alert\(1\)\</script\>"),
        ("[x](y)", r"\[x\]\(y\)"),
        ("a|b*c_d`e~f#g", r"a\|b\*c\_d\`e\~f\#g"),
        ("$5 and $6", r"\$5 and \$6"),
        (r"a\b", r"a\\b"),
        ("&lt;b&gt;", r"\&lt;b\&gt;"),
        ("at 12:14:05", r"at 12\:14\:05"),
        (":red[x]", r"\:red\[x\]"),
        (":smile:", f"\\:{JOINER}smile\\:"),
        (":material/home:", f"\\:{JOINER}material/home\\:"),
        ("https://a.b", f"https\\:{JOINER}//a\\.b"),
        ("www.a.b", f"www{JOINER}\\.a\\.b"),
        ("me@a.b", f"me\\@{JOINER}a\\.b"),
        ("a -> b", f"a \\-{JOINER}\\> b"),
        ("V14 <= 1", f"V14 \\<{JOINER}\\= 1"),
        ("1. one\n- two\n# three", r"1\. one \- two \# three"),
        ("", ""),
    ],
)
def test_markup_is_escaped(text, escaped):
    assert escape_markdown(text) == escaped


@settings(deadline=None)
@given(st.text())
def test_escaped_text_reads_as_before_once_its_backslashes_are_read(text):
    escaped = escape_markdown(text)
    rest = iter(escaped.replace(JOINER, ""))
    read = "".join(next(rest) if sign == "\\" else sign for sign in rest)
    assert read == " ".join(text.split()).replace(JOINER, "")
