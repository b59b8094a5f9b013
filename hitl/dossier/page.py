"""The page around the sections: head, style, who the case is, the warning and the verdict."""

import json
from typing import Any

from hitl.charts.svg import escape
from hitl.dossier.content import (
    Parts,
    content,
    has,
    is_number,
    part,
    records,
    sentences,
    shortened,
    waits,
)
from hitl.dossier.pieces import bullets, facts, moment, paragraph, said
from hitl.dossier.sections import SECTIONS, UNKNOWN
from hitl.explain.text import number, plural
from hitl.workflow.times import event_time, wall_time
from hitl.workspaces import Workspace

LIMIT_BYTES = 300_000
CUTS = (1_000, 240, 60, 16)
"""Characters of the longest text kept; the next shorter one while the file is too large."""
HIDDEN = "known, hidden until decided"
AMOUNTS = ("amount", "Amount")

POLICY = (
    "default-src 'none'; style-src 'unsafe-inline'; img-src data:; "
    "base-uri 'none'; form-action 'none'"
)
STYLE = """
:root { color-scheme: light; }
body { margin: 0 auto; padding: 24px; max-width: 760px; background: #fff; color: #101418;
  font: 14px/1.45 system-ui, -apple-system, 'Segoe UI', 'Liberation Sans', sans-serif; }
h1 { font-size: 24px; margin: 0 0 4px; }
h2 { font-size: 17px; margin: 26px 0 8px; padding-top: 10px; border-top: 1px solid #d5dae1;
  break-after: avoid; }
h3 { font-size: 14px; margin: 14px 0 4px; break-after: avoid; }
p, ul, ol { margin: 6px 0; }
p, li, td, th, dd { overflow-wrap: anywhere; }
dl { display: grid; grid-template-columns: max-content 1fr; gap: 3px 16px; margin: 8px 0; }
dt { color: #4b5563; }
dd { margin: 0; }
table { border-collapse: collapse; width: 100%; margin: 8px 0; font-size: 12.5px; }
caption { text-align: start; color: #4b5563; padding-bottom: 4px; }
th, td { text-align: start; vertical-align: top; padding: 3px 10px 3px 0;
  border-bottom: 1px solid #e3e7ec; }
th { font-weight: 600; }
thead th { overflow-wrap: normal; vertical-align: bottom; }
.figure, th.figure { text-align: end; font-variant-numeric: tabular-nums; }
.figure + :not(.figure) { padding-inline-start: 10px; }
tr, dl, figure, .warning { break-inside: avoid; }
h3 + p, caption { break-after: avoid; }
figure { margin: 10px 0; }
svg { display: block; width: 100%; height: auto; }
code { font-family: ui-monospace, 'DejaVu Sans Mono', monospace; font-size: 12px; }
.lead { font-size: 16px; font-weight: 600; }
.muted { color: #4b5563; }
.state { display: inline-block; border: 1.5px solid #4b5563; border-radius: 4px;
  padding: 0 8px; font-weight: 600; }
.warning { border: 2px solid #9a4a00; border-inline-start-width: 8px; padding: 8px 14px;
  margin: 12px 0; }
footer { margin-top: 26px; border-top: 1px solid #d5dae1; color: #4b5563; font-size: 12px; }
@page { size: A4; margin: 15mm; }
@media print {
  body { padding: 0; max-width: none; font-size: 10.5pt; }
  * { print-color-adjust: exact; -webkit-print-color-adjust: exact; }
}
"""


def dossier_html(
    case: Parts, evidence: Parts, space: Workspace, *, made_ms: int | None = None
) -> str:
    """Write one case as a page that needs nothing else and prints on A4.

    Parameters
    ----------
    case
        The case as the store knows it: ``instance_id``, ``occurred_ms``, ``features``, ``state``,
        ``status``, ``verdict``, ``reviewer``, ``outcome`` and ``decisions``; empty for a row
        explained in the terminal. What is missing is left out.
    evidence
        The evidence about it; what is missing is left out.
    space
        Whose words and notice to use.
    made_ms
        When the file was made, in UTC epoch milliseconds; left out if not given.

    Returns
    -------
    str
        HTML below 300 kB without script or outside address; the same input gives the same bytes.
        The truth of a case that still waits for a decision is not in it.

    Examples
    --------
    >>> from hitl.workspaces import STORY
    >>> page = dossier_html({"instance_id": "story-1-3"}, {"sentence": "Flagged."}, STORY)
    >>> "<h1>Case <bdi>story-1-3</bdi></h1>" in page, "<script" in page
    (True, False)
    """
    whole = content(case, evidence, space, made_ms)
    for cut in CUTS:
        kept = shortened(whole, cut)
        page = _page(kept, space)
        if len(page.encode()) < LIMIT_BYTES:
            break
    return page


