"""May this challenger be promoted? Every rule with its sentence and its evidence."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import isnan
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from hitl import models
from hitl.errors import EmptyDataError
from hitl.fairness import wilson
from hitl.models import Model

Flags = NDArray[np.bool_]

COMPARISON_COLUMNS = ("champion", "challenger", "difference", "low", "high")
LOSS_TOLERANCE = 0.02
RANK_TOLERANCE = 0.01
FINEST = 0.001
"""Smallest difference in average precision that a sentence names."""
KEEP_VERDICTS = "Known frauds stay caught"
REFITS = 5
UNMEASURED = "The difference in average precision could not be measured."
NEAREST = 16
"""How many of the known frauds nearest to the reviewed rows the evidence looks at closely."""


@dataclass(frozen=True)
class Gate:
    """One rule of promotion: passed or not, in one sentence, with the numbers behind it.

    Parameters
    ----------
    name
        What the rule is about, in a few words.
    passed
        Whether the challenger may be promoted as far as this rule goes.
    sentence
        What was found, with the limit it was held against.
    evidence
        The numbers of the sentence and more; plain values that can be written as JSON.
    """

    name: str
    passed: bool
    sentence: str
    evidence: dict[str, Any]


def another_model(champion: Model, challenger: Model) -> Gate:
    """Refuse to compare a model with itself.

    Parameters
    ----------
    champion, challenger
        The two models.

    Returns
    -------
    Gate
        Passed when text, calibration or threshold differ.
    """
    differs = champion.model_id != challenger.model_id
    names = f"{challenger.model_id} and the champion {champion.model_id}"
    sentence = f"{names} are {'two models' if differs else 'one and the same model'}."
    evidence = {"champion": champion.model_id, "challenger": challenger.model_id}
    return Gate("Another model", differs, sentence, evidence)


def keep_verdicts(
    champion: Model,
    challenger: Model,
    known_frauds: pd.DataFrame,
    *,
    churn_lost: float | Sequence[int],
    reviewed: pd.DataFrame,
    tolerance: float = LOSS_TOLERANCE,
    label: str = "Class",
) -> Gate:
    """Check that known frauds which the champion catches stay caught.

    Parameters
    ----------
    champion, challenger
        The two models.
    known_frauds
        Rows known to be positive: those of training and of the locked test set.
    churn_lost
        How many of them an uninformative refit loses: what `churn` returned, or the loss of each
        refit as `churn_refits` returned it.
    reviewed
        Rows people decided, with their label; needed to name the cause of a loss.
    tolerance
        Share of the caught frauds, in ``[0, 1]``, that may be lost on top.
    label
        Column of 0 and 1 in `reviewed`.

    Returns
    -------
    Gate
        Passed when at most ``churn_lost + tolerance * caught`` are lost. The sentence of a
        blocked gate names the cause. The evidence lists the lost rows' positions, each refit's
        loss, and how many of the 16 caught frauds nearest to the reviewed rows are lost.

    Raises
    ------
    EmptyDataError
        If there are no known frauds.

    Notes
    -----
    A loss means nothing by itself: training again on a resample of the same rows loses some too.
    LightGBM's ``min_data_in_leaf`` counts rows, not weights. A few heavy rows are too few for a
    leaf of their own, so they share one with the frauds next to them and pull its value down;
    copies of the same rows get their own leaf.
    """
    if not len(known_frauds):
        raise EmptyDataError("There are no known frauds to keep.", "Name the labelled rows.")
    each = [float(n) for n in np.atleast_1d(np.asarray(churn_lost, dtype=float))]
    caught = models.flagged(champion, known_frauds)
    lost = caught & ~models.flagged(challenger, known_frauds)
    chance = float(np.mean(each))
    limit = chance + tolerance * float(caught.sum())
    passed = bool(lost.sum() <= limit)
    legitimate = reviewed[reviewed[label] == 0]
    shares = _shared_leaves(champion, challenger, known_frauds, legitimate, caught, lost)
    near = _nearest(champion, known_frauds, legitimate, caught)
    evidence = {
        "known": len(known_frauds),
        "caught": int(caught.sum()),
        "lost": int(lost.sum()),
        "gained": int((~caught & models.flagged(challenger, known_frauds)).sum()),
        "limit": limit,
        "churn": chance,
        "churn_refits": each,
        "tolerance": tolerance,
        "lost_rows": np.flatnonzero(lost).tolist(),
        "nearest": len(near),
        "nearest_lost": int(lost[near].sum()),
        **shares,
    }
    cause = "" if passed else _cause(challenger, evidence)
    return Gate(KEEP_VERDICTS, passed, _kept_sentence(evidence) + cause, evidence)


def reviewed_repaired(challenger: Model, reviewed: pd.DataFrame, label: str = "Class") -> Gate:
    """Check that the challenger gives every reviewed row its label.

    Parameters
    ----------
    challenger
        The model to promote.
    reviewed
        Rows people decided. Where it has the columns ``decided_positive`` (what people said) and
        ``instance_id``, decisions that their outcome overruled are counted.
    label
        Column of 0 and 1: the outcome where it has arrived, else the decision.

    Returns
    -------
    Gate
        Passed when each reviewed row is flagged exactly if its label is 1. The evidence lists the
        instance ids of overruled decisions.
    """
    wanted = reviewed[label].to_numpy() == 1
    probability = models.probabilities(challenger, reviewed)
    wrong = (probability >= challenger.threshold) != wanted
    right = len(wrong) - int(wrong.sum())
    overruled = _overruled(reviewed, label)
    evidence = {
        "reviewed": len(wrong),
        "right": right,
        "wrong_rows": np.flatnonzero(wrong).tolist(),
        "overruled": overruled,
        "probabilities": probability.tolist(),
        "threshold": challenger.threshold,
    }
    sentence = _repaired_sentence(wrong, wanted, len(overruled))
    return Gate("Reviewed rows repaired", not wrong.any(), sentence, evidence)


def not_worse(comparison: pd.DataFrame) -> Gate:
    """Check that the challenger does not rank the locked test rows worse.

    Parameters
    ----------
    comparison
        What `hitl.evaluation.compare` returned.

    Returns
    -------
    Gate
        Blocked when average precision at natural prevalence falls by more than 0.01 and the whole
        95 % interval of the difference lies below 0, or when it could not be measured.

    Raises
    ------
    EmptyDataError
        If the table lacks that line.

    Notes
    -----
    Average precision does not depend on a threshold. The sentence says how large a fall the test
    rows cannot rule out, because on few frauds "not shown to be worse" is not "as good".
    """
    natural = comparison[comparison["test_set"] == "natural"].set_index("metric")
    if "average_precision" not in natural.index:
        raise EmptyDataError(
            "The comparison has no average precision at natural prevalence.",
            "Compare the two models again.",
        )
    line = {name: float(natural[name]["average_precision"]) for name in COMPARISON_COLUMNS}
    measured = not isnan(line["high"])
    passed = measured and (line["high"] >= 0 or line["difference"] >= -RANK_TOLERANCE)
    sentence = _ranking_sentence(line) if measured else UNMEASURED
    evidence = {name: None if isnan(value) else value for name, value in line.items()}
    return Gate("Ranks no worse", passed, sentence, evidence)


def false_alarms(
    challenger: Model,
    legitimate: pd.DataFrame,
    weight: str | None,
    budget: float,
    champion: Model,
) -> Gate:
    """Check that false alarms stay within the budget or the champion's own share.

    Parameters
    ----------
    challenger, champion
        The two models.
    legitimate
        Locked rows known to be negative.
    weight
        Column saying how many original rows a row stands for; 1 when absent.
    budget
        Share of legitimate rows that may be flagged, in ``(0, 1)``.

    Returns
    -------
    Gate
        Blocked when the 95 % interval of the challenger's share lies above both the budget and
        the champion's share. Shares are weighted; the interval uses the number of rows that are
        there.

    Raises
    ------
    EmptyDataError
        If there are no rows.
    """
    if not len(legitimate):
        raise EmptyDataError("There are no legitimate rows to test on.", "Name the test rows.")
    weighted = weight is not None and weight in legitimate.columns
    weights = legitimate[weight].to_numpy(dtype=float) if weighted else np.ones(len(legitimate))
    before, after = (models.flagged(model, legitimate) for model in (champion, challenger))
    old, new = (float(np.average(flags, weights=weights)) for flags in (before, after))
    low, high = wilson(new * len(legitimate), len(legitimate))
    allowed = max(budget, old)
    passed = low <= allowed
    sentence = (
        f"{int(after.sum())} of {len(legitimate):,} legitimate rows are flagged, {new:.3%} "
        f"({low:z.3%} to {high:.3%}); allowed is {allowed:.3%}."
    )
    if passed and high > allowed:
        sentence += " More rows are needed to be sure that it stays within."
    evidence = {
        "rows": len(legitimate),
        "flagged": int(after.sum()),
        "champion_flagged": int(before.sum()),
        "share": new,
        "low": low,
        "high": high,
        "champion_share": old,
        "budget": budget,
        "newly_flagged_rows": np.flatnonzero(after & ~before).tolist(),
    }
    return Gate("False alarms within budget", passed, sentence, evidence)


def churn_refits(
    champion: Model,
    rows: pd.DataFrame,
    known_frauds: pd.DataFrame,
    *,
    label: str = "Class",
    weight: str | None = None,
    seed: int = 0,
    refits: int = REFITS,
) -> tuple[int, ...]:
    """Count the known frauds that each of several uninformative refits loses.

    Parameters
    ----------
    champion
        The model whose verdicts are watched.
    rows
        The labelled rows it was trained on.
    known_frauds
        Rows known to be positive.
    label, weight
        Columns of `rows`, as in `hitl.models.fit`.
    seed
        Decides the resamples.
    refits
        How many times to train, at least 1.

    Returns
    -------
    tuple
        One count per refit: frauds the champion catches and that refit does not.

    Raises
    ------
    ValueError
        If `refits` is below 1.

    Notes
    -----
    Each refit trains from scratch on a bootstrap of the same rows, drawn within each class, with
    the champion's parameters, calibration and threshold: it has nothing new to learn.
    """
    if refits < 1:
        raise ValueError(f"refits is {refits}; at least one is needed.")
    caught = models.flagged(champion, known_frauds)
    losses = []
    for number in range(refits):
        drawn = _resample(rows, label, np.random.default_rng([seed, number]))
        again = models.refit(champion, drawn, label=label, weight=weight, seed=seed + number)
        losses.append(int((caught & ~models.flagged(again, known_frauds)).sum()))
    return tuple(losses)


def churn(
    champion: Model,
    rows: pd.DataFrame,
    known_frauds: pd.DataFrame,
    *,
    label: str = "Class",
    weight: str | None = None,
    seed: int = 0,
    refits: int = REFITS,
) -> float:
    """Give the mean number of known frauds that an uninformative refit loses.

    Parameters
    ----------
    champion, rows, known_frauds, label, weight, seed, refits
        As for `churn_refits`.

    Returns
    -------
    float
        At least 0.

    Raises
    ------
    ValueError
        If `refits` is below 1.
    """
    losses = churn_refits(
        champion, rows, known_frauds, label=label, weight=weight, seed=seed, refits=refits
    )
    return float(np.mean(losses))


def all_gates(
    champion: Model,
    challenger: Model,
    *,
    rows: pd.DataFrame,
    known_frauds: pd.DataFrame,
    reviewed: pd.DataFrame,
    comparison: pd.DataFrame,
    legitimate: pd.DataFrame,
    label: str = "Class",
    weight: str | None = None,
    budget: float = 0.001,
    tolerance: float = LOSS_TOLERANCE,
    seed: int = 0,
    refits: int = REFITS,
) -> tuple[Gate, ...]:
    """Hold a challenger against every rule.

    Parameters
    ----------
    champion, challenger
        The two models.
    rows
        The rows the champion was trained on; the churn refits resample them.
    known_frauds, reviewed, tolerance
        As for `keep_verdicts`.
    comparison
        As for `not_worse`.
    legitimate, weight, budget
        As for `false_alarms`.
    label
        Column of 0 and 1 in `rows` and `reviewed`.
    seed, refits
        As for `churn_refits`.

    Returns
    -------
    tuple
        Five gates, in the order in which a page shows them.

    Raises
    ------
    EmptyDataError
        If there are no known frauds, no legitimate rows or no comparison.
    """
    losses = churn_refits(
        champion, rows, known_frauds, label=label, weight=weight, seed=seed, refits=refits
    )
    return (
        another_model(champion, challenger),
        reviewed_repaired(challenger, reviewed, label),
        keep_verdicts(
            champion,
            challenger,
            known_frauds,
            churn_lost=losses,
            reviewed=reviewed,
            tolerance=tolerance,
            label=label,
        ),
        not_worse(comparison),
        false_alarms(challenger, legitimate, weight, budget, champion),
    )


def passed(gates: Sequence[Gate]) -> bool:
    """Say whether every gate is passed; no gate at all is not a pass.

    Parameters
    ----------
    gates
        What `all_gates` returned.

    Returns
    -------
    bool
        True only if there is a gate and none is blocked.

    Examples
    --------
    >>> passed([Gate("a", True, "", {}), Gate("b", False, "", {})]), passed([])
    (False, False)
    """
    return bool(gates) and all(gate.passed for gate in gates)


def _resample(rows: pd.DataFrame, label: str, rng: np.random.Generator) -> pd.DataFrame:
    truth = rows[label].to_numpy()
    sides = [np.flatnonzero(truth == value) for value in np.unique(truth)]
    drawn = np.concatenate([rng.choice(side, len(side)) for side in sides])
    return rows.iloc[np.sort(drawn)]


def _shared_leaves(
    champion: Model,
    challenger: Model,
    frauds: pd.DataFrame,
    legitimate: pd.DataFrame,
    caught: Flags,
    lost: Flags,
) -> dict[str, float | None]:
    """Give the share of (fraud, new tree) pairs in which the fraud meets a reviewed row."""
    if not len(legitimate) or not lost.any():
        return {"shared_leaves_lost": None, "shared_leaves_kept": None}
    continued = challenger.card.get("method") == "continue"
    first = models.leaves(champion, legitimate).shape[1] if continued else 0
    ours = models.leaves(challenger, legitimate)[:, first:]
    theirs = models.leaves(challenger, frauds)[:, first:]
    meets = np.stack([np.isin(theirs[:, t], ours[:, t]) for t in range(ours.shape[1])], axis=1)
    kept = caught & ~lost
    return {
        "shared_leaves_lost": float(meets[lost].mean()),
        "shared_leaves_kept": float(meets[kept].mean()) if kept.any() else None,
    }


def _nearest(
    champion: Model, frauds: pd.DataFrame, legitimate: pd.DataFrame, caught: Flags
) -> NDArray[np.intp]:
    """Find the caught frauds closest to a reviewed row, each feature in units of its own spread."""
    rows = np.flatnonzero(caught)
    if not len(legitimate) or not len(rows):
        return rows[:0]
    columns = list(champion.features)
    values = frauds[columns].to_numpy(dtype=float)
    spread = values.std(axis=0)
    scale = np.where(spread > 0, spread, 1.0)
    ours, theirs = legitimate[columns].to_numpy(dtype=float) / scale, values[rows] / scale
    closest = np.full(len(rows), np.inf)
    for row in ours:
        closest = np.minimum(closest, np.sqrt(((theirs - row) ** 2).sum(axis=1)))
    return rows[np.argsort(closest, kind="stable")[:NEAREST]]


def _overruled(reviewed: pd.DataFrame, label: str) -> list[str]:
    """List the instances whose outcome says otherwise than people did."""
    if not {"decided_positive", "instance_id"} <= set(reviewed.columns):
        return []
    decided = reviewed["decided_positive"]
    differs = decided.notna() & (decided.eq(True) != reviewed[label].eq(1))
    return [str(instance_id) for instance_id in reviewed.loc[differs, "instance_id"]]


def _repaired_sentence(wrong: Flags, wanted: Flags, overruled: int) -> str:
    sentence = (
        f"{int((~wrong).sum())} of {len(wrong)} reviewed rows get their label (the outcome where "
        "it has arrived, else the decision)."
    )
    flagged, missed = int((wrong & ~wanted).sum()), int((wrong & wanted).sum())
    sides = [f"{flagged} labelled legitimate {_be(flagged)} still flagged"] if flagged else []
    sides += [f"{missed} labelled fraud {_be(missed)} still missed"] if missed else []
    sentence += f" {' and '.join(sides)}." if sides else ""
    if overruled:
        noun, verb = ("decision", "was") if overruled == 1 else ("decisions", "were")
        sentence += f" {overruled} {noun} {verb} overruled by the outcome."
    return sentence


def _be(n: int) -> str:
    return "is" if n == 1 else "are"


def _kept_sentence(evidence: dict[str, Any]) -> str:
    return (
        f"{evidence['lost']} of {evidence['caught']} known frauds the champion catches would be "
        f"lost; allowed are {evidence['limit']:.1f}, of which retraining alone loses "
        f"{evidence['churn']:.1f}."
    )


def _ranking_sentence(line: dict[str, float]) -> str:
    if line["high"] < 0:
        small = line["difference"] >= -RANK_TOLERANCE
        verdict = "a fall beyond chance" + (f", within {RANK_TOLERANCE:g}" if small else "")
    elif line["low"] > 0:
        verdict = "a rise beyond chance"
    else:
        verdict = f"a fall of more than {max(-line['low'], FINEST):.3f} is ruled out"
    return (
        f"Average precision goes from {line['champion']:.3f} to {line['challenger']:.3f} "
        f"(difference {_signed(line['low'])} to {_signed(line['high'])}): {verdict}."
    )


def _cause(challenger: Model, evidence: dict[str, Any]) -> str:
    lost, kept = evidence["shared_leaves_lost"], evidence["shared_leaves_kept"] or 0.0
    if lost is None or lost <= kept:
        return " They share no more leaves with the reviewed rows than the kept ones do."
    sentence = (
        f" The cause: in {lost:.0%} of the new trees a lost fraud shares its leaf with a reviewed "
        f"row (a kept one in {kept:.0%})."
    )
    if challenger.card.get("sample_weight", 1.0) > 1:
        sentence += (
            " min_data_in_leaf counts rows, not weights, so a few heavy rows find no leaf of "
            "their own and pull the frauds beside them down; copies would get one."
        )
    return sentence


def _signed(value: float) -> str:
    written = f"{value:+.3f}".replace("-", "−")
    return written if written[1:] != "0.000" else "0.000"
