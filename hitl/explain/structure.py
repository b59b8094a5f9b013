"""What the model is made of: importance, dependence, interactions, and the path through a tree."""

from itertools import combinations
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from hitl import models
from hitl.errors import InputError
from hitl.explain.scorers import Scorer, scorer
from hitl.explain.text import number
from hitl.explain.whatif import Value, check_names, check_values, decoded, thinned

Floats = npt.NDArray[np.float64]
Step = tuple[str, str, Value, str]

MOST_POINTS = 2_000
INTERACTION_ROWS = 60
_SHUFFLES = 3
_ZERO = 1e-35
"""LightGBM takes numbers closer to 0 than this for 0."""


def importance(scorer: Scorer, values: Floats, *, seed: int = 0) -> pd.DataFrame:
    """Say what the model leans on over these rows.

    Parameters
    ----------
    scorer
        The model.
    values
        Encoded rows, shape ``(n_rows, n_features)``.
    seed
        Seed of the shuffles; used only for a model without an exact split.

    Returns
    -------
    DataFrame
        Heaviest first: `feature`, `share` (in ``[0, 1]``, summing to 1, or all 0 for a model
        whose score never changes) and `mean_abs` (log-odds, 0 or more): the mean absolute
        contribution, or, without an exact split, the mean absolute change of the score when the
        feature alone is shuffled among the rows.

    Raises
    ------
    EmptyDataError
        If there are no rows.
    FeatureMismatchError
        If the rows do not fit the model.

    References
    ----------
    Lundberg et al. (2020), from local explanations to global understanding; Breiman (2001),
    random forests.
    """
    check_values(scorer, values)
    if scorer.split:
        mean = np.abs(scorer.split(values)[1]).mean(axis=0)
    else:
        mean = _shuffled(scorer, values, seed)
    order = np.argsort(-mean, kind="stable")
    return pd.DataFrame(
        {
            "feature": [scorer.features[i] for i in order],
            "share": mean[order] / (mean.sum() or 1.0),
            "mean_abs": mean[order],
        }
    )


def dependence(
    scorer: Scorer, values: Floats, feature: str, *, most: int = MOST_POINTS
) -> pd.DataFrame:
    """Give a feature's value, its contribution and the probability, one point per row.

    Parameters
    ----------
    scorer
        The model.
    values
        Encoded rows, shape ``(n_rows, n_features)``.
    feature
        Which feature.
    most
        Points at most, at least 1; of more rows every so many are taken.

    Returns
    -------
    DataFrame
        `value` (a number, a category's name, or None for missing), `contribution` (log-odds; NaN
        where no exact split is known) and `probability`.

    Raises
    ------
    EmptyDataError
        If there are no rows.
    FeatureMismatchError
        If rows or feature do not fit the model.
    """
    check_values(scorer, values)
    check_names(scorer, [feature])
    rows = values[thinned(np.arange(len(values)), most)]
    i = scorer.features.index(feature)
    parts = scorer.split(rows)[1][:, i] if scorer.split else np.full(len(rows), np.nan)
    shown = [decoded(scorer, feature, value) for value in rows[:, i].tolist()]
    return pd.DataFrame(
        {
            "value": pd.Series(shown, dtype=object),
            "contribution": parts,
            "probability": scorer.probabilities(rows),
        }
    )


def interactions(
    scorer: Scorer, values: Floats, *, top: int = 6, rows: int = INTERACTION_ROWS
) -> pd.DataFrame:
    """Measure which pairs of features act together rather than one by one.

    Parameters
    ----------
    scorer
        The model.
    values
        Encoded rows, shape ``(n_rows, n_features)``.
    top
        Features to pair, the heaviest of `importance`, at least 2.
    rows
        Rows to work on, at least 2, taken at even steps; cost grows with its square.

    Returns
    -------
    DataFrame
        Largest `size` first: `first`, `second`, `strength` (in ``[0, 1]``: the share of the
        pair's joint variance that neither explains alone) and `size` (log-odds: the root mean
        square of that part). All pairs of the chosen features.

    Raises
    ------
    EmptyDataError
        If there are no rows.
    FeatureMismatchError
        If the rows do not fit the model.
    InputError
        If `top` or `rows` is below 2.

    Notes
    -----
    Partial dependence in log-odds, so that features that only add up do not interact. A pair
    that hardly moves the score can have a large strength: read it with the size. Works for
    categories and missing values, where SHAP's interaction values do not.

    References
    ----------
    Friedman and Popescu (2008), predictive learning via rule ensembles.
    """
    check_values(scorer, values)
    if top < 2 or rows < 2:
        raise InputError(f"top is {top} and rows {rows}.", "Give at least 2 of each.")
    kept = values[thinned(np.arange(len(values)), rows)]
    heaviest = importance(scorer, kept)["feature"][:top]
    places = sorted(scorer.features.index(feature) for feature in heaviest)
    alone = {i: _partial(scorer, kept, [i]) for i in places}
    found = []
    for i, j in combinations(places, 2):
        joint = _partial(scorer, kept, [i, j])
        rest = float(((joint - alone[i] - alone[j]) ** 2).mean())
        share = min(1.0, rest / float((joint**2).mean())) if rest > _ZERO else 0.0
        found.append((scorer.features[i], scorer.features[j], share, rest**0.5))
    table = pd.DataFrame(found, columns=["first", "second", "strength", "size"])
    return table.sort_values("size", ascending=False, kind="stable", ignore_index=True)


