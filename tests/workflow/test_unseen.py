"""A category that no training row had: warned of, and called by its name in every part."""

import pandas as pd
import pytest

from hitl import explain as explaining
from hitl.dossier import dossier_html
from hitl.errors import InputError
from hitl.explain import keys
from hitl.explain.counterfactuals import counterfactuals
from hitl.explain.curves import curve
from hitl.workflow import Stored, evidence
from hitl.workflow import explaining as cases
from tests.workflow import shops

ROME = (
    "town is “Rome”, which no payment in training had: the model reads it as it reads a missing "
    "one."
)


@pytest.fixture(scope="module")
def current() -> Stored:
    return shops.first_model(shops.materials())


def told(current: Stored, method: str = "all", **row):
    given = pd.DataFrame([{"row": 9_000, "amount": 90.0, "town": "Rome", "age": 41.0} | row])
    return evidence.make(current, evidence.recipe(current, given, shops.SHOPS, method=method))


@pytest.fixture(scope="module")
def rome(current: Stored):
    return told(current)


def test_it_is_warned_of_though_the_case_is_not_novel(rome) -> None:
    assert "novel" not in rome["state"]
    assert rome["warnings"] == [ROME]
    assert [one["kind"] for one in rome["unfamiliar"]["out_of_range"]] == ["never seen"]


def test_it_is_warned_of_once_where_the_case_is_novel(current: Stored) -> None:
    far = told(current, "shap", amount=5_000.0)
    assert far["warnings"][0].startswith("Unlike anything in training")
    assert far["warnings"].count(ROME) == 1


@pytest.mark.parametrize("town", ["Kiel", None])
def test_a_known_category_or_none_is_not_warned_of(current: Stored, town: str | None) -> None:
    assert told(current, "shap", town=town)["warnings"] == []


def test_it_is_called_by_its_name_in_every_part(rome, current: Stored) -> None:
    assert rome["lime"]["conditions"]["town"] == "town = Rome"
    assert rome["lime_local"]["conditions"]["town"] == "town = Rome"
    (way,) = [one for one in rome["counterfactuals"] if list(one["changes"]) == ["town"]]
    assert way["changes"]["town"] == {"from": "Rome", "to": "Kiel"}
    assert "if town were “Kiel” instead of “Rome”" in way["sentence"]
    assert "never seen" not in keys.canonical({**rome, "unfamiliar": None})


def test_a_curve_along_it_has_the_case_under_its_own_name(current: Stored) -> None:
    base = evidence.ground(current)
    row = base.frame({"amount": 90.0, "town": "Rome", "age": 41.0})
    named = curve(
        base.face, base.face.encode(row)[0], base.values, "town", unseen=base.face.unseen(row)
    )
    assert set(named["value"].dropna()) == {*shops.TOWNS, "Rome"}
    nameless = curve(base.face, base.face.encode(row)[0], base.values, "town")
    assert set(nameless["value"].dropna()) == {*shops.TOWNS, "never seen"}
    assert named["probability"].tolist() == nameless["probability"].tolist()


def test_a_search_that_knows_no_name_says_so(current: Stored) -> None:
    base = evidence.ground(current)
    values = base.encoded({"amount": 90.0, "town": "Rome", "age": 41.0})
    found = counterfactuals(base.face, values, base.donors)
    assert "never seen" in {ends["from"] for one in found for ends in one.changes.values()}


def test_the_path_through_a_tree_shows_the_cases_own_name(current: Stored) -> None:
    row = evidence.ground(current).frame({"amount": 90.0, "town": "Rome", "age": 41.0})
    paths = [explaining.tree_path(current.model, row, tree) for tree in range(5)]
    shown = pd.concat(paths)
    assert set(shown.loc[shown["feature"] == "town", "value"]) == {"Rome"}


def test_the_case_file_warns_of_it_too(rome) -> None:
    page = dossier_html({}, rome, shops.SHOPS)
    assert '<div class="warning">' in page
    assert "town is “Rome”" in page
    assert "Unlike anything in training" not in page


def test_what_an_earlier_version_made_is_said_to_be_older_and_not_damaged(
    rome, current: Stored
) -> None:
    recipe = {**rome["recipe"], "format": "second-look-explanation/1"}
    older = {**rome, "recipe": recipe, "key": keys.key_of(recipe)}
    with pytest.raises(InputError, match="second-look-explanation/1; now") as refused:
        cases.replay(current, older)
    assert "explain the row again" in refused.value.hint
    assert cases.replay(current, rome).is_same
