import numpy as np
import pandas as pd
import pytest

from hitl import models
from hitl.errors import (
    EmptyDataError,
    FeatureMismatchError,
    InputError,
    MissingValuesError,
    ModelError,
    NotNumericError,
)
from hitl.explain import Scorer, black_box, scorer


def known_rows(n=60, seed=0):
    """One column of every type a table may have."""
    rng = np.random.default_rng(seed)
    shop = rng.choice(["web", "store", "phone"], n)
    return pd.DataFrame(
        {
            "amount": rng.normal(50, 10, n),
            "count": rng.integers(0, 9, n),
            "small": rng.normal(size=n).astype(np.float32),
            "maybe": pd.array(rng.integers(0, 9, n), dtype="Int64"),
            "new": rng.random(n) < 0.5,
            "shop": shop,
            "thing": pd.Series(shop, dtype=object),
            "kind": pd.Categorical(shop, categories=["web", "store", "phone", "never"]),
        }
    )


def constant(chance):
    return lambda rows: np.full(len(rows), chance)


class Remembering:
    """A function of rows that keeps what it was asked."""

    def __call__(self, rows):
        self.asked = rows
        return np.full(len(rows), 0.25)


# --- our own models --------------------------------------------------------------------------


def test_a_model_behind_its_face_scores_and_splits_as_it_does():
    rows = known_rows(400)[["amount", "shop"]]
    rows.loc[::9, "amount"] = np.nan
    rows["Class"] = ((rows["shop"] == "web") & (rows.index % 3 > 0)).astype(int)
    model = models.fit(
        rows, features=("amount", "shop"), categorical=("shop",), rounds=20, budget=0.1
    )
    face = scorer(model)
    values = face.encode(rows)
    assert face.categories == model.categories
    assert face.odds(values).tolist() == models.scores(model, rows).tolist()
    assert face.probabilities(values).tolist() == models.probabilities(model, rows).tolist()
    base, parts = face.split(values)
    assert base == models.contributions(model, rows)[0]
    np.testing.assert_array_equal(parts, models.contributions(model, rows)[1])
    assert face.unseen(rows.iloc[[0]].assign(shop="kiosk")) == {"shop": "kiosk"}


# --- any function ----------------------------------------------------------------------------


def test_rows_come_back_from_their_code_as_they_were():
    known, ask = known_rows(), Remembering()
    face = black_box(ask, known, name="it")
    values = face.encode(known)
    assert values.shape == (60, 8)
    assert face.features == tuple(known)
    face.odds(values)
    pd.testing.assert_frame_equal(ask.asked, known)


def test_text_categories_and_truth_values_are_categorical_and_sorted():
    face = black_box(constant(0.5), known_rows(), name="it")
    shops = ("phone", "store", "web")
    assert face.categories == {
        "new": ("False", "True"),
        "shop": shops,
        "thing": shops,
        "kind": shops,
    }


def test_gaps_come_back_as_gaps():
    known, ask = known_rows(), Remembering()
    holes = known.astype({"count": float, "new": object})
    holes.iloc[3:6] = None
    face = black_box(ask, known, name="it")
    values = face.encode(holes)
    assert np.isnan(values[3:6]).all()
    face.odds(values)
    assert ask.asked.iloc[3:6].isna().all(axis=None)
    whole = [i for i in range(60) if i not in (3, 4, 5)]
    for name in known:
        assert ask.asked[name].iloc[whole].tolist() == known[name].iloc[whole].tolist()
    assert ask.asked["kind"].dtype == known["kind"].dtype
    assert ask.asked["shop"].dtype == known["shop"].dtype


@pytest.mark.parametrize("gap", [None, np.nan, pd.NA])
def test_a_gap_in_text_is_the_backgrounds_own(gap):
    known, ask = pd.DataFrame({"thing": pd.Series(["a", gap, "b"], dtype=object)}), Remembering()
    face = black_box(ask, known, name="it")
    face.odds(face.encode(known))
    assert ask.asked["thing"].iloc[1] is gap


def test_an_unseen_category_comes_back_as_unseen_and_is_said():
    known, ask = known_rows(), Remembering()
    face = black_box(ask, known, name="it")
    row = known.iloc[[0]].assign(shop="kiosk", thing="kiosk", kind="kiosk", new="perhaps")
    values = face.encode(row)
    assert values[0, 4:].tolist() == [-1.0] * 4
    face.odds(values)
    assert ask.asked[["new", "shop", "thing", "kind"]].iloc[0].tolist() == ["(unseen)"] * 4
    assert face.unseen(row) == {
        "new": "perhaps",
        **dict.fromkeys(("shop", "thing", "kind"), "kiosk"),
    }


