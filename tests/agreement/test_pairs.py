"""Agreement is that of scikit-learn and of tables counted by hand, with intervals that hold."""

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import cohen_kappa_score, f1_score

from hitl.agreement import BANDS, MEASURES, agreement, disagreements, score_band
from hitl.agreement.pairs import MIN_POSITIVE
from hitl.errors import InputError, MissingColumnsError

SENSITIVITY, SPECIFICITY = 0.85, 0.97
PUBLISHED = {  # prevalence: raw, kappa, AC1, positive agreement of two such reviewers
    0.5: (0.84, 0.68, 0.69, 0.82),
    0.2: (0.90, 0.69, 0.86, 0.75),
    0.05: (0.93, 0.48, 0.92, 0.52),
    0.01: (0.94, 0.18, 0.94, 0.21),
}


def pairs(a: int, b: int, c: int, d: int, names: tuple[str, str] = ("Ada", "Bo")) -> pd.DataFrame:
    """a both positive, b only the first, c only the second, d both negative."""
    first = [True] * (a + b) + [False] * (c + d)
    second = [True] * a + [False] * b + [True] * c + [False] * d
    rows = pd.DataFrame({"first": first, "second": second}, dtype=object)
    return rows.assign(first_reviewer=names[0], second_reviewer=names[1])


def values(rows: pd.DataFrame, people: str = "all") -> pd.Series:
    return agreement(rows).set_index(["people", "measure"])["value"][people]


def cells_at(prevalence: float) -> tuple[float, float, float, float]:
    """Shares of the four cells for two independent reviewers with the same two rates."""
    both = prevalence * SENSITIVITY**2 + (1 - prevalence) * (1 - SPECIFICITY) ** 2
    neither = prevalence * (1 - SENSITIVITY) ** 2 + (1 - prevalence) * SPECIFICITY**2
    one = (1 - both - neither) / 2
    return both, one, one, neither


@pytest.mark.parametrize("prevalence", PUBLISHED)
def test_two_like_reviewers_give_the_published_figures(prevalence):
    cells = [round(100_000 * share) for share in cells_at(prevalence)]
    found = values(pairs(*cells))
    measured = found[["raw", "kappa", "ac1", "positive agreement"]].tolist()
    assert measured == pytest.approx(PUBLISHED[prevalence], abs=0.0051)


def test_a_table_counted_by_hand():
    # 20 both positive, 5 and 10 one of each, 15 both negative: raw 35/50; expected by chance
    # .5·.6 + .5·.4 = .5, so kappa .4; prevalence .55, so AC1 (.7 − .495)/(1 − .495).
    found = values(pairs(20, 5, 10, 15))
    assert found["raw"] == 0.7
    assert found["kappa"] == pytest.approx(0.4)
    assert found["prevalence"] == 0.55
    assert found["ac1"] == pytest.approx(0.205 / 0.505)
    assert found["positive agreement"] == pytest.approx(40 / 55)
    assert found["unsure"] == 0


@pytest.mark.parametrize("seed", range(5))
def test_kappa_and_positive_agreement_are_scikit_learns(seed):
    rng = np.random.default_rng(seed)
    first = rng.random(200) < 0.3
    second = first ^ (rng.random(200) < 0.2)
    rows = pd.DataFrame({"first": first, "second": second})
    found = values(rows.assign(first_reviewer="Ada", second_reviewer="Bo"))
    assert found["kappa"] == pytest.approx(cohen_kappa_score(first, second))
    assert found["positive agreement"] == pytest.approx(f1_score(first, second))


def test_each_two_people_are_listed_in_order_of_name_whoever_was_first():
    rows = pd.concat([pairs(10, 0, 0, 10), pairs(0, 10, 0, 10, ("Bo", "Ada")), pairs(5, 5, 5, 5)])
    more = pd.concat([rows, pairs(20, 0, 0, 20, ("Cy", "Ada"))])
    table = agreement(more)
    assert table["people"].unique().tolist() == ["all", "Ada and Bo", "Ada and Cy"]
    assert table["measure"].tolist() == [*MEASURES, "unsure"] * 3
    raw = table[table["measure"] == "raw"].set_index("people")
    assert raw["n"].tolist() == [100, 60, 40]
    assert raw["value"].tolist() == [80 / 100, 40 / 60, 1.0]


def test_an_unsure_opinion_is_counted_apart_and_changes_no_coefficient():
    rows = pairs(20, 5, 10, 15)
    more = pd.concat(
        [rows, pairs(4, 0, 0, 0).assign(second=None), pairs(1, 0, 0, 0).assign(first=pd.NA)]
    )
    sure, with_unsure = values(rows), values(more)
    assert with_unsure[list(MEASURES)].equals(sure[list(MEASURES)])
    assert with_unsure["unsure"] == pytest.approx(5 / 55)


def test_intervals_cover_what_is_true():
    """95 % are asked for; 180 tables at three prevalences, three standard errors allowed."""
    rng = np.random.default_rng(1)
    inside = []
    for prevalence, n in ((0.5, 40), (0.2, 60), (0.05, 200)):
        cells = np.array(cells_at(prevalence))
        truth = values(pairs(*(round(1e5 * share) for share in cells)))
        for drawn in rng.multinomial(n, cells, size=60):
            table = agreement(pairs(*drawn)).iloc[:5].set_index("measure")
            low, high, true = table["low"], table["high"], truth[table.index]
            inside.append((low <= true) & (true <= high))
    assert (np.mean(inside, axis=0) > 0.95 - 3 * (0.95 * 0.05 / 180) ** 0.5).all()


