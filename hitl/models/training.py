"""Train a model from rows, continue it with reviewed rows, or refit it the naive ways."""

from collections.abc import Callable, Collection, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from hitl.errors import DivergedModelError, InputError, NothingToLearnError
from hitl.models.artefact import Model, text_name
from hitl.models.calibration import platt, threshold_for
from hitl.models.cards import average_precision, budget_card, card_of
from hitl.models.encoding import UNSEEN, encoded
from hitl.models.scoring import booster, flagged, sigmoid
from hitl.models.tables import Table, joined, table_of

if TYPE_CHECKING:
    from lightgbm import Booster

Floats = npt.NDArray[np.float64]
Progress = Callable[[int, int, str], None]

THREADS = 2
DEFAULT_PARAMETERS: dict[str, float] = {"learning_rate": 0.05, "num_leaves": 15, "lambda_l2": 10.0}
FIXED_PARAMETERS: dict[str, Any] = {
    "objective": "binary",
    "deterministic": True,
    "force_row_wise": True,
    "num_threads": 1,
    "verbosity": -1,
}
"""One thread: on a busy machine LightGBM's threads wait for each other ten times longer than
they work. Folds run side by side instead."""

FREE_PARAMETERS = frozenset(
    [
        *("learning_rate", "num_leaves", "max_depth", "max_bin", "max_delta_step"),
        *("lambda_l1", "lambda_l2", "path_smooth", "extra_trees", "boost_from_average"),
        *("min_data_in_bin", "min_data_in_leaf", "min_sum_hessian_in_leaf", "min_gain_to_split"),
        *("feature_fraction", "bagging_fraction", "bagging_freq"),
        *("is_unbalance", "scale_pos_weight"),
        *("cat_smooth", "cat_l2", "max_cat_to_onehot", "max_cat_threshold", "min_data_per_group"),
    ]
)
FOLDS = 5
RAW_LIMIT = 30.0
AP_SHARE = 0.8
_SAFE = {"learning_rate": 0.05, "num_leaves": 7, "lambda_l2": 10.0}
_SAFE_ROUNDS = 50
_BIN_SAMPLE = 200_000
"""Rows LightGBM looks at to learn what a column holds; a gap outside them would count as 0."""


def fit(
    rows: pd.DataFrame,
    *,
    features: tuple[str, ...],
    categorical: Collection[str] = (),
    label: str = "Class",
    weight: str | None = None,
    seed: int = 0,
    budget: float = 0.001,
    parameters: Mapping[str, Any] | None = None,
    rounds: int = 200,
) -> Model:
    """Train, calibrate and set the threshold of a new model.

    Parameters
    ----------
    rows
        Labelled rows.
    features
        Columns to learn from: finite numbers, or categories. Values may be missing; the model
        then accepts missing values in that column, and only there.
    categorical
        Those of the features whose values are names, at most 50 different ones each.
    label
        Column of 0 and 1; 1 is what the model looks for.
    weight
        Column saying how many original rows a row stands for. Calibration, threshold and
        average precision use it; the trees do not. Without it, or without that column, 1.
    seed
        Makes training and folds repeatable: same rows and seed, same text.
    budget
        Share of legitimate rows that may be flagged, in ``(0, 1)``.
    parameters
        LightGBM parameters by their full names, instead of `DEFAULT_PARAMETERS`.
    rounds
        Number of trees, at least 1.

    Returns
    -------
    Model
        With a card: parameters, versions, counts, guard figures, quantiles and probe.

    Raises
    ------
    DataError
        If the rows cannot be used; `TooFewLabelsError` if a class has fewer than two rows.
    InputError
        If budget, rounds, a weight or a parameter cannot be used.
    DivergedModelError
        If training ran away or learned nothing.

    Notes
    -----
    With rare positives and no ``lambda_l2`` the leaf values are unbounded: LightGBM's own
    defaults reach an average precision of 0.15 on card data instead of 0.74.

    References
    ----------
    Ke et al. (2017), LightGBM: a highly efficient gradient boosting decision tree.
    """
    _check_options(budget, rounds, parameters)
    strange = [name for name in categorical if name not in features]
    if strange:
        raise InputError(f"{strange[0]!r} is no feature.", "Name categorical features only.")
    table = table_of(rows, features, label, weight, categorical)
    settings = DEFAULT_PARAMETERS | dict(parameters or {})
    trees = _train(table, settings, rounds, seed)
    raw = _raw(trees, table.values)
    _refuse_diverged(table, raw, rounds, seed)
    unseen = _out_of_fold(table, settings, rounds, seed)
    slope, intercept = platt(unseen, table.truth, table.weight)
    legit = table.truth == 0
    odds = slope * unseen[legit] + intercept
    found = threshold_for(sigmoid(odds), table.weight[legit], budget)
    card = card_of(table, raw, "fit", None, settings, rounds, seed, weight)
    card |= budget_card(found, budget)
    text = trees.model_to_string(num_iteration=-1)
    return Model(text, features, slope, intercept, found.threshold, card, table.categories)


