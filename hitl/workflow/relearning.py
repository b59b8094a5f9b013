"""Retrain from labels, compare old and new, promote, roll back."""

import json
import uuid
from collections.abc import Callable, Mapping
from typing import Any

import pandas as pd

from hitl import evaluation, gates, models
from hitl.errors import (
    BlockedPromotionError,
    InputError,
    NothingToLearnError,
    StaleChallengerError,
)
from hitl.store import Store, Work
from hitl.workflow import journal, people
from hitl.workflow.catalogue import Stored, add_model, champion, stored
from hitl.workflow.materials import Materials
from hitl.workflow.people import Person
from hitl.workflow.streaming import fit_detector
from hitl.workspaces import Workspace

COPIES = (20, 200)
"""How often a reviewed case is copied: more often where the first leaves one unrepaired."""

Progress = Callable[[float, str], None]
NEWEST = 2_000
"""Stream cases that are judged by both models, newest first."""


def _silent(share: float, sentence: str) -> None:
    del share, sentence


def retrain(
    store: Store,
    materials: Materials,
    *,
    seed: int,
    person: Person,
    now_ms: int,
    novelty_rate: float = 0.001,
    progress: Progress = _silent,
) -> str:
    """Train a challenger: continue the champion on the training rows and every label so far.

    Reviewed cases are copied, not weighted: 20 times, or 200 where that leaves one unrepaired.
    Trees are added until each reviewed case gets its label: the outcome where it has arrived, else
    the decision. As long as nobody has reviewed a case, there is nothing to repair: the champion's
    recipe is then trained again on all rows.

    Returns
    -------
    str
        The challenger's model id.

    Raises
    ------
    NothingToLearnError
        If there is no label the champion has not been trained on.
    NotAllowedError
        If the person's role may not.
    """
    people.check(person, "retrain")
    space = materials.workspace
    if store.view("new_labels", workspace=space.name, limit=1).empty:
        raise NothingToLearnError(
            "There is nothing new to learn.", "Decide a case first, or let outcomes arrive."
        )
    current = champion(store, space.name)
    labels = labelled_rows(store, materials).drop(columns="decided_positive")
    reviewed = labels[labels["is_reviewed"]]
    rows = pd.concat([materials.training, labels[~labels["is_reviewed"]]], ignore_index=True)
    model = _learn(materials, current.model, rows, reviewed, seed, progress)
    progress(0.4, "Learning what is known")
    known = pd.concat([rows, reviewed], ignore_index=True)
    detector = fit_detector(materials, known, seed=seed, rate=novelty_rate)

    def keep(work: Work) -> str:
        model_id = add_model(
            work, space.name, model, detector, trained_by=person.name, now_ms=now_ms
        )
        if work.view("training_labels", model_id=model_id, limit=1).empty:
            used = labels[["instance_id", "is_positive", "source"]]
            work.append("training_labels", used.assign(model_id=model_id, workspace=space.name))
            _note_use(work, space, reviewed["instance_id"].tolist(), model_id, person, now_ms)
        return model_id

    return store.write(keep)


def _note_use(
    work: Work,
    space: Workspace,
    cases: list[str],
    model_id: str,
    person: Person,
    now_ms: int,
) -> None:
    """Write into the history of each reviewed case that a model was trained on its label."""
    heads = work.view("case_heads", workspace=space.name).set_index("instance_id")["fence"]
    events = [
        journal.noted_at(
            case, int(heads[case]), "label used", person, now_ms=now_ms,
            event_id=f"{case}-used-{model_id}", model_id=model_id,
        )
        for case in cases
        if case in heads.index
    ]  # fmt: skip
    journal.record(work, space.name, events)


def _learn(
    materials: Materials,
    current: models.Model,
    rows: pd.DataFrame,
    reviewed: pd.DataFrame,
    seed: int,
    progress: Progress,
) -> models.Model:
    label, weight = materials.workspace.label_column, materials.workspace.weight_column
    if reviewed.empty:
        progress(0.1, f"Training again on {len(rows):,} rows")
        return models.refit(current, rows, label=label, weight=weight, seed=seed)
    progress(0.1, f"Adding trees for {len(reviewed)} reviewed cases")
    for copies in COPIES:
        model = models.extend(
            current,
            rows,
            reviewed,
            label=label,
            weight=weight,
            copies=copies,
            seed=seed,
            progress=lambda done, total, sentence: progress(0.1 + 0.3 * done / total, sentence),
        )
        if model.card["repaired"]:
            break
    return model


def labelled_rows(store: Store, materials: Materials) -> pd.DataFrame:
    """Read every label with its features, in the columns the training rows have.

    The label is the outcome where it has arrived, else the decision; ``decided_positive`` is what
    people decided, empty where nobody did or was sure.
    """
    space = materials.workspace
    found = store.view(
        "labelled_instances", workspace=space.name, order=("run", "step", "instance_id")
    )
    features = pd.DataFrame(
        [json.loads(text) for text in found["features"]], columns=list(space.features)
    )
    names = ["instance_id", "is_positive", "source", "is_reviewed", "decided_positive", "weight"]
    rows = pd.concat([features.astype(float), found[names]], axis=1)
    rows[space.label_column] = found["is_positive"].astype(int)
    rows[space.id_column] = -1 - pd.RangeIndex(len(rows))
    return rows.rename(columns={"weight": space.weight_column})


