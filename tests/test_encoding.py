"""Categories, missing values, constant columns: what a model is given, and what it makes of it."""

import dataclasses
import itertools
import json

import lightgbm
import numpy as np
import pandas as pd
import pytest

from hitl import errors, models
from hitl.models import folders
from tests.test_models import refitted_sizes, replaced_line

FEATURES = ("shop", "amount", "age", "one")
SMALL = {"features": FEATURES, "categorical": ("shop",), "rounds": 40, "budget": 0.05}
pytestmark = pytest.mark.filterwarnings(
    "ignore:The set_(bad|over|under) function will be deprecated:PendingDeprecationWarning",
    "ignore:LightGBM binary classifier with TreeExplainer shap values output has changed",
)


def wild(n=2_000, seed=0):
    """Rows as they come: a category, a number, one with gaps that mean something, a constant."""
    rng = np.random.default_rng(seed)
    shop = rng.choice(["web", "store", "phone", "mail"], n, p=[0.4, 0.4, 0.15, 0.05])
    amount, age = rng.gamma(2, 20, n).round(2), rng.normal(40, 10, n)
    gone = rng.random(n) < 0.1
    chance = 1 / (1 + np.exp(4 - 2 * (shop == "phone") - amount / 40 - 1.5 * gone))
    rows = pd.DataFrame({"shop": shop, "amount": amount, "age": age, "one": 1.0})
    rows["Class"] = (rng.random(n) < chance).astype(int)
    rows.loc[gone, "age"] = np.nan
    rows.loc[rng.random(n) < 0.05, "shop"] = None
    return rows


@pytest.fixture(scope="module")
def rows():
    return wild()


@pytest.fixture(scope="module")
def model(rows):
    return models.fit(rows, **SMALL)


@pytest.fixture(scope="module")
def text(rows):
    """A model's text whose first tree has several categorical splits, with two words a set."""
    kinds = np.random.default_rng(1).integers(0, 50, len(rows))
    many = rows.assign(shop=[f"kind-{kind:02}" for kind in kinds])
    flagged = (kinds % 3 == 0) | (many["amount"] > 90) | many["age"].isna()
    many["Class"] = flagged.astype(int)
    parameters = {"min_data_per_group": 20, "max_cat_threshold": 8, "cat_smooth": 1.0}
    return models.fit(many, **SMALL | {"parameters": parameters, "rounds": 3}).text


def lightgbms(model, values, **options):
    return lightgbm.Booster(model_str=model.text).predict(np.array(values, dtype=float), **options)


# --- names and codes -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("column", "names"),
    [
        (pd.Series(["b", None, "a"]), ["b", None, "a"]),
        (pd.Series(["b", None, "a"], dtype=object), ["b", None, "a"]),
        (pd.Series(["b", None, "a"], dtype="category"), ["b", None, "a"]),
        (pd.Series([7, 12]), ["7", "12"]),
        (pd.Series([7.0, np.nan, 12.5]), ["7", None, "12.5"]),
        (pd.Series([7, None], dtype="Int64"), ["7", None]),
        (pd.Series([True, False]), ["True", "False"]),
        (pd.Series([True, None], dtype="boolean"), ["True", None]),
        (pd.Series([], dtype=object), []),
    ],
)
def test_a_value_has_one_name_however_it_is_stored(column, names):
    assert models.texts(column).tolist() == names


def test_a_code_is_the_place_among_the_sorted_names(model, rows):
    assert model.categories == {"shop": ("mail", "phone", "store", "web")}
    values = models.encoded(model, rows)
    place = {name: float(code) for code, name in enumerate(sorted(rows["shop"].dropna().unique()))}
    expected = [place.get(name, np.nan) for name in rows["shop"]]
    np.testing.assert_array_equal(values[:, 0], expected)
    np.testing.assert_array_equal(values[:, 1:], rows[["amount", "age", "one"]].to_numpy())


def test_columns_in_another_order_are_the_same_rows(model, rows):
    turned = rows[list(reversed(rows.columns))].set_axis(range(7, 7 + len(rows)))
    assert models.scores(model, turned).tolist() == models.scores(model, rows).tolist()