def extend(
    champion: Model,
    rows: pd.DataFrame,
    reviewed: pd.DataFrame,
    *,
    label: str = "Class",
    weight: str | None = None,
    copies: int = 20,
    step: int = 10,
    max_rounds: int = 100,
    seed: int = 0,
    progress: Progress | None = None,
) -> Model:
    """Continue the champion with reviewed rows until their verdicts are right.

    Parameters
    ----------
    champion
        The model whose trees are kept.
    rows
        The rows it was trained on.
    reviewed
        Rows people decided; `label` holds the decided class.
    label, weight
        Columns, as in `fit`.
    copies
        How often each reviewed row enters training. Copies, not weights: LightGBM's smallest
        leaf counts rows, so heavy rows end in one leaf with the positives around them.
    step
        Trees added between two looks at the reviewed rows.
    max_rounds
        Most trees to add; at least one step is always added.
    seed
        Makes training repeatable.
    progress
        Called as ``progress(done, total, sentence)`` after every step.

    Returns
    -------
    Model
        Calibration and threshold are the champion's. The card says how many rounds were added
        and whether every reviewed row is repaired.

    Raises
    ------
    NothingToLearnError
        If there are no reviewed rows.
    InputError
        If copies, step or max_rounds is below 1.
    DivergedModelError
        If scores ran away.
    """
    for name, number in (("copies", copies), ("step", step), ("max_rounds", max_rounds)):
        if number < 1:
            raise InputError(f"{name} is {number}.", "Give a whole number of at least 1.")
    if not len(reviewed):
        raise NothingToLearnError("There are no reviewed rows.", "Decide some cases first.")
    both = joined(rows, reviewed, copies, weight)
    table = table_of(both, champion.features, label, weight, champion=champion)
    wanted = reviewed[label].to_numpy() == 1
    watch = _Watch(champion, reviewed, wanted, step, max_rounds, progress)
    trees = _train(table, champion.card["parameters"], max_rounds, seed, champion, watch)
    added = trees.num_trees() - booster(champion).num_trees()
    challenger = _derived(champion, trees, table, "continue", added, seed, weight)
    repaired = bool((flagged(challenger, reviewed) == wanted).all())
    extra = {"added_rounds": added, "repaired": repaired, "copies": copies}
    return replace(challenger, card=challenger.card | extra | {"reviewed_rows": len(reviewed)})


def refit(
    champion: Model,
    rows: pd.DataFrame,
    reviewed: pd.DataFrame | None = None,
    *,
    label: str = "Class",
    weight: str | None = None,
    copies: int = 1,
    sample_weight: float = 1.0,
    seed: int = 0,
) -> Model:
    """Train again from scratch, as one would without knowing better.

    Parameters
    ----------
    champion
        Gives parameters, number of trees, calibration and threshold.
    rows
        Rows to train on; a bootstrap of the champion's rows shows what retraining alone changes.
    reviewed
        Rows to add; may be absent.
    label, weight
        Columns, as in `fit`.
    copies
        How often each reviewed row is added.
    sample_weight
        Weight of each reviewed row in training.
    seed
        Makes training repeatable.

    Returns
    -------
    Model
        With the champion's calibration and threshold.

    Raises
    ------
    DataError, DivergedModelError
        As `fit`.
    InputError
        If copies is below 1 or the weight not above 0.
    """
    if copies < 1 or not sample_weight > 0:
        raise InputError(
            f"copies is {copies} and sample_weight {sample_weight}.",
            "Give at least one copy and a weight above 0.",
        )
    extra = 0 if reviewed is None else len(reviewed) * copies
    added = rows if reviewed is None else joined(rows, reviewed, copies, weight)
    table = table_of(added, champion.features, label, weight, champion=champion)
    plain = len(table.truth) - extra
    training = np.r_[np.ones(plain), np.full(extra, sample_weight)] if sample_weight != 1 else None
    rounds = int(champion.card["rounds"])
    trees = _train(table, champion.card["parameters"], rounds, seed, training_weight=training)
    challenger = _derived(champion, trees, table, "refit", 0, seed, weight)
    reviewed_rows = 0 if reviewed is None else len(reviewed)
    how = {"copies": copies, "sample_weight": sample_weight, "reviewed_rows": reviewed_rows}
    return replace(challenger, card=challenger.card | how)


@dataclass(eq=False)
class _Watch:
    """LightGBM callback: look at the reviewed rows every few trees, stop when all are right."""

    champion: Model
    reviewed: pd.DataFrame
    wanted: npt.NDArray[np.bool_]
    step: int
    total: int
    progress: Progress | None

    def __post_init__(self) -> None:
        self.values = encoded(self.champion, self.reviewed)

    def __call__(self, env: Any) -> None:
        done = env.iteration - env.begin_iteration + 1
        if done % self.step and done != self.total:
            return
        odds = self.champion.slope * _raw(env.model, self.values) + self.champion.intercept
        wrong = int(((sigmoid(odds) >= self.champion.threshold) != self.wanted).sum())
        if self.progress is not None:
            said = f"{done} trees added, {wrong} of {len(self.wanted)} reviewed rows still wrong"
            self.progress(done, self.total, said)
        if not wrong:
            from lightgbm import EarlyStopException

            raise EarlyStopException(env.iteration, [])


