"""The key of an explanation: equal for equal ingredients, different for any other."""

import json
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hitl import models
from hitl.explain import keys

VALUES = st.one_of(
    st.none(), st.booleans(), st.integers(-(2**40), 2**40), st.floats(allow_nan=False), st.text()
)


@pytest.fixture(scope="module")
def model():
    rng = np.random.default_rng(0)
    rows = pd.DataFrame({"a": rng.normal(size=200), "b": rng.normal(size=200)})
    rows["Class"] = (rows["a"] + 0.3 * rng.normal(size=200) > 0.5).astype(int)
    return models.fit(rows, features=("a", "b"), rounds=20)


def made(model, **changes):
    given_ = {"background_sha256": "0" * 64, "method": "all", "seed": 7, **changes}
    row = given_.pop("row", pd.DataFrame({"a": [1.0], "b": [2.0]}))
    return keys.recipe(model, row, **given_)


def test_the_same_ingredients_have_the_same_key(model) -> None:
    assert keys.key_of(made(model)) == keys.key_of(made(model))
    assert keys.key_of(made(model)).startswith("x-")


@pytest.mark.parametrize(
    "change",
    [
        {"row": pd.DataFrame({"a": [1.0], "b": [np.nextafter(2.0, 3)]})},
        {"row": pd.DataFrame({"a": [1.0], "b": [np.nan]})},
        {"background_sha256": "1" * 64},
        {"method": "lime"},
        {"seed": 8},
        {"parameters": {"samples": 5_000}},
        {"words": {"noun": "claim"}},
        {"companions": {"Amount": 4.0}},
    ],
)
def test_any_other_ingredient_gives_another_key(model, change) -> None:
    assert keys.key_of(made(model, **change)) != keys.key_of(made(model))


def test_another_threshold_is_another_model(model) -> None:
    other = replace(model, threshold=model.threshold / 2)
    assert keys.key_of(made(other)) != keys.key_of(made(model))
    assert made(other)["model"]["sha256"] == made(model)["model"]["sha256"]


def test_columns_the_model_does_not_use_are_not_part_of_the_row(model) -> None:
    wider = pd.DataFrame({"c": [9.0], "b": [2.0], "a": [1.0]})
    assert made(model, row=wider) == made(model)


def test_a_key_holds_in_another_process(model) -> None:
    recipe = made(model)
    program = (
        "import json, sys; from hitl.explain import keys; "
        "print(keys.key_of(json.load(sys.stdin)), end='')"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        input=json.dumps(recipe),
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == keys.key_of(recipe)


def test_an_explanation_belongs_to_one_row_and_a_known_method(model) -> None:
    with pytest.raises(ValueError, match="one row; 2"):
        made(model, row=pd.DataFrame({"a": [1.0, 2.0], "b": [1.0, 2.0]}))
    with pytest.raises(ValueError, match="no method 'tea'"):
        made(model, method="tea")


@given(st.dictionaries(st.text(), VALUES))
def test_plain_values_are_written_in_one_way_and_read_back(values) -> None:
    plain = keys.plain(values)
    text = keys.canonical(plain)
    assert keys.canonical(json.loads(text)) == text
    assert keys.canonical(dict(reversed(plain.items()))) == text


def test_what_json_cannot_say_becomes_plain() -> None:
    given_ = {1: np.float64(2.5), "b": [np.int64(3), pd.NA, float("inf")], "c": np.bool_(True)}
    assert keys.plain(given_) == {"1": 2.5, "b": [3, None, None], "c": True}


def test_half_a_character_breaks_neither_key_nor_file() -> None:
    found = keys.plain({"a\ud800": "\udfffb"})
    assert found == {"a?": "?b"}
    assert keys.key_of(found).startswith("x-")


def test_a_row_is_named_by_its_values_and_not_by_their_type_or_order() -> None:
    assert keys.row_hash({"a": 1, "b": "x"}) == keys.row_hash({"b": "x", "a": 1.0})
    assert keys.row_hash({"a": 1}) != keys.row_hash({"a": "1"})


def test_versions_are_those_installed_and_changes_are_said() -> None:
    found = keys.versions()
    assert found["numpy"] == np.__version__
    assert found["pandas"] == pd.__version__
    assert keys.changes(found) == []
    old = {**found, "lightgbm": "4.0.0", "gone": "1"}
    assert keys.changes(old) == [
        "gone was 1 and is absent",
        f"lightgbm was 4.0.0 and is {found['lightgbm']}",
    ]