def test_numbers_can_be_categories_and_do_not_depend_on_their_type():
    rows = wild()
    rows["code"] = rows["shop"].map({"web": 5, "store": 17, "phone": 5812, "mail": 1}).astype(float)
    known = models.fit(rows, features=("code", "amount"), categorical=("code",), rounds=20)
    assert known.categories == {"code": ("1", "17", "5", "5812")}
    whole = rows.dropna(subset="code")
    again = whole.assign(code=whole["code"].astype(int).astype(str))
    assert models.scores(known, again).tolist() == models.scores(known, whole).tolist()


def test_too_many_categories_are_refused_with_their_number(rows):
    many = rows.assign(shop=[f"case-{i}" for i in range(len(rows))])
    with pytest.raises(errors.DataError, match=r"'shop' has 2,000 categories; 50 are allowed"):
        models.fit(many, **SMALL)
    fifty = rows.assign(shop=[f"kind-{i % 50}" for i in range(len(rows))])
    assert len(models.fit(fifty, **SMALL).categories["shop"]) == 50


def test_only_a_feature_can_be_categorical(rows):
    with pytest.raises(errors.InputError, match="'Class' is no feature"):
        models.fit(rows, **SMALL | {"categorical": ("Class",)})


def test_text_that_is_not_called_categorical_is_refused(rows):
    with pytest.raises(errors.NotNumericError, match="'shop' holds"):
        models.fit(rows, **SMALL | {"categorical": ()})


# --- what the model makes of them ------------------------------------------------------------


def test_scores_are_lightgbms_on_the_encoded_rows(model, rows):
    expected = lightgbms(model, models.encoded(model, rows), raw_score=True)
    assert models.raw_scores(model, rows).tolist() == expected.tolist()
    assert models.odds(model, models.encoded(model, rows)).tolist() == (
        models.scores(model, rows).tolist()
    )


def test_the_model_learns_from_categories_and_from_gaps(model, rows):
    row = rows.dropna().iloc[[0]]
    odds = {shop: models.scores(model, row.assign(shop=shop))[0] for shop in ("web", "phone")}
    assert odds["phone"] - odds["web"] > 1
    assert models.scores(model, row.assign(age=np.nan))[0] > models.scores(model, row)[0] + 0.5


def test_trees_agree_with_training_about_categories_and_gaps(rows):
    """LightGBM's own scores of its training rows, by its own path, are those of the text."""
    table = models.tables.table_of(rows, FEATURES, "Class", None, ("shop",))
    settings = {"objective": "binary", "verbosity": -1, "num_threads": 1, "seed": 0}
    settings |= {"deterministic": True, "force_row_wise": True} | models.DEFAULT_PARAMETERS
    data = lightgbm.Dataset(table.values, table.truth, categorical_feature=[0])
    told = {}
    lightgbm.train(
        settings, data, 40, valid_sets=[data], callbacks=[lightgbm.record_evaluation(told)]
    )
    raw = models.raw_scores(models.fit(rows, **SMALL), rows)
    truth = rows["Class"].to_numpy()
    loss = np.mean(np.logaddexp(0, raw) - truth * raw)
    assert told["training"]["binary_logloss"][-1] == pytest.approx(loss, abs=1e-9)


@pytest.mark.parametrize("code", [-1.0, 4.0, 77.0, np.nan])
def test_an_unseen_category_goes_where_lightgbm_sends_it(model, rows, code):
    row = rows.dropna().iloc[[0]].assign(shop="market stall")
    values = models.encoded(model, row)
    assert values[0, 0] == models.UNSEEN
    values[0, 0] = code
    assert models.raw_scores(model, row)[0] == lightgbms(model, values, raw_score=True)[0]
    parts = lightgbms(model, values, pred_contrib=True)[0, :-1]
    assert models.contributions(model, row)[1][0] == pytest.approx(model.slope * parts, abs=1e-12)


def test_what_is_unseen_is_said(model, rows):
    row = rows.dropna().iloc[[0]]
    assert models.unseen(model, row) == {}
    assert models.unseen(model, row.assign(shop=None)) == {}
    assert models.unseen(model, row.assign(shop="market stall")) == {"shop": "market stall"}
    with pytest.raises(ValueError, match="2 were given"):
        models.unseen(model, rows.iloc[:2])
    with pytest.raises(errors.FeatureMismatchError, match="shop"):
        models.unseen(model, row.drop(columns="shop"))


