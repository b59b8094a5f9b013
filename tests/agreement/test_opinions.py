"""Flips and gold answers are those counted by hand."""

import numpy as np
import pandas as pd
import pytest

from hitl.agreement import FLIPS, flips, gold
from hitl.errors import InputError, MissingColumnsError

T, F, U = True, False, None


@pytest.fixture
def opinions() -> pd.DataFrame:
    rows = [  # first, final, flag, truth, model
        (T, F, F, T, "m1"),  # right to wrong, gave way
        (T, T, F, T, "m1"),  # right, stood firm
        (F, T, T, T, "m1"),  # wrong to right, gave way
        (F, F, F, T, "m2"),  # wrong, as the model
        (F, F, T, F, "m2"),  # right, stood firm
        (F, T, T, U, "m2"),  # truth not known, gave way
        (U, T, T, T, "m2"),  # unsure at first
        (T, U, F, T, "m2"),  # unsure in the end
    ]
    names = ["first", "final", "is_flagged", "truth", "model_id"]
    return pd.DataFrame(rows, columns=names, dtype=object)


def test_flips_are_counted_by_hand(opinions):
    table = flips(opinions).set_index(["model_id", "measure"])
    counted = {
        "right at first": (3, 5),
        "right in the end": (3, 5),
        "right to wrong": (1, 3),
        "wrong to right": (1, 2),
        "followed": (3, 5),
    }
    for measure, found in counted.items():
        assert tuple(table.loc[("all", measure), ["count", "n"]]) == found, measure
    assert tuple(table.loc[("m1", "followed"), ["count", "n"]]) == (2, 3)
    assert tuple(table.loc[("m2", "right to wrong"), ["count", "n"]]) == (0, 1)
    assert table.index.get_level_values(0).unique().tolist() == ["all", "m1", "m2"]
    assert table.loc["all"].index.tolist() == list(FLIPS)
    assert not table["can_tell"].any()


def test_flips_are_split_by_person_too(opinions):
    table = flips(opinions.assign(reviewer=["Bo"] * 4 + ["Ada"] * 4), by="reviewer")
    assert table["reviewer"].unique().tolist() == ["all", "Ada", "Bo"]
    bo = table.set_index(["reviewer", "measure"]).loc["Bo"]
    assert bo["n"].tolist() == [4, 4, 2, 2, 3]


def test_enough_flips_can_be_judged_and_lie_in_their_interval(opinions):
    table = flips(pd.concat([opinions] * 30))
    everything = table[table["model_id"] == "all"]
    assert everything["can_tell"].all()
    assert (everything["low"] < everything["value"]).all()
    assert (everything["value"] < everything["high"]).all()


def test_gold_answers_are_counted_by_hand():
    rows = pd.DataFrame(
        {
            "reviewer": ["Ada"] * 7 + ["Bo"],
            "is_positive": pd.Series([T, F, F, T, U, T, T, F], dtype=object),
            "truth": pd.Series([T, T, F, F, T, T, U, F], dtype=object),
        }
    )
    table = gold(rows).set_index(["reviewer", "measure"])
    ada = table.loc["Ada"][["count", "n"]].T.to_dict("list")
    assert ada == {
        "accuracy": [3, 5],
        "sensitivity": [2, 3],
        "specificity": [1, 2],
        "unsure": [1, 6],
    }
    assert table.loc[("all", "accuracy"), ["count", "n"]].tolist() == [4, 6]
    assert np.isnan(table["value"]["Bo", "sensitivity"])
    assert table["value"]["Bo", "specificity"] == 1


def test_no_gold_case_gives_no_figure():
    rows = pd.DataFrame({"reviewer": ["Ada"], "is_positive": [True], "truth": [None]})
    table = gold(rows)
    assert (table["n"] == 0).all()
    assert table["value"].isna().all()
    assert not table["can_tell"].any()
    assert (gold(rows[:0])["reviewer"] == "all").all()


def test_columns_that_are_not_there_are_named(opinions):
    with pytest.raises(MissingColumnsError, match="truth"):
        flips(opinions.drop(columns="truth"))
    with pytest.raises(MissingColumnsError, match="reviewer"):
        gold(opinions)
    with pytest.raises(InputError, match="neither true, false nor missing"):
        flips(opinions.assign(final="fraud"))