def compare(
    store: Store,
    materials: Materials,
    challenger_id: str,
    *,
    seed: int,
    now_ms: int,
    progress: Progress = _silent,
) -> dict[str, Any]:
    """Compare a challenger with the champion on the same locked test set and check every gate.

    Returns
    -------
    dict
        ``champion_id``, ``challenger_id``, ``metrics`` (balanced and natural, with paired
        intervals), ``calibration`` of both, ``changed`` (newly right and wrong test rows),
        ``gates`` with their evidence and ``is_passed``.
    """
    space = materials.workspace
    old, new = champion(store, space.name), stored(store, challenger_id)
    test = materials.test
    truth = test[space.label_column].to_numpy()
    weight = test[space.weight_column].to_numpy()
    progress(0.5, f"Scoring {len(test):,} test rows with both models")
    before, after = (models.probabilities(side.model, test) for side in (old, new))
    cuts = old.model.threshold, new.model.threshold
    metrics = evaluation.compare(truth, before, cuts[0], after, cuts[1], weight=weight, seed=seed)
    calibration = [
        evaluation.metrics(truth, probability, cut, weight=weight)["calibration"]
        for probability, cut in zip((before, after), cuts, strict=True)
    ]
    changed = evaluation.changed(
        truth, models.flagged(old.model, test), models.flagged(new.model, test)
    )
    changed["row"] = test[space.id_column].to_numpy()[changed["row_number"]]
    progress(0.7, "Checking that known verdicts are kept")
    checks = _gates(store, materials, old, new, metrics, seed)
    body = {
        "champion_id": old.model_id,
        "challenger_id": new.model_id,
        "metrics": json.loads(metrics.to_json(orient="records")),
        "calibration": dict(zip(("champion", "challenger"), calibration, strict=True)),
        "changed": json.loads(changed.to_json(orient="records")),
        "gates": [gate.__dict__ for gate in checks],
        "is_passed": gates.passed(checks),
        "test_rows": len(test),
        "test_positives": int(truth.sum()),
    }
    store.append("comparisons", [_comparison(space.name, body, now_ms)])
    progress(1.0, "Compared")
    return body


def _comparison(workspace: str, body: Mapping[str, Any], now_ms: int) -> dict[str, Any]:
    """Lay out a comparison as it is kept."""
    return {
        "comparison_id": f"c-{uuid.uuid4().hex[:12]}",
        "workspace": workspace,
        **{name: body[name] for name in ("champion_id", "challenger_id", "is_passed")},
        "body": json.dumps(body),
        "compared_ms": now_ms,
    }


def promote(
    store: Store, workspace: str, challenger_id: str, *, person: Person, reason: str, now_ms: int
) -> None:
    """Make a challenger the champion.

    Raises
    ------
    NotAllowedError
        If the person's role may not.
    InputError
        If no reason is given.
    BlockedPromotionError
        If it was not compared, or a gate is not passed.
    StaleChallengerError
        If it was compared with a model that is no longer the champion.
    """
    people.check(person, "promote")
    found = store.view("newest_comparisons", workspace=workspace, challenger_id=challenger_id)
    if found.empty:
        raise BlockedPromotionError(
            f"{challenger_id} has not been compared with the champion.", "Compare it first."
        )
    comparison = found.iloc[0]
    if not comparison["is_passed"]:
        failed = [g["sentence"] for g in json.loads(comparison["body"])["gates"] if not g["passed"]]
        raise BlockedPromotionError(
            f"{challenger_id} may not be promoted: {' '.join(failed)}",
            "Decide more cases like these and train again.",
        )

    def verb(work: Work) -> None:
        current = work.rows("champion_id", workspace)[0][0]
        if current != comparison["champion_id"]:
            raise StaleChallengerError(
                f"{challenger_id} was compared with {comparison['champion_id']}, "
                f"but the champion is {current} now.",
                "Train or compare again.",
            )
        _append_promotion(
            work, workspace, "promote", challenger_id, current, comparison["comparison_id"],
            person.name, reason, now_ms,
        )  # fmt: skip

    _reasoned(reason)
    store.write(verb)


def roll_back(store: Store, workspace: str, *, person: Person, reason: str, now_ms: int) -> str:
    """Put the champion's predecessor back in use; returns its model id.

    Raises
    ------
    NotAllowedError
        If the person's role may not.
    InputError
        If no reason is given, or the champion is the first model.
    """
    people.check(person, "roll_back")
    _reasoned(reason)

    def verb(work: Work) -> str:
        found = work.rows("champion_id", workspace)
        before = _predecessor(work, workspace, found[0][0]) if found else ""
        if not before:
            raise InputError(
                "The champion is the first model; there is none to go back to.",
                "Promote a challenger first.",
            )
        _append_promotion(
            work, workspace, "roll back", before, found[0][0], "", person.name, reason, now_ms
        )
        return before

    return store.write(verb)