def test_an_interval_holds_its_value_and_does_not_collapse_at_full_agreement():
    table = agreement(pairs(15, 0, 0, 45)).iloc[:4]
    assert (table["value"] == 1).all()
    assert (table["high"] == 1).all()
    assert (table["low"] < 0.99).all()
    assert (table["low"] > 0.7).all()


def test_few_cases_cannot_tell_and_few_positive_ones_say_nothing_about_kappa():
    told = agreement(pairs(15, 0, 0, 14)).set_index(["people", "measure"])["can_tell"]["all"]
    assert not told.any()
    told = agreement(pairs(15, 0, 0, 15)).set_index(["people", "measure"])["can_tell"]["all"]
    assert told.all()
    rare = agreement(pairs(MIN_POSITIVE - 1, 0, 0, 500)).set_index(["people", "measure"])
    assert rare["can_tell"]["all"].to_dict() == {
        "raw": True,
        "kappa": False,
        "ac1": True,
        "positive agreement": False,
        "prevalence": True,
        "unsure": True,
    }


def test_what_is_not_defined_is_missing_and_not_told():
    table = agreement(pairs(0, 0, 0, 50)).set_index(["people", "measure"]).loc["all"]
    assert np.isnan(table["value"][["kappa", "positive agreement"]]).all()
    assert not table["can_tell"][["kappa", "positive agreement"]].any()
    assert table["value"]["raw"] == 1


def test_the_same_seed_gives_the_same_interval():
    one, again, other = (agreement(pairs(20, 5, 10, 15), seed=seed) for seed in (1, 1, 2))
    pd.testing.assert_frame_equal(one, again)
    assert one["low"].tolist() != other["low"].tolist()


def test_no_pairs_give_an_empty_table_with_its_columns():
    for make in (agreement, disagreements):
        table = make(pairs(0, 0, 0, 0))
        assert table.empty
        assert {"n", "value", "low", "high", "can_tell"} <= set(table)


def test_pairs_that_cannot_be_read_are_refused():
    with pytest.raises(MissingColumnsError, match="second"):
        agreement(pairs(1, 1, 1, 1).drop(columns="second"))
    with pytest.raises(InputError, match="Ada is paired with themselves"):
        agreement(pairs(1, 1, 1, 1, ("Ada", "Ada")))
    for wrong in ("fraud", 0.5, 2):
        with pytest.raises(InputError, match="neither true, false nor missing"):
            agreement(pairs(1, 0, 0, 0).assign(first=wrong))


def test_disagreements_name_the_verdicts_most_frequent_first():
    rows = pd.concat([pairs(10, 2, 3, 10), pairs(2, 0, 0, 0).assign(first=None)])
    table = disagreements(rows)
    assert table["by"].tolist() == ["verdicts"] * 2
    assert table["level"].tolist() == ["negative against positive", "positive against unsure"]
    assert table["count"].tolist() == [5, 2]
    assert table["n"].tolist() == [7, 7]
    assert not table["can_tell"].any()


def test_disagreements_name_reasons_in_either_order_bands_and_novelty():
    rows = pairs(20, 20, 10, 10)
    rows["first_reason"] = ["known"] * 40 + ["plausible"] * 20
    rows["second_reason"] = ["known"] * 20 + ["plausible"] * 20 + ["known"] * 10 + [None] * 10
    rows["band"] = score_band(np.repeat([0.51, 0.999], [45, 15]), 0.5)
    rows["is_novel"] = [True] * 30 + [False] * 30
    table = disagreements(rows).set_index(["by", "level"])
    reasons = table.loc["reasons"]
    assert reasons["count"].to_dict() == {"known against plausible": 30}
    assert table.loc["score band"][["count", "n"]].values.tolist() == [[25, 45], [5, 15]]
    assert table.loc["score band"].index.tolist() == ["just above", "far above"]
    novelty = table.loc["novelty"]
    assert novelty.index.tolist() == ["not novel", "novel"]
    assert novelty["count"].tolist() == [20, 10]
    assert novelty["can_tell"].tolist() == [True, True]


def test_an_unknown_band_is_a_level_of_its_own():
    rows = pairs(2, 1, 0, 0).assign(band=["a", None, "a"])
    table = disagreements(rows).set_index(["by", "level"]).loc["score band"]
    assert table["n"].to_dict() == {"a": 2, "unknown": 1}


def test_bands_are_log_odds_from_the_threshold():
    limit = 0.02
    away = np.array([-3.5, -2, -0.5, 0, 0.5, 2, 3.5])
    odds = np.exp(np.log(limit / (1 - limit)) + away)
    bands = score_band(odds / (1 + odds), limit)
    assert list(bands) == [*BANDS[:3], "just above", *BANDS[3:]]
    assert bands.ordered
    assert list(score_band([limit, 0.0, 1.0], limit)) == ["just above", "far below", "far above"]
    assert list(score_band([np.nan, 0.3], [0.1, 0.3]).codes) == [-1, 3]
    for p, t in ((1.1, 0.5), (0.5, 0.0), (0.5, np.nan)):
        with pytest.raises(InputError, match="out of range"):
            score_band([p], t)