def _train(
    table: Table,
    parameters: Mapping[str, Any],
    rounds: int,
    seed: int,
    champion: Model | None = None,
    watch: _Watch | None = None,
    training_weight: Floats | None = None,
) -> "Booster":
    import lightgbm

    settings = FIXED_PARAMETERS | dict(parameters) | {"seed": seed}
    names = [text_name(feature) for feature in table.features]
    values = table.values
    described: dict[str, Any] = {"feature_name": names}
    if table.categories:
        named = [i for i, feature in enumerate(table.features) if feature in table.categories]
        described["categorical_feature"] = named
        values = values.copy()
        values[:, named] = np.where(values[:, named] == UNSEEN, np.nan, values[:, named])
    if len(values) > _BIN_SAMPLE and np.isnan(values).any():
        settings["bin_construct_sample_cnt"] = len(values)
    rows = lightgbm.Dataset(
        values, table.truth, weight=training_weight, params=settings, **described
    )
    start = None if champion is None else booster(champion)
    callbacks: list[Any] = [] if watch is None else [watch]
    return lightgbm.train(
        settings, rows, num_boost_round=rounds, init_model=start, callbacks=callbacks
    )


def _raw(trees: "Booster", values: Floats) -> Floats:
    return np.asarray(
        trees.predict(values, raw_score=True, num_iteration=-1, num_threads=1), dtype=np.float64
    )


def _out_of_fold(table: Table, parameters: Mapping[str, Any], rounds: int, seed: int) -> Floats:
    """Score every row by a model that has not seen it."""
    from sklearn.model_selection import StratifiedKFold

    folds = min(FOLDS, int(min(table.truth.sum(), (1 - table.truth).sum())))
    split = StratifiedKFold(folds, shuffle=True, random_state=seed)
    parts = list(split.split(table.values, table.truth))

    def outside_scores(part: tuple[Any, Any]) -> Floats:
        inside, outside = part
        seen = replace(table, values=table.values[inside], truth=table.truth[inside])
        return _raw(_train(seen, parameters, rounds, seed), table.values[outside])

    unseen = np.zeros(len(table.truth))
    with ThreadPoolExecutor(THREADS) as pool:
        for (_, outside), found in zip(parts, pool.map(outside_scores, parts), strict=True):
            unseen[outside] = found
    return unseen


def _refuse_diverged(table: Table, raw: Floats, rounds: int, seed: int) -> None:
    _refuse_far(raw)
    safe = _train(table, _SAFE, min(rounds, _SAFE_ROUNDS), seed)
    reached = average_precision(table, raw)
    reference = average_precision(table, _raw(safe, table.values))
    if reached < AP_SHARE * reference:
        raise DivergedModelError(
            f"On its own training rows the model reaches an average precision of {reached:.3f}; "
            f"a small model with lambda_l2 = 10 reaches {reference:.3f}.",
            "Training ran away or was held back: raise lambda_l2, or keep the default parameters.",
        )


def _refuse_far(raw: Floats) -> None:
    far = float(np.max(np.abs(raw)))
    if not far <= RAW_LIMIT:
        raise DivergedModelError(
            f"The largest raw score is {far:,.0f}; above {RAW_LIMIT:g} scores mean nothing "
            "(30 is odds of ten million million to one).",
            "Training ran away: raise lambda_l2, or keep the default parameters.",
        )


def _derived(
    champion: Model,
    trees: "Booster",
    table: Table,
    method: str,
    added: int,
    seed: int,
    weight: str | None,
) -> Model:
    """Make a challenger that keeps the champion's calibration and threshold."""
    raw = _raw(trees, table.values)
    _refuse_far(raw)
    rounds = int(champion.card["rounds"]) + added
    parameters = champion.card["parameters"]
    card = card_of(table, raw, method, champion.model_id, parameters, rounds, seed, weight)
    kept = ("budget", "expected_false_alarms", "threshold_rows", "threshold_sentence", "quantiles")
    card |= {name: champion.card[name] for name in kept if name in champion.card}
    return replace(champion, text=trees.model_to_string(num_iteration=-1), card=card)


def _check_options(budget: float, rounds: int, parameters: Mapping[str, Any] | None) -> None:
    if not 0 < budget < 1:
        raise InputError(f"The false-alarm budget is {budget}.", "Give a share between 0 and 1.")
    if rounds < 1:
        raise InputError(f"rounds is {rounds}.", "Give a whole number of at least 1.")
    for name in parameters or {}:
        if name not in FREE_PARAMETERS:
            raise InputError(
                f"{name!r} cannot be set.", f"Choose among: {', '.join(sorted(FREE_PARAMETERS))}."
            )
