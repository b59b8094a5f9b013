"""One row under two models: did the verdict flip, and which reasons changed."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from hitl.explain.reasons import LEAST_SHARE
from hitl.explain.text import HARDLY, gives

STATUSES = ("new reason", "dropped", "turned", "stronger", "weaker", "little changed")
MOST_NAMED = 2


@dataclass(frozen=True)
class Changed:
    """One feature's contribution under two models, in log-odds; `rank` 1 is the heaviest."""

    feature: str
    old: float
    new: float
    change: float
    rank_old: int | None
    rank_new: int | None
    status: str


@dataclass(frozen=True)
class Difference:
    """What changed from one model to the other, with the receipt that the changes add up."""

    flipped: bool
    sentence: str
    probability_old: float
    probability_new: float
    score_change: float
    base_change: float
    contributions_change: float
    residual: float
    table: tuple[Changed, ...]


def differences(
    old: Mapping[str, Any], new: Mapping[str, Any], *, names: Mapping[str, str] | None = None
) -> Difference:
    """Compare the evidence of one row under two models.

    Parameters
    ----------
    old, new
        Evidence of the same row: ``contributions`` (calibrated log-odds by feature),
        ``base_value``, ``score``, ``probability`` and ``threshold``.
    names
        What features are called in the sentence; one without a name is called by its column.

    Returns
    -------
    Difference
        `table` has every feature of either model, largest change first. A feature that one
        model does not know counts as 0 there and has no rank. `residual` is how far the change
        of the score misses the sum of the changes, about 1e-14 when all is well.

    Raises
    ------
    KeyError
        If a piece of evidence is missing.

    Notes
    -----
    Both scores are calibrated log-odds, so what differs decomposes exactly:
    Δscore = Δbase value + Σ Δcontribution. A feature is a reason for a model where its
    contribution has at least 5 % of the size of all contributions together; ``"turned"`` is a
    reason for either that pulls the other way now.

    Examples
    --------
    >>> one = {"contributions": {"V14": 4.0, "V4": 1.0}, "base_value": -3.0, "score": 2.0,
    ...        "probability": 0.881, "threshold": 0.62}
    >>> two = one | {"contributions": {"V14": 2.5, "V4": 2.0}, "score": 1.5, "probability": 0.818}
    >>> differences(one, two).sentence
    'Both flag it (0.881, now 0.818). The new model leans less on V14 and more on V4.'
    """
    table = _table(old["contributions"], new["contributions"])
    verdicts = [_is_flagged(one) for one in (old, new)]
    score = float(new["score"]) - float(old["score"])
    base = float(new["base_value"]) - float(old["base_value"])
    parts = sum(one.change for one in table)
    return Difference(
        flipped=verdicts[0] != verdicts[1],
        sentence=f"{_verdicts(old, new, verdicts)} {_leaning(table, base, names or {})}",
        probability_old=float(old["probability"]),
        probability_new=float(new["probability"]),
        score_change=score,
        base_change=base,
        contributions_change=parts,
        residual=abs(score - base - parts),
        table=table,
    )


def _table(old: Mapping[str, float], new: Mapping[str, float]) -> tuple[Changed, ...]:
    ranks = [_ranks(parts) for parts in (old, new)]
    least = [LEAST_SHARE * sum(abs(part) for part in parts.values()) for parts in (old, new)]
    lines = []
    for name in dict.fromkeys((*old, *new)):
        before, after = float(old.get(name, 0.0)), float(new.get(name, 0.0))
        was, is_now = (
            abs(part) >= max(HARDLY, limit)
            for part, limit in zip((before, after), least, strict=True)
        )
        status = _status(before, after, was, is_now)
        lines.append(
            Changed(
                name, before, after, after - before, ranks[0].get(name), ranks[1].get(name), status
            )
        )
    return tuple(sorted(lines, key=lambda line: -abs(line.change)))


def _ranks(parts: Mapping[str, float]) -> dict[str, int]:
    order = sorted(parts, key=lambda name: -abs(parts[name]))
    return {name: place for place, name in enumerate(order, 1)}


def _status(before: float, after: float, was: bool, is_now: bool) -> str:
    if not (was or is_now) or abs(after - before) < HARDLY:
        return "little changed"
    if before * after < 0 and min(abs(before), abs(after)) >= HARDLY:
        return "turned"
    if was != is_now:
        return "new reason" if is_now else "dropped"
    return "stronger" if abs(after) > abs(before) else "weaker"


def _is_flagged(evidence: Mapping[str, Any]) -> bool:
    return bool(evidence["probability"] >= evidence["threshold"])


def _verdicts(old: Mapping[str, Any], new: Mapping[str, Any], verdicts: list[bool]) -> str:
    first, second = (gives(float(m["probability"]), float(m["threshold"])) for m in (old, new))
    if verdicts[0] != verdicts[1]:
        was, is_now = ("flags it", "does not") if verdicts[0] else ("does not flag it", "does")
        return (
            f"The verdict flips: the old model {was}, giving {first}; the new one {is_now}, giving "
            f"{second}."
        )
    who = "Both flag it" if verdicts[0] else "Neither flags it"
    if old["threshold"] != new["threshold"]:
        return f"{who}: {first}, now {second}."
    return f"{who} ({first.split(' (')[0]}, now {second.split(' (')[0]})."


def _leaning(table: tuple[Changed, ...], base: float, names: Mapping[str, str]) -> str:
    told = [one for one in table if one.status != "little changed"]
    if not told:
        what = "The reasons are the same"
        return f"{what}." if abs(base) < HARDLY else f"{what}; only the starting point moved."
    largest = max(abs(one.change) for one in told)
    start = "Most of the change is the new model's starting point. " if abs(base) > largest else ""
    less, more, turned = (_named(told, statuses, names) for statuses in _LEANINGS)
    leans = " and ".join([f"less on {less}"] * bool(less) + [f"more on {more}"] * bool(more))
    parts = [f"leans {leans}"] * bool(leans) + [f"reads {turned} the other way"] * bool(turned)
    return f"{start}The new model {' and '.join(parts)}."


_LEANINGS = (("weaker", "dropped"), ("stronger", "new reason"), ("turned",))


def _named(told: list[Changed], statuses: tuple[str, ...], names: Mapping[str, str]) -> str:
    chosen = [names.get(one.feature, one.feature) for one in told if one.status in statuses]
    return ", ".join(chosen[:MOST_NAMED])