def flips(
    store: Store, materials: Materials, challenger_id: str, *, limit: int = NEWEST
) -> pd.DataFrame:
    """List the newest stream cases that a challenger judges differently from the champion.

    Returns
    -------
    DataFrame
        ``instance_id, occurred_ms, champion_probability, challenger_probability, change`` ("newly
        flagged" or "no longer flagged"), ``outcome``, ``verdict`` and the workspace's companions,
        newest first. Empty when the models agree on all of the newest `limit` cases.
    """
    space = materials.workspace
    old, new = champion(store, space.name), stored(store, challenger_id)
    found = store.view(
        "scored_instances",
        workspace=space.name,
        order=("-run", "-step", "instance_id"),
        limit=limit,
    )
    columns = list(dict.fromkeys((*space.features, *space.companions)))
    features = pd.DataFrame([json.loads(text) for text in found["features"]], columns=columns)
    judged = _both(old.model, new.model, features[list(space.features)].astype(float))
    judged["change"] = judged["is_flagged"].map({True: "newly flagged", False: "no longer flagged"})
    shown = found[["instance_id", "occurred_ms", "outcome", "verdict"]]
    rows = pd.concat([shown, judged, features[list(space.companions)]], axis=1)
    return rows[judged["is_changed"]].drop(columns=["is_changed", "is_flagged"])


def changed_rows(store: Store, materials: Materials, found: dict[str, Any]) -> pd.DataFrame:
    """List a comparison's newly right and newly wrong test rows with both probabilities.

    Parameters
    ----------
    found
        What `compare` returned.

    Returns
    -------
    DataFrame
        ``row, change, truth, champion_probability, challenger_probability`` and the workspace's
        companions, newly wrong ones first.
    """
    space = materials.workspace
    changed = pd.DataFrame(found["changed"], columns=["row_number", "change", "row"])
    test = materials.test.iloc[changed["row_number"]].reset_index(drop=True)
    old, new = (stored(store, found[side]).model for side in ("champion_id", "challenger_id"))
    judged = _both(old, new, test)[["champion_probability", "challenger_probability"]]
    truth = test[space.label_column].rename("truth")
    rows = pd.concat([changed, truth, judged, test[list(space.companions)]], axis=1)
    return rows.sort_values(["change", "row"], ascending=[False, True], ignore_index=True)


def _predecessor(work: Work, workspace: str, model_id: str) -> str:
    """Find the model that a champion replaced when it was promoted; the first one replaced none."""
    rows = work.view("promotions", workspace=workspace, model_id=model_id, order=("-number",))
    return str(rows.loc[rows["kind"] != "roll back", "replaced_id"].iloc[0])


def _append_promotion(
    work: Work,
    workspace: str,
    kind: str,
    model_id: str,
    replaced_id: str,
    comparison_id: str,
    promoted_by: str,
    reason: str,
    now_ms: int,
) -> None:
    record = {
        "workspace": workspace,
        "number": work.rows("promotion_number", workspace)[0][0],
        "kind": kind,
        "model_id": model_id,
        "replaced_id": replaced_id,
        "comparison_id": comparison_id,
        "promoted_by": promoted_by,
        "reason": reason.strip(),
        "promoted_ms": now_ms,
    }
    work.append("promotions", [record])


def _both(old: models.Model, new: models.Model, rows: pd.DataFrame) -> pd.DataFrame:
    """Score rows with both models, and say whether the verdict changes."""
    if rows.empty:
        names = ("champion_probability", "challenger_probability", "is_flagged", "is_changed")
        return pd.DataFrame({name: pd.Series(dtype=bool) for name in names})
    flag = models.flagged(new, rows)
    return pd.DataFrame(
        {
            "champion_probability": models.probabilities(old, rows),
            "challenger_probability": models.probabilities(new, rows),
            "is_flagged": flag,
            "is_changed": flag != models.flagged(old, rows),
        }
    )


def _gates(
    store: Store,
    materials: Materials,
    old: Stored,
    new: Stored,
    metrics: pd.DataFrame,
    seed: int,
) -> tuple[gates.Gate, ...]:
    space = materials.workspace
    labels = labelled_rows(store, materials)
    reviewed = labels[labels["is_reviewed"]]
    test = materials.test
    return gates.all_gates(
        old.model,
        new.model,
        rows=materials.training,
        known_frauds=materials.known_positives,
        reviewed=reviewed,
        comparison=metrics,
        legitimate=test[test[space.label_column] == 0],
        label=space.label_column,
        weight=space.weight_column,
        budget=space.false_alarm_budget,
        seed=seed,
    )


def _reasoned(reason: str) -> None:
    if not reason.strip():
        raise InputError("A promotion needs a reason.", "Write one sentence for the history.")
