"""What a reviewer reads about fixed cases of the three workspaces, word for word."""

import re
from pathlib import Path

import numpy as np
import pytest

from hitl import models, novelty
from hitl.dictionaries import dictionary
from hitl.explain.attributions import attribution
from hitl.explain.reasons import reasons
from hitl.explain.text import cost_sentence, verdict_sentence
from hitl.explain.unfamiliar import unfamiliar, warning_sentences
from hitl.workflow import Materials, materials
from hitl.workflow.streaming import fit_detector
from hitl.workspaces import CARDS, STORY

DATA = Path(__file__).parents[2] / "data"
REVIEW_COST = 6.0


class Desk:
    """A workspace's model, detector and dictionary, as they are seeded."""

    def __init__(self, rows: Materials) -> None:
        space = rows.workspace
        self.rows, self.space = rows, space
        self.words = dictionary(space.name, space.features)
        self.model = models.fit(
            rows.training,
            features=space.features,
            label=space.label_column,
            weight=space.weight_column,
            seed=0,
            budget=space.false_alarm_budget,
        )
        self.detector = fit_detector(rows, rows.training, seed=0, rate=0.001)

    def read(self, position: int) -> list[str]:
        """Everything a reviewer is told about one row of the stream, in order."""
        row, space, words = self.rows.stream.iloc[[position]], self.space, self.words
        values, usual = row.iloc[0].to_dict(), self.model.card["quantiles"]
        distance = float(novelty.distances(self.detector, row)[0])
        near = novelty.nearest(self.detector, row)
        strange = unfamiliar(
            values,
            usual,
            words,
            features=space.features,
            distance=distance,
            limit=self.detector.limit,
            nearest_id=str(near["neighbour_id"].iloc[0]),
            nearest_label=int(near["neighbour_class"].iloc[0]),
        )
        whole = attribution(self.model, row)
        told = reasons(whole.contributions, values, usual, words)
        chance, limit = whole.probability, self.model.threshold
        verdict = verdict_sentence(
            chance, limit, distance, self.detector.limit, space.noun, space.positive
        )
        is_guess = distance > self.detector.limit
        known = [values["Amount"]] if "Amount" in values else []
        cost = [cost_sentence(chance, one, REVIEW_COST, is_guess=is_guess) for one in known]
        return [
            *warning_sentences(strange, words),
            verdict,
            *cost,
            *(f"+ {one.sentence}" for one in told.raising),
            *(f"− {one.sentence}" for one in told.lowering),
            told.sentence,
        ]


@pytest.fixture(scope="module")
def cards():
    return Desk(materials(CARDS, DATA))


@pytest.fixture(scope="module")
def story():
    return Desk(materials(STORY, DATA))


# Payments: a row and a card made by hand

DAYS = ("1d", "7d", "30d")
PAYMENTS = (
    "amount",
    "hour",
    "weekend",
    *(f"customer_{what}_{days}" for what in ("count", "mean") for days in DAYS),
    "amount_ratio",
    "first_at_terminal",
    *(f"terminal_{what}_{days}" for what in ("count", "risk") for days in DAYS),
)


def evenly(low, high):
    return quantiles(np.linspace(low, high, 101))


def quantiles(grid):
    return {"p05": grid[5], "p95": grid[95], "grid": list(grid)}


USUAL = {
    "amount": evenly(0, 200),
    "hour": evenly(0, 23),
    "weekend": quantiles(np.repeat([0.0, 1.0], [72, 29])),
    **{f"customer_count_{days}": evenly(0, 100) for days in DAYS},
    **{f"customer_mean_{days}": evenly(5, 105) for days in DAYS},
    "amount_ratio": evenly(0.1, 2.1),
    "first_at_terminal": quantiles(np.repeat([0.0, 1.0], [99, 2])),
    **{f"terminal_count_{days}": evenly(0, 100) for days in DAYS},
    **{f"terminal_risk_{days}": quantiles(np.r_[np.zeros(99), 0.02, 0.5]) for days in DAYS},
}
ROW = {
    "amount": 412.0,
    "hour": 3,
    "weekend": 0,
    **{f"customer_count_{days}": 1 for days in DAYS},
    **{f"customer_mean_{days}": 16.5 for days in DAYS},
    "amount_ratio": 25.0,
    "first_at_terminal": 1,
    **{f"terminal_count_{days}": 12 for days in DAYS},
    **{f"terminal_risk_{days}": 0.12 for days in DAYS},
}