def test_contributions_are_shaps_with_categories_gaps_and_constants(model, rows):
    import shap

    some = pd.concat([rows.iloc[:200], rows.iloc[:1].assign(shop="market stall")])
    explainer = shap.TreeExplainer(lightgbm.Booster(model_str=model.text))
    theirs = model.slope * np.asarray(explainer.shap_values(models.encoded(model, some)))
    base, parts = models.contributions(model, some)
    assert parts == pytest.approx(theirs, abs=1e-9)
    assert some["age"].isna().any()
    assert some["shop"].isna().any()
    expected = model.slope * float(np.ravel(explainer.expected_value)[-1]) + model.intercept
    assert base == pytest.approx(expected, abs=1e-9)
    assert base + parts.sum(axis=1) == pytest.approx(models.scores(model, some), abs=1e-9)
    assert (parts[:, 3] == 0).all(), "a constant says nothing"


def test_lightgbm_takes_a_gap_it_never_saw_for_0(model, rows):
    """Why such a gap is refused."""
    values = models.encoded(model, rows.dropna().iloc[[0]])
    values[0, 1] = np.nan
    at_zero = values.copy()
    at_zero[0, 1] = 0.0
    assert lightgbms(model, values)[0] == lightgbms(model, at_zero)[0]


@pytest.mark.parametrize("change", [{"amount": np.nan}, {"amount": None}, {"age": np.inf}])
def test_a_gap_the_model_never_saw_is_refused_and_the_hint_says_why(model, rows, change):
    row = rows.iloc[[0]].assign(**change)
    for verb in (models.scores, models.contributions, models.check):
        with pytest.raises(errors.MissingValuesError, match=next(iter(change))) as caught:
            verb(model, row)
        assert "never saw such a value" in caught.value.hint


def test_a_missing_category_the_model_never_saw_is_refused(rows):
    known = models.fit(rows.dropna(), **SMALL)
    assert known.missing == ()
    with pytest.raises(errors.MissingValuesError, match="'shop' has no category in row 1"):
        models.scores(known, pd.concat([rows.dropna().iloc[:1], rows.iloc[:1].assign(shop=None)]))


def test_rows_without_a_single_value_where_gaps_are_known_can_be_scored(model, rows):
    row = rows.iloc[[0]].assign(age=None, shop=None)
    assert np.isfinite(models.scores(model, row)).all()
    models.check(model, row)
    models.check(model, rows, label="Class")


def test_dates_are_refused_by_name(model, rows):
    when = pd.Timestamp("2026-11-22")
    for feature, value in itertools.product(("age", "shop"), (when, when.date(), when - when)):
        for verb in (models.scores, models.check):
            with pytest.raises(errors.NotNumericError, match=f"'{feature}' holds dates or times"):
                verb(model, rows.iloc[[0]].assign(**{feature: value}))


def test_a_column_without_any_value_cannot_be_learnt_from(rows):
    for name in ("age", "shop"):
        with pytest.raises(errors.MissingValuesError, match=f"'{name}' has no value in any row"):
            models.fit(rows.assign(**{name: None}), **SMALL)


def test_one_feature_is_enough_whatever_it_is(rows):
    for feature in ("amount", "age", "shop"):
        named = ("shop",) if feature == "shop" else ()
        lone = models.fit(rows, features=(feature,), categorical=named, rounds=20)
        base, parts = models.contributions(lone, rows)
        assert parts.shape == (len(rows), 1)
        assert base + parts[:, 0] == pytest.approx(models.scores(lone, rows), abs=1e-9)


def test_a_gap_among_very_many_rows_is_still_seen(monkeypatch):
    """LightGBM looks at a sample of the rows only; a gap outside it would count as 0."""
    monkeypatch.setattr("hitl.models.training._BIN_SAMPLE", 1_000)
    rows = wild(5_000)
    table = models.tables.table_of(rows, FEATURES, "Class", None, ("shop",))
    trees = models.training._train(table, models.DEFAULT_PARAMETERS, 2, 0)
    assert "[bin_construct_sample_cnt: 5000]" in trees.model_to_string()


# --- the card --------------------------------------------------------------------------------


def test_the_card_says_where_values_were_missing_and_what_is_usual(model, rows):
    legit = rows[rows["Class"] == 0]
    usual = model.card["quantiles"]
    assert model.missing == ("shop", "age")
    shares = legit["shop"].value_counts() / len(legit)
    assert usual["shop"]["shares"] == pytest.approx(shares.to_dict())
    assert usual["shop"]["missing_share"] == pytest.approx(legit["shop"].isna().mean())
    assert usual["age"]["missing_share"] == pytest.approx(legit["age"].isna().mean())
    expected = legit["age"].quantile(np.linspace(0, 1, 101))
    assert usual["age"]["grid"] == pytest.approx(expected.tolist())
    assert usual["one"]["p05"] == usual["one"]["p95"] == 1.0
    assert "missing_share" not in usual["amount"]
    assert json.loads(json.dumps(model.card, allow_nan=False)) == model.card


