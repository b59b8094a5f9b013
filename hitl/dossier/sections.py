"""The sections of a case's page, in the order one asks: decisions, reasons, trust, origin."""

import shlex
from collections.abc import Callable, Mapping

import pandas as pd

from hitl.charts import svg
from hitl.charts.rows import signed, steps, surrogate_rows
from hitl.charts.svg import escape
from hitl.dossier.content import Parts, finite, has, is_number, part, records, sentences
from hitl.dossier.pieces import (
    Column,
    bullets,
    code,
    facts,
    feature,
    identified,
    moment,
    named,
    paragraph,
    said,
    section,
    table,
    usual_range,
)
from hitl.explain.text import number
from hitl.workflow.times import wall_time
from hitl.workspaces import Workspace

RESIDUAL_LIMIT = 1e-6
UNKNOWN = "not known yet"

SURROGATES = (
    ("lime_local", "Local variant of LIME", "lime-local"),
    ("lime", "LIME as published", "lime"),
)
STRIP = (
    ("local R² (1: all of the model's answers, 0: none)", "r2"),
    ("LIME's own prediction", "local_prediction"),
    ("the model's prediction", "model_prediction"),
    ("stability of the top 5 over seeds (1: always the same)", "stability"),
    ("overlap with the contributions (1: all)", "shap_overlap"),
    ("same direction as the contributions (1: all)", "sign_agreement"),
    ("perturbed rows", "samples"),
    ("kernel width", "kernel_width"),
    ("share of features kept", "kept"),
)


def decisions(case: Parts, evidence: Parts, space: Workspace) -> str:
    """Write who decided what, when, and on which explanation."""
    columns: list[Column] = [
        ("when", lambda row: moment(wall_time, row.get("happened_ms")), False),
        ("reviewer", identified("reviewer"), False),
        ("decision", named("verdict"), False),
        ("reason", named("reason"), False),
        ("note", identified("note"), False),
        ("explanation seen", identified("explanation_key"), False),
    ]
    return section(
        "What people decided",
        table("In the order they were made", columns, records(case, "decisions")),
    )


def similar(case: Parts, evidence: Parts, space: Workspace) -> str:
    """Write the nearest past cases with what was decided and what came true."""
    rows = records(evidence, "neighbours")
    columns: list[Column] = [
        ("case", identified("id"), False),
        ("distance", named("distance"), True),
        ("decision", named("decision"), False),
        ("truth", lambda row: row.get("truth") or UNKNOWN, False),
        ("known from", named("known_from"), False),
    ]
    if any(is_number(row.get("amount")) for row in rows):
        columns.append((f"amount, {space.currency}", _money, True))
    return section(
        "Similar past cases",
        paragraph(evidence.get("neighbours_sentence")),
        table("Nearest first; a distance of 0 is an identical case", columns, rows),
    )


def reasons(case: Parts, evidence: Parts, space: Workspace) -> str:
    """Write the reasons for and against in words."""
    told = [row for row in records(evidence, "told") if has(row, "sentence")]
    raising = [str(row["sentence"]) for row in told if row.get("direction") != "lowers"]
    against = [str(row["sentence"]) for row in told if row.get("direction") == "lowers"]
    return section(
        "Reasons",
        bullets(raising or ([] if told else sentences(evidence, "reasons")), ordered=True),
        f"<h3>Against</h3>{bullets(against)}" if against else "",
    )


def contributions(case: Parts, evidence: Parts, space: Workspace) -> str:
    """Draw what moved the score, beside the values, with the receipt that it adds up."""
    rows = [row for row in records(evidence, "table") if is_number(row.get("contribution"))]
    base, score = finite(evidence.get("base_value")), finite(evidence.get("score"))
    if not rows or base is None or score is None:
        return ""
    named_rows = [{**row, "feature": str(row.get("feature"))} for row in rows]
    bars = steps({"base_value": base, "score": score, "table": named_rows})
    drawing = svg.waterfall(bars, threshold=finite(evidence.get("threshold")))
    columns: list[Column] = [
        ("feature", feature, False),
        ("value", named("value"), True),
        (f"usual for {space.negative}", usual_range, True),
        ("percentile", named("percentile"), True),
        ("log-odds", lambda row: signed(row["contribution"]), True),
    ]
    return section(
        "What moved the score",
        f"<figure>{drawing}</figure>",
        f"<p>{receipt(evidence, base, score)}</p>",
        table("Each feature's value, its usual range and what it adds", columns, rows),
    )


def receipt(evidence: Parts, base: float, score: float) -> str:
    """Say whether starting point and contributions add up to the score."""
    moved = sum(value for value in part(evidence, "contributions").values() if is_number(value))
    if not part(evidence, "contributions"):
        rows = records(evidence, "table", None)
        moved = sum(float(row["contribution"]) for row in rows if has(row, "contribution"))
    given = finite(evidence.get("residual"))
    residual = abs(base + moved - score) if given is None else abs(given)
    sentence = f"start {number(base)} + contributions {number(moved)} = score {number(score)}"
    if is_number(evidence.get("probability")):
        sentence += f", a probability of {number(evidence['probability'])}"
    sentence += f"; residual {number(residual, 1)}."
    if residual <= RESIDUAL_LIMIT:
        return f"✓ It adds up: {sentence}"
    return f"<strong>✗ It does not add up</strong>: {sentence} Do not rely on these parts."