def read_payment(contributions, **changes):
    words = dictionary("payments", PAYMENTS)
    told = reasons(dict.fromkeys(PAYMENTS, 0.0) | contributions, ROW | changes, USUAL, words)
    return [
        *(f"+ {one.sentence}" for one in told.raising),
        *(f"− {one.sentence}" for one in told.lowering),
        told.sentence,
    ]


def test_a_payment_far_above_a_customers_usual():
    assert read_payment(
        {"amount_ratio": 3.0, "customer_mean_7d": 0.5, "amount": 1.5, "terminal_risk_7d": -0.5}
    ) == [
        "+ The amount, €412, is 25 times this customer's usual, more than for all legitimate "
        "payments in training (typically 0.2 to 2.0 times); together with 1 other fact about the "
        "customer's history, this raises the score (64 % of all that moves it).",
        "+ The amount is €412, higher than all legitimate payments in training (typically €10 to "
        "€190); this raises the score (27 % of all that moves it).",
        "− 12 % of this terminal's payments in the 7 days up to a week ago were fraud (later ones "
        "are not known yet), more than for 99 % of legitimate payments (typically 0 %); this "
        "lowers the score (9 % of all that moves it).",
        "These 3 reasons are all that moves the score.",
    ]


def test_a_payment_at_a_compromised_terminal():
    assert read_payment(
        {
            "terminal_risk_7d": 2.0,
            "terminal_risk_30d": 1.0,
            "terminal_count_1d": 0.3,
            "first_at_terminal": 0.5,
            "hour": 0.4,
            "amount": -0.6,
        },
        amount=42.0,
    ) == [
        "+ 12 % of this terminal's payments in the 7 days up to a week ago were fraud (later ones "
        "are not known yet), more than for 99 % of legitimate payments (typically 0 %); together "
        "with 2 other facts about the terminal, this raises the score (69 % of all that moves it).",
        "+ It is the first time this customer pays at this terminal, as in 1 % of legitimate "
        "payments; this raises the score (10 % of all that moves it).",
        "+ It happened in the hour from 03:00, earlier in the day than 86 % of legitimate "
        "payments, though within the usual range (typically 01:09 to 21:51); together with the "
        "rest of this payment, this raises the score (8 % of all that moves it).",
        "− The amount is €42, within the usual range: lower than 78 % of legitimate payments "
        "(typically €10 to €190); this lowers the score (12 % of all that moves it).",
        "These 4 reasons are all that moves the score.",
    ]


def test_what_is_unusual_speaks_for_a_group_before_what_is_a_little_heavier():
    assert read_payment(
        {"terminal_count_7d": 1.0, "terminal_risk_7d": 0.8, "terminal_count_1d": 0.2},
    ) == [
        "+ 12 % of this terminal's payments in the 7 days up to a week ago were fraud (later ones "
        "are not known yet), more than for 99 % of legitimate payments (typically 0 %); together "
        "with 2 other facts about the terminal, this raises the score (100 % of all that moves "
        "it).",
        "Nothing lowers the score noticeably. This reason is all that moves the score.",
    ]


def test_an_ordinary_payment_is_said_to_be_ordinary():
    assert read_payment(
        {"terminal_risk_7d": -1.0, "customer_count_7d": -0.5, "weekend": 0.1},
        terminal_risk_7d=0.0,
        customer_count_7d=0,
    ) == [
        "+ It happened on a working day, as in 71 % of legitimate payments; together with the "
        "rest of this payment, this raises the score (6 % of all that moves it).",
        "− 0 % of this terminal's payments in the 7 days up to a week ago were fraud (later ones "
        "are not known yet), within the usual range: like 98 % of legitimate payments (typically "
        "0 %); this lowers the score (62 % of all that moves it).",
        "These 2 reasons are about 69 % of all that moves the score.",
    ]