def dossier_json(
    case: Parts, evidence: Parts, space: Workspace, *, made_ms: int | None = None
) -> str:
    """Write one case as canonical JSON: sorted keys, no spaces, nothing but plain values.

    Parameters
    ----------
    case, evidence, space, made_ms
        As for `dossier_html`.

    Returns
    -------
    str
        An object with ``case``, ``evidence``, ``workspace`` and ``made_ms``. What is not a finite
        number is null. The truth of a case that still waits is null, and ``outcome_hidden`` says
        so.

    Examples
    --------
    >>> from hitl.workspaces import STORY
    >>> dossier_json({}, {"novelty": float("nan")}, STORY)
    '{"case":{},"evidence":{"novelty":null},"made_ms":null,"workspace":"story"}'
    """
    whole = content(case, evidence, space, made_ms)
    return json.dumps(whole, sort_keys=True, separators=(",", ":"), allow_nan=False)


def _page(whole: Parts, space: Workspace) -> str:
    case, evidence = whole["case"], whole["evidence"]
    name = case.get("instance_id")
    title = f"Case {name}" if name else f"Explanation of one {space.noun}"
    parts = [
        _header(case, evidence, space, whole["made_ms"]),
        _warning(evidence, space),
        _verdict(evidence),
        *(draw(case, evidence, space) for draw in SECTIONS),
    ]
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f'<meta name="referrer" content="no-referrer">\n<title>{escape(title)}</title>\n'
        f"<style>{STYLE}</style>\n</head>\n<body>\n<main>\n"
        + "\n".join(text for text in parts if text)
        + f"\n</main>\n{_footer(space)}\n</body>\n</html>\n"
    )


def _header(case: Parts, evidence: Parts, space: Workspace, made_ms: Any) -> str:
    name = case.get("instance_id")
    heading = f"Case {said(str(name))}" if name else f"Explanation of one {escape(space.noun)}"
    state = case.get("state") or evidence.get("state")
    pairs = [
        ("workspace", said(space.title)),
        ("when", said(moment(event_time, case.get("occurred_ms")))),
        ("amount", said(_amount(case, space))),
        ("state", f'<span class="state">{escape(state)}</span>' if state else ""),
        ("decision", _standing(case)),
        ("truth", _truth(case, space)),
        *_beside(case, space),
        ("file made", said(moment(wall_time, made_ms))),
    ]
    return f"<h1>{heading}</h1>\n{facts(pairs)}"


def _amount(case: Parts, space: Workspace) -> str:
    found = [part(case, "features").get(name) for name in AMOUNTS]
    return next((f"{space.currency}{value:,.2f}" for value in found if is_number(value)), "")


def _beside(case: Parts, space: Workspace) -> list[tuple[str, str]]:
    """List the companion columns, which the model does not use."""
    features = part(case, "features")
    shown = {*AMOUNTS, space.time_column, *space.features}
    return [
        (f"{name} (the model does not use it)", said(str(features[name])))
        for name in space.companions
        if has(features, name) and name not in shown
    ]


def _standing(case: Parts) -> str:
    if not case:
        return ""
    if not case.get("verdict"):
        return "waiting for one" if "status" in case and waits(case) else "none"
    who = f" by {said(str(case['reviewer']))}" if case.get("reviewer") else ""
    return f"{said(str(case['verdict']))}{who}"


def _truth(case: Parts, space: Workspace) -> str:
    if not case:
        return ""
    if case.get("outcome_hidden"):
        return HIDDEN
    outcome = case.get("outcome")
    return UNKNOWN if outcome is None else escape(space.positive if outcome else space.negative)


def _warning(evidence: Parts, space: Workspace) -> str:
    distance, limit = evidence.get("novelty"), evidence.get("novelty_limit")
    far = ""
    if is_number(distance) and is_number(limit):
        far = (
            f" Its novelty, how far it lies from known {escape(plural(space.noun))}, is "
            f"{number(distance)}; the limit is {number(limit)}."
        )
    is_far = is_number(distance) and is_number(limit) and distance > limit
    if "novel" not in str(evidence.get("state", "")) and not is_far:
        warned = bullets(sentences(evidence, "warnings"))
        return f'<div class="warning">{warned}</div>' if warned else ""
    unlike = records(part(evidence, "unfamiliar"), "out_of_range")
    outside = [str(row["sentence"]) for row in unlike if has(row, "sentence")]
    return (
        f'<div class="warning"><p><strong>Unlike anything in training.</strong>{far}'
        f"{_nearest(evidence, space)} The model guesses here: read its reasons as a guess, too."
        f"</p>{bullets(outside)}</div>"
    )


def _nearest(evidence: Parts, space: Workspace) -> str:
    nearest = part(evidence, "nearest")
    if not has(nearest, "id"):
        return ""
    word = space.positive if nearest.get("label") else space.negative
    return f" The nearest known row is {said(str(nearest['id']))} ({escape(word)})."


def _verdict(evidence: Parts) -> str:
    sentence, cost = evidence.get("sentence"), paragraph(evidence.get("cost"))
    probability, threshold = evidence.get("probability"), evidence.get("threshold")
    if not sentence and is_number(probability) and is_number(threshold):
        sentence = f"The model gives {number(probability)} against a limit of {number(threshold)}."
    return (f'<p class="lead">{said(str(sentence))}</p>' if sentence else "") + cost


def _footer(space: Workspace) -> str:
    return (
        "<footer><p>Contributions and weights describe the model, not causes in the world. "
        f"{escape(space.notice)}</p></footer>"
    )