def tree_path(model: models.Model, row: pd.DataFrame, tree: int) -> pd.DataFrame:
    """Follow one row through one tree.

    Parameters
    ----------
    model
        The model.
    row
        The row, shape ``(1, n_columns)``, with the model's features.
    tree
        Which tree, from 0.

    Returns
    -------
    DataFrame
        One line per decision: `step` (from 1), `feature`, `condition` (``"at most 0.62"``,
        ``"one of red, blue"``), `value` (the row's own, None when missing) and `went` (``"yes"``
        or ``"no"``), then a last line whose `feature` is ``"leaf"`` and whose `leaf_value`
        (before calibration, in log-odds of the training rows as sampled) is what the tree adds
        to the raw score. A tree that is only a leaf has only that line.

    Raises
    ------
    InputError
        If there is no such tree.
    ValueError
        If `row` is not exactly one row.
    FeatureMismatchError, NotNumericError, MissingValuesError
        As the model's own scores.

    Notes
    -----
    Only the tree asked for is written out, never the whole model. A missing value goes where
    training sent it, which is yes or no and not always what the condition would say.
    """
    if len(row) != 1:
        raise ValueError(f"A path belongs to one row; {len(row)} were given.")
    trees = models.booster(model)
    if not 0 <= tree < trees.num_trees():
        raise InputError(
            f"There is no tree {tree}.", f"Give a number from 0 to {trees.num_trees() - 1}."
        )
    face = scorer(model)
    dumped = trees.dump_model(num_iteration=1, start_iteration=tree)
    steps, leaf_value = walk(face, face.encode(row)[0], dumped["tree_info"][0]["tree_structure"])
    unseen = face.unseen(row)
    steps = [(f, condition, unseen.get(f, value), went) for f, condition, value, went in steps]
    lines = [(*step, np.nan) for step in steps] + [("leaf", "", None, "", leaf_value)]
    table = pd.DataFrame(lines, columns=["feature", "condition", "value", "went", "leaf_value"])
    table["value"] = pd.Series([line[2] for line in lines], dtype=object)
    table.insert(0, "step", range(1, len(table) + 1))
    return table


def walk(scorer: Scorer, values: Floats, node: dict[str, Any]) -> tuple[list[Step], float]:
    """Go down one dumped tree; give the decisions taken and the leaf's value.

    Parameters
    ----------
    scorer
        Names the features and their categories.
    values
        The encoded row, shape ``(n_features,)``.
    node
        LightGBM's ``tree_structure``.
    """
    steps: list[Step] = []
    while "leaf_value" not in node:
        i = int(node["split_feature"])
        feature, value = scorer.features[i], float(values[i])
        is_yes = _is_left(node, value)
        shown = decoded(scorer, feature, value)
        steps.append((feature, _condition(scorer, feature, node), shown, "yes" if is_yes else "no"))
        node = node["left_child"] if is_yes else node["right_child"]
    return steps, float(node["leaf_value"])


def _is_left(node: dict[str, Any], value: float) -> bool:
    """Decide as LightGBM does, missing values and categories included."""
    if node["decision_type"] == "==":
        codes = {int(code) for code in str(node["threshold"]).split("||")}
        return not np.isnan(value) and value >= 0 and int(value) in codes
    kind = node["missing_type"]
    if np.isnan(value) and kind != "NaN":
        value = 0.0
    if np.isnan(value) or (kind == "Zero" and abs(value) <= _ZERO):
        return bool(node["default_left"])
    return value <= float(node["threshold"])


def _condition(scorer: Scorer, feature: str, node: dict[str, Any]) -> str:
    if node["decision_type"] != "==":
        return f"at most {number(float(node['threshold']), 4)}"
    codes = [float(code) for code in str(node["threshold"]).split("||")]
    names = [str(decoded(scorer, feature, code)) for code in codes]
    return f"one of {', '.join(names)}" if len(names) > 1 else f"{names[0]}"


def _shuffled(scorer: Scorer, values: Floats, seed: int) -> Floats:
    """Shuffle one column at a time, a few times, and measure how far the scores move."""
    rng = np.random.default_rng(seed)
    before = scorer.odds(values)
    moved = np.zeros(values.shape[1])
    for i in range(values.shape[1]):
        for _ in range(_SHUFFLES):
            trial = values.copy()
            trial[:, i] = rng.permutation(trial[:, i])
            moved[i] += np.abs(scorer.odds(trial) - before).mean() / _SHUFFLES
    return moved


def _partial(scorer: Scorer, rows: Floats, places: list[int]) -> Floats:
    """Give centred partial dependence at the rows' own values, in log-odds."""
    n = len(rows)
    trials = np.tile(rows, (n, 1))
    trials[:, places] = np.repeat(rows[:, places], n, axis=0)
    found = scorer.odds(trials).reshape(n, n).mean(axis=1)
    return np.asarray(found - found.mean(), dtype=np.float64)