GOLDEN_CARDS = {
    262: """
        Flagged: the model gives 0.943 (limit 0.0153), so about 9 in 10 such payments are
          fraud. It resembles known payments: novelty 0.932 (limit 1.94).
        Expected loss €462 (€489.71 × 0.943) against €6 for a review: reviewing pays.
        + V14 (an anonymous component) is −4.73, lower than 99 % of legitimate payments
          (typically −1.15 to 1.63); this raises the score (47 % of all that moves it).
        + V12 (an anonymous component) is −3.41, lower than 99 % of legitimate payments
          (typically −2.53 to 1.23); this raises the score (12 % of all that moves it).
        + V4 (an anonymous component) is 2.76, higher than 96 % of legitimate payments
          (typically −2 to 2.56); this raises the score (12 % of all that moves it).
        + V10 (an anonymous component) is −3.95, lower than 99 % of legitimate payments
          (typically −1.3 to 1.43); this raises the score (8 % of all that moves it).
        Nothing lowers the score noticeably. These 4 reasons are about 79 % of all that moves the
          score.
    """,
    672: """
        Unlike anything in training: its distance from known payments is 6.64, 3.4 times the
          limit of 1.94.
        The nearest known payment is row 46321, which was legitimate.
        V2 (an anonymous component) is −30.1, lower than all legitimate payments in training
          (typically −2.04 to 1.65).
        V1 (an anonymous component) is −24.1, lower than all legitimate payments in training
          (typically −2.95 to 1.35).
        The model has not learned from such payments: read its probability and its reasons
          as a guess, and decide from the payment itself.
        Not flagged: the model gives 0.000282 (limit 0.0153), but nothing like it is known,
          so the probability is a guess.
        What a review is worth cannot be said: €1,550.21 is at stake, and how likely a loss
          is, is a guess. A review costs €6.
        + V4 (an anonymous component) is 7.09, higher than 99 % of legitimate payments
          (typically −2 to 2.56); this raises the score (44 % of all that moves it).
        − V14 (an anonymous component) is 2.27, higher than 98 % of legitimate payments
          (typically −1.15 to 1.63); this lowers the score (15 % of all that moves it).
        These 2 reasons are about 59 % of all that moves the score.
    """,
    64: """
        Flagged: the model gives 0.319 (limit 0.0153), so about 3 in 10 such payments are
          fraud. It resembles known payments: novelty 1.31 (limit 1.94).
        Expected loss €32 (€101.50 × 0.319) against €6 for a review: reviewing pays.
        + V14 (an anonymous component) is −6.16, lower than 99 % of legitimate payments
          (typically −1.15 to 1.63); this raises the score (54 % of all that moves it).
        + V12 (an anonymous component) is −3.58, lower than 99 % of legitimate payments
          (typically −2.53 to 1.23); this raises the score (11 % of all that moves it).
        + V10 (an anonymous component) is −2.86, lower than 99 % of legitimate payments
          (typically −1.3 to 1.43); this raises the score (9 % of all that moves it).
        − V4 (an anonymous component) is 0.606, within the usual range: higher than 61 % of
          legitimate payments (typically −2 to 2.56); this lowers the score (6 % of all that
          moves it).
        These 4 reasons are about 81 % of all that moves the score.
    """,
    0: """
        Not flagged: the model gives less than 0.0001 (limit 0.0153), so fewer than 1 in
          10,000 such payments are fraud. It resembles known payments: novelty 0.585 (limit
          1.94).
        Expected loss €0.03 (€500 × a probability of less than 0.0001) against €6 for a
          review: a review costs more than it saves.
        + V21 (an anonymous component) is 0.254, higher than 86 % of legitimate payments,
          though within the usual range (typically −0.502 to 0.522); together with the rest
          of this payment, this raises the score (9 % of all that moves it).
        + V10 (an anonymous component) is −0.479, within the usual range: lower than 74 % of
          legitimate payments (typically −1.3 to 1.43); together with the rest of this
          payment, this raises the score (5 % of all that moves it).
        − V4 (an anonymous component) is 0.403, within the usual range: higher than 55 % of
          legitimate payments (typically −2 to 2.56); this lowers the score (25 % of all
          that moves it).
        These 3 reasons are about 38 % of all that moves the score.
    """,
}
GOLDEN_STORY = {
    3: """
        Flagged: the model gives 0.481 (limit 0.127), so about 5 in 10 such payments are
          fraud. It resembles known payments: novelty 0.476 (limit 1.8).
        + V14 (an anonymous component) is −11.6, lower than 99 % of legitimate payments
          (typically −1.15 to 1.63); this raises the score (81 % of all that moves it).
        + V4 (an anonymous component) is 5.15, higher than 99 % of legitimate payments
          (typically −2 to 2.56); this raises the score (19 % of all that moves it).
        Nothing lowers the score noticeably. These 2 reasons are all that moves the score.
    """,
    9: """
        Unlike anything in training: its distance from known payments is 4.32, 2.4 times the
          limit of 1.8.
        The nearest known payment is row 9035, which was fraud.
        V14 (an anonymous component) is −24, lower than all legitimate payments in training
          (typically −1.15 to 1.63).
        V4 (an anonymous component) is 17, higher than all legitimate payments in training
          (typically −2 to 2.56).
        The model has not learned from such payments: read its probability and its reasons
          as a guess, and decide from the payment itself.
        Flagged: the model gives 0.716 (limit 0.127), but nothing like it is known, so the
          probability is a guess.
        + V14 (an anonymous component) is −24, lower than all legitimate payments in
          training (typically −1.15 to 1.63); this raises the score (75 % of all that moves
          it).
        + V4 (an anonymous component) is 17, higher than all legitimate payments in training
          (typically −2 to 2.56); this raises the score (25 % of all that moves it).
        Nothing lowers the score noticeably. These 2 reasons are all that moves the score.
    """,
    0: """
        Not flagged: the model gives 0.000161 (limit 0.127), so about 2 in 10,000 such
          payments are fraud. It resembles known payments: novelty 0.0926 (limit 1.8).
        + V4 (an anonymous component) is 0.757, within the usual range: higher than 66 % of
          legitimate payments (typically −2 to 2.56); together with the rest of this
          payment, this raises the score (50 % of all that moves it).
        − V14 (an anonymous component) is 0.696, within the usual range: higher than 79 % of
          legitimate payments (typically −1.15 to 1.63); this lowers the score (50 % of all
          that moves it).
        These 2 reasons are all that moves the score.
    """,
}