def test_numbers_between_whole_ones_are_passed_on_as_they_are():
    ask = Remembering()
    face = black_box(ask, known_rows(), name="it")
    values = face.encode(known_rows())
    values[0, 1] = 2.5
    face.odds(values)
    assert ask.asked["count"].iloc[0] == 2.5


def test_whole_numbers_can_be_called_categories():
    known, ask = known_rows()[["count", "amount"]], Remembering()
    names = tuple(map(str, range(9)))
    face = black_box(ask, known, name="it", categories={"count": names})
    assert face.categories == {"count": names}
    assert face.encode(known)[:, 0].tolist() == known["count"].tolist()
    face.odds(face.encode(known))
    assert ask.asked["count"].tolist() == known["count"].tolist()


def test_columns_are_taken_by_name():
    known = known_rows()
    face = black_box(constant(0.5), known, name="it")
    turned = known[list(reversed(known.columns))].assign(other=1)
    np.testing.assert_array_equal(face.encode(turned), face.encode(known))
    with pytest.raises(FeatureMismatchError, match="shop"):
        face.encode(known.drop(columns="shop"))


@pytest.mark.parametrize("wide", [False, True])
def test_probabilities_become_log_odds(wide):
    chance = np.array([0.1, 0.5, 0.9])
    answer = np.column_stack([1 - chance, chance]) if wide else chance
    known = pd.DataFrame({"a": [1.0, 2.0, 3.0]})
    face = black_box(lambda rows: answer, known, name="it")
    odds = face.odds(face.encode(known))
    assert odds == pytest.approx(np.log(chance / (1 - chance)))
    assert face.probabilities(face.encode(known)) == pytest.approx(chance)


def test_certainty_is_clipped_to_finite_log_odds():
    known = pd.DataFrame({"a": [1.0, 2.0]})
    face = black_box(lambda rows: np.array([0.0, 1.0]), known, name="it")
    odds = face.odds(face.encode(known))
    assert odds == pytest.approx([-27.631, 27.631], abs=1e-3)
    assert face.probabilities(face.encode(known)) == pytest.approx([1e-12, 1 - 1e-12])


def test_no_rows_are_not_asked_about():
    def never(rows):
        raise AssertionError("asked")

    face = black_box(never, known_rows(), name="it")
    assert face.odds(np.zeros((0, 8))).shape == (0,)


@pytest.mark.parametrize(
    ("predict", "said"),
    [
        (lambda rows: np.full((len(rows), 3), 0.3), r"answers 60 rows with shape \(60, 3\)"),
        (lambda rows: np.array([0.3]), r"answers 60 rows with shape \(1,\)"),
        (lambda rows: 0.3, r"shape \(\)"),
        (constant(np.nan), "answers nan, which is not a probability"),
        (constant(1.5), "answers 1.5, which is not a probability"),
        (constant(-0.1), "answers -0.1, which is not a probability"),
        (lambda rows: ["yes"] * len(rows), "cannot score these rows: could not convert"),
        (lambda rows: rows["till"], "cannot score these rows: 'till'"),
    ],
)
def test_an_answer_that_is_no_probability_is_refused(predict, said):
    face = black_box(predict, known_rows(), name="the pipeline")
    with pytest.raises(ModelError, match=f"the pipeline .*{said}|the pipeline {said}"):
        face.odds(face.encode(known_rows()))


@pytest.mark.parametrize(
    ("background", "error", "said"),
    [
        (known_rows(0), EmptyDataError, "no rows"),
        (pd.DataFrame(index=range(3)), EmptyDataError, "no columns"),
        (known_rows().assign(amount=np.nan), MissingValuesError, "'amount' has no value"),
        (known_rows().assign(shop=None), MissingValuesError, "'shop' has no value"),
        (known_rows().assign(amount=np.inf), MissingValuesError, "no finite number"),
        (known_rows().assign(when=pd.Timestamp("2026-11-22")), NotNumericError, "holds dates"),
    ],
)
def test_a_background_that_says_nothing_is_refused(background, error, said):
    with pytest.raises(error, match=said):
        black_box(constant(0.5), background, name="it")


def test_options_that_cannot_be_used_are_named():
    with pytest.raises(InputError, match=r"threshold is 1\.5"):
        black_box(constant(0.5), known_rows(), name="it", threshold=1.5)
    with pytest.raises(InputError, match="no column 'till'"):
        black_box(constant(0.5), known_rows(), name="it", categories={"till": ("a",)})


def test_a_face_is_told_its_name_and_threshold():
    face = black_box(constant(0.5), known_rows(), name="it", threshold=0.2)
    assert isinstance(face, Scorer)
    assert (face.name, face.threshold, face.split) == ("it", 0.2, None)