def second_opinion(case: Parts, evidence: Parts, space: Workspace) -> str:
    """Draw LIME's weights under words that say how far to trust them."""
    drawn = [_surrogate(part(evidence, name), words, key) for name, words, key in SURROGATES]
    return section("A second opinion: LIME", *drawn)


def changes(case: Parts, evidence: Parts, space: Workspace) -> str:
    """Write what would have to be different for another verdict."""
    found = records(evidence, "counterfactuals")
    rows = [
        {"place": place, "feature": name, **ends, "probability": one.get("probability")}
        for place, one in enumerate(found, 1)
        for name, ends in part(one, "changes").items()
        if isinstance(ends, Mapping)
    ]
    columns: list[Column] = [
        ("way", named("place"), False),
        ("feature", feature, False),
        ("from", named("from"), True),
        ("to", named("to"), True),
        ("probability then", named("probability"), True),
    ]
    told = [str(one["sentence"]) for one in found if has(one, "sentence")]
    return section(
        "What would change it",
        bullets(told, ordered=True),
        table("All rows of one way together", columns, rows),
    )


def curve(case: Parts, evidence: Parts, space: Workspace) -> str:
    """Draw how the probability follows one feature."""
    found: Parts = next(iter(records(evidence, "curves")), {})
    points = [row for row in records(found, "points", None) if is_number(row.get("probability"))]
    probability = finite(evidence.get("probability"))
    if not points or probability is None:
        return ""
    rows = pd.DataFrame(points, columns=["value", "kind", "probability"]).dropna(subset=["value"])
    drawing = svg.curve(
        rows,
        feature=feature(found),
        value=found.get("value"),
        probability=probability,
        threshold=finite(evidence.get("threshold")),
    )
    return section(
        "If one value were another",
        "<p>All other values of this case are kept. The average is over known rows.</p>",
        f"<figure>{drawing}</figure>",
    )


def difference(case: Parts, evidence: Parts, space: Workspace) -> str:
    """Draw the same case under another model."""
    found = part(evidence, "difference")
    rows = records(found, "table")
    drawn = pd.DataFrame(rows).reindex(columns=["feature", "label", "old", "new"])
    word = "The verdict flipped." if found.get("flipped") else "The verdict is the same."
    columns: list[Column] = [
        ("feature", feature, False),
        ("old", named("old"), True),
        ("new", named("new"), True),
        ("change", named("change"), True),
        ("status", named("status"), False),
    ]
    return section(
        "Old model against new",
        facts([(name, code(found.get(f"{name}_model"))) for name in ("old", "new")]),
        paragraph(found.get("sentence")),
        paragraph(word if has(found, "flipped") else ""),
        f"<figure>{svg.old_and_new(drawn)}</figure>" if rows else "",
        table("Contributions in log-odds", columns, rows),
    )


def provenance(case: Parts, evidence: Parts, space: Workspace) -> str:
    """Write everything that is needed to make the explanation again."""
    recipe = part(evidence, "recipe")
    model = part(recipe, "model")
    key = evidence.get("key")
    threshold = model["threshold"] if has(model, "threshold") else evidence.get("threshold")
    return section(
        "Where this comes from",
        facts(
            [
                ("explanation key", code(key)),
                ("to make it again", code(f"python -m hitl replay {_quoted(key)}" if key else "")),
                ("model", code(model.get("id") or evidence.get("model_id"))),
                ("model, SHA-256", code(model.get("sha256"))),
                ("row, SHA-256", code(recipe.get("row_sha256"))),
                ("background rows, SHA-256", code(recipe.get("background_sha256"))),
                ("limit", said(threshold)),
                ("calibration, slope", said(model.get("slope"))),
                ("calibration, intercept", said(model.get("intercept"))),
                ("method", said(recipe.get("method"))),
                ("parameters", said(recipe.get("parameters"))),
                ("seed", code(recipe.get("seed"))),
                ("seeds", code(recipe.get("seeds"))),
                ("versions", said(recipe.get("versions"))),
                ("reason dictionary", said(recipe.get("words", {}).get("dictionary"))),
            ]
        ),
    )


SECTIONS: tuple[Callable[[Parts, Parts, Workspace], str], ...] = (
    decisions,
    similar,
    reasons,
    contributions,
    second_opinion,
    changes,
    curve,
    difference,
    provenance,
)


def _surrogate(surrogate: Parts, heading: str, key: str) -> str:
    weights = {k: v for k, v in part(surrogate, "weights").items() if is_number(v)}
    if not surrogate:
        return ""
    unit = "log-odds" if surrogate.get("unit") == "log-odds" else "probability"
    ends = {name: part(surrogate, name) for name in ("conditions", "low", "high")}
    drawn = ""
    if weights:
        rows = surrogate_rows({"weights": weights, **ends})
        drawn = f"<figure>{svg.surrogate_bars(rows, unit=unit, key=key)}</figure>"
    verdict, why = said(surrogate.get("verdict")), said(surrogate.get("why"))
    trust = f'<p>How far to trust it: <span class="state">{verdict}</span> {why}</p>'
    strip = facts(
        [
            *((name, said(surrogate.get(field))) for name, field in STRIP),
            ("seed", code(surrogate.get("seed"))),
            ("seeds", code(surrogate.get("seeds"))),
        ]
    )
    return f"<h3>{escape(heading)}</h3>{trust if verdict else ''}{drawn}{strip}"


def _money(row: Parts) -> str:
    return f"{row['amount']:,.2f}" if is_number(row.get("amount")) else ""


def _quoted(key: object) -> str:
    return shlex.quote(str(key))