@pytest.mark.parametrize("position", GOLDEN_CARDS)
def test_what_is_said_of_a_card_payment(cards, position):
    assert " ".join(cards.read(position)) == " ".join(GOLDEN_CARDS[position].split())


@pytest.mark.parametrize("position", GOLDEN_STORY)
def test_what_is_said_of_a_row_of_the_story(story, position):
    assert " ".join(story.read(position)) == " ".join(GOLDEN_STORY[position].split())


def test_every_unusual_row_reads_well(cards, story):
    for desk in (cards, story):
        far = novelty.distances(desk.detector, desk.rows.stream) > desk.detector.limit
        unusual = np.flatnonzero(models.flagged(desk.model, desk.rows.stream) | far)
        assert len(unusual) > 5
        for position in unusual.tolist():
            for sentence in desk.read(position):
                well_written(sentence)


def well_written(sentence):
    assert "  " not in sentence
    assert sentence.endswith(".")
    assert ".." not in sentence
    assert not re.search(
        r"-\d|−0[^.\d]|\bnan\b|\binf\b|(?<![.\d])\d{4}", re.sub(r"row \d+", "", sentence)
    )
    assert "score was" not in sentence
    assert not re.search(r"\b1 (payments|reasons|facts)\b", sentence)
    for name in re.findall(r"V\d+", sentence):
        assert re.search(
            rf"{name} \(an anonymous component\) is −?[\d.,]+, (within the usual range: )?"
            r"(higher|lower|like) .*legitimate payments.* \(typically −?[\d.]+ to −?[\d.]+\)",
            sentence,
        )
