"""LIME's figures in words, and the five steps of its making, on a small model."""

import dataclasses

import numpy as np
import pandas as pd
import pytest

from hitl import explain
from hitl.ui import second_opinion as opinion
from tests.pages.conftest import unescaped

NAMES = ("a", "b", "c", "d", "e")
WEIGHTS = np.array([2.0, -3.0, 0.5, 0.0, 0.1])


@pytest.fixture(scope="module")
def known():
    rng = np.random.default_rng(0)
    return pd.DataFrame(rng.normal(size=(400, 5)), columns=list(NAMES))


@pytest.fixture(scope="module")
def face(known):
    """A straight line in log-odds, of which LIME should find the weights."""
    return explain.black_box(
        lambda rows: 1 / (1 + np.exp(-(rows[list(NAMES)].to_numpy(float) @ WEIGHTS))),
        known,
        name="line",
    )


@pytest.fixture(scope="module")
def found(face, known):
    return explain.local_lime(face, known.iloc[[3]], known, contributions=WEIGHTS)


@pytest.mark.parametrize("method", ["lime", "lime-local"])
def test_the_steps_fill_the_formula_with_what_was_made(face, known, method):
    made = explain.making(face, known.iloc[[3]], known, method=method, seed=0, samples=300)
    told = unescaped(opinion.filled(made))
    assert f"over {made.samples:,} copies" in told
    assert "the features in the line: **5**" in told
    assert ("all copies count alike" in told) is (method == "lime-local")
    near = opinion.nearness(made)
    assert ("kernel width" in near) is (method == "lime")
    assert "R² " in opinion.line_sentence(made)


def test_the_rows_shown_are_those_of_the_recipe(face, known):
    made = explain.making(face, known.iloc[[3]], known, method="lime", seed=0, samples=50, rows=3)
    rows = opinion.perturbed_rows(made, ["a", "b"])
    assert rows["row"].tolist() == ["the case", "copy 1", "copy 2"]
    assert rows["model, probability"].tolist() == made.answers
    assert rows["changed"].tolist() == [5 - sum(bits.values()) for bits in made.coding]
    assert rows["a"].tolist() == [opinion.plain(row["a"]) for row in made.rows]
    coded = opinion.coded_rows(made, ["b"])
    assert coded["as in the case if"].tolist() == [made.conditions["b"]]


def test_features_are_shown_heaviest_first_however_they_are_stored(found):
    stored = dataclasses.replace(found, weights=dict(sorted(found.weights.items())))
    assert opinion.heaviest(stored)[:2] == opinion.heaviest(found)[:2]
    weights = [abs(stored.weights[name]) for name in opinion.heaviest(stored)]
    assert weights == sorted(weights, reverse=True)
    assert len(weights) == opinion.SHOWN_FEATURES


def test_every_figure_has_a_sentence_that_helps(found):
    for name, value, meaning in opinion.figures(found):
        assert name
        assert value
        assert meaning.endswith(".")
        assert len(meaning) > 40


def test_figures_that_cannot_be_known_are_a_dash(found):
    bare = dataclasses.replace(found, stability=None, shap_overlap=None, sign_agreement=None)
    assert [value for _, value, _ in opinion.figures(bare)][3:] == ["–", "–", "–"]


@pytest.mark.parametrize("verdict", list(opinion.TRUST))
def test_the_verdict_is_a_word_a_sign_and_its_reason(found, verdict):
    told = opinion.badge(dataclasses.replace(found, verdict=verdict, why="It is *so*."))
    assert f" {verdict}] " in told
    assert unescaped(told).endswith("It is *so*.")
    assert "*so*" not in told


def test_a_flat_model_gets_no_bars(found, monkeypatch):
    drawn = []
    monkeypatch.setattr(opinion.drawing, "kept_chart", lambda *_, **options: drawn.append(options))
    opinion.bars(dataclasses.replace(found, spread=0.0), "x")
    assert drawn == []
    opinion.bars(found, "x")
    assert drawn[0]["stamp"] == ("x", "lime-local")