def test_a_number_that_no_legitimate_row_has_is_left_open(rows):
    strange = rows.assign(age=rows["age"].where(rows["Class"] == 1))
    usual = models.fit(strange, **SMALL).card["quantiles"]["age"]
    assert usual == {"missing_share": 1.0}


# --- continuing and refitting ----------------------------------------------------------------


def test_continuing_and_refitting_keep_categories_and_gaps(model, rows):
    reviewed = rows[rows["Class"] == 0].iloc[:5].assign(shop=["web", None, "kiosk", "web", "mail"])
    longer = models.extend(model, rows, reviewed, step=5, max_rounds=5)
    again = models.refit(model, rows, reviewed)
    for challenger in (longer, again):
        assert challenger.categories == model.categories
        assert challenger.missing == model.missing
        assert models.from_dict(models.to_dict(challenger), trusted=False) == challenger
    old = lightgbms(longer, models.encoded(model, rows), raw_score=True, num_iteration=40)
    assert old == pytest.approx(models.raw_scores(model, rows), abs=1e-12)
    assert models.refit(model, rows).text == model.text


def test_reviewed_rows_with_a_gap_the_champion_never_saw_are_refused(model, rows):
    reviewed = rows.iloc[:3].assign(amount=np.nan)
    with pytest.raises(errors.MissingValuesError, match="amount"):
        models.extend(model, rows, reviewed)


# --- stored and damaged ----------------------------------------------------------------------


def test_a_model_with_categories_comes_back_whole(model, rows, tmp_path):
    back = models.from_dict(json.loads(json.dumps(models.to_dict(model))), trusted=True)
    assert back == model
    models.save(model, tmp_path / "m")
    assert models.load(tmp_path / "m") == model
    assert models.scores(back, rows).tolist() == models.scores(model, rows).tolist()


def test_the_probe_has_gaps_and_is_reproduced_in_another_process(model):
    probe = model.card["probe"]
    assert any(value is None for row in probe["rows"] for value in row)
    found = folders._child_scores(model.text, probe["rows"])
    assert found == pytest.approx(probe["raw_scores"], abs=1e-9)


def test_the_id_covers_the_categories_where_there_are_some(model):
    other = dataclasses.replace(model, categories={"shop": ("phone", "mail", "store", "web")})
    assert other.model_id != model.model_id
    bare = dataclasses.replace(model, categories={})
    assert "categories" not in models.to_dict(bare)
    assert bare.model_id != model.model_id


def test_a_model_stored_before_there_were_categories_still_loads(rows):
    plain = models.fit(rows.dropna(), features=("amount", "age"), rounds=20)
    stored = models.to_dict(plain)
    assert "categories" not in stored
    del stored["card"]["missing"]
    back = models.from_dict(stored, trusted=True)
    assert (back.missing, back.categories) == ((), {})
    assert models.scores(back, rows.dropna()).tolist() == (
        models.scores(plain, rows.dropna()).tolist()
    )


def test_changed_categories_are_noticed(model):
    stored = models.to_dict(model) | {"categories": {"shop": ["mail", "web", "store", "phone"]}}
    with pytest.raises(errors.TamperedModelError, match=model.model_id):
        models.from_dict(stored, trusted=True)


@pytest.mark.parametrize(
    "categories",
    [[], {"shop": "mail"}, {"shop": []}, {"shop": ["a", "a"]}, {"shop": [1]}, {"till": ["a"]}],
)
def test_categories_that_cannot_be_used_are_refused(model, categories):
    with pytest.raises(errors.ModelFormatError, match="categories"):
        models.from_dict(models.to_dict(model) | {"categories": categories}, trusted=True)


@pytest.mark.parametrize("told", ["age", ["till"], 3])
def test_gaps_in_features_that_are_not_there_are_refused(model, told):
    card = model.card | {"missing": told}
    with pytest.raises(errors.ModelFormatError, match="missing values"):
        models.from_dict(models.to_dict(model) | {"card": card}, trusted=True)


@pytest.mark.parametrize("share", [0.01, 0.2, 0.5, 0.8, 0.95, 0.99])
def test_a_truncated_text_with_categories_is_refused(model, share):
    cut = dataclasses.replace(model, text=model.text[: int(share * len(model.text))])
    with pytest.raises(errors.ModelFormatError):
        models.booster(cut)


def test_whole_texts_with_categories_pass(model, text):
    models.check_text(model.text)
    models.check_text(text)
    assert refitted_sizes(replaced_line(text, "cat_threshold", str)) == text
    block = text[text.index("Tree=0") : text.index("Tree=1")]
    tree = dict(line.split("=", 1) for line in block.splitlines() if "=" in line)
    assert int(tree["num_cat"]) >= 2, "the edits below bite"
    assert len(tree["cat_threshold"].split()) > int(tree["num_cat"])
    assert tree["decision_type"].split()[0] == "1"
    assert tree["decision_type"].split()[-1] == "2"


def first(change):
    return lambda line: " ".join([change(line.split()[0]), *line.split()[1:]])


DAMAGES = [
    ("num_cat", lambda v: str(int(v) + 1)),
    ("num_cat", lambda v: str(int(v) - 1)),
    ("num_cat", lambda _: "0"),
    ("num_cat", lambda _: "-1"),
    ("num_cat", lambda _: "4000000"),
    ("cat_boundaries", lambda v: v.rsplit(" ", 1)[0]),
    ("cat_boundaries", lambda v: v + " 9"),
    ("cat_boundaries", first(lambda _: "1")),
    ("cat_boundaries", first(lambda _: "-3")),
    ("cat_boundaries", lambda v: " ".join(["0"] * len(v.split()))),
    ("cat_boundaries", lambda v: " ".join([*v.split()[:-1], "999999"])),
    ("cat_boundaries", lambda v: " ".join(reversed(v.split()))),
    ("cat_boundaries", lambda _: "x"),
    ("cat_threshold", lambda v: v.rsplit(" ", 1)[0]),
    ("cat_threshold", lambda v: v + " 1"),
    ("cat_threshold", first(lambda _: "-1")),
    ("cat_threshold", first(lambda _: "4294967296")),
    ("cat_threshold", first(lambda _: "1.5")),
    ("cat_threshold", lambda _: ""),
    ("decision_type", first(lambda _: "0")),
    ("decision_type", first(lambda _: "17")),
    ("decision_type", first(lambda _: "-7")),
    ("decision_type", first(lambda _: "x")),
    ("decision_type", lambda v: v.rsplit(" ", 1)[0] + " 3"),
    ("left_child", first(lambda _: "0")),
    ("right_child", lambda v: v.rsplit(" ", 1)[0]),
    ("split_feature", first(lambda _: "4")),
    ("threshold", first(lambda _: "nan")),
    ("threshold", first(lambda _: "4000")),
    ("leaf_value", first(lambda _: "nan")),
]


@pytest.mark.parametrize(("name", "change"), DAMAGES)
def test_categorical_trees_that_point_outside_themselves_are_refused(text, name, change):
    edited = refitted_sizes(replaced_line(text, name, change))
    assert edited != text
    with pytest.raises(errors.ModelFormatError):
        models.check_text(edited)


def test_a_split_that_points_outside_its_sets_is_refused(text):
    """Every categorical threshold in turn: another split's set, none at all, half a set."""
    lines = text.split("\n")
    at = next(i for i, line in enumerate(lines) if line.startswith("decision_type="))
    kinds = [int(kind) for kind in lines[at].split("=")[1].split()]
    for place in (i for i, kind in enumerate(kinds) if kind % 2):
        for other in ("-1", "0.5", "99", "1e300"):
            edited = replaced_line(
                text,
                "threshold",
                lambda v, p=place, o=other: " ".join(
                    o if i == p else part for i, part in enumerate(v.split())
                ),
            )
            with pytest.raises(errors.ModelFormatError):
                models.check_text(refitted_sizes(edited))


def test_linear_trees_are_refused_with_their_own_sentence(rows):
    values, truth = rows[["amount", "one"]].to_numpy(), rows["Class"].to_numpy()
    settings = {"objective": "binary", "verbosity": -1, "linear_tree": True}
    text = lightgbm.train(settings, lightgbm.Dataset(values, truth), 3).model_to_string()
    with pytest.raises(errors.ModelFormatError, match=r"linear leaves.*linear_tree=false"):
        models.check_text(text)
