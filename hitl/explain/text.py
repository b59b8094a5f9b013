"""Plain sentences about a verdict, a reason and a second opinion, for people who own no model."""

import math

import pandas as pd

from hitl.explain.surrogates import Surrogate
from hitl.workspaces import UNSURE

MINUS = "−"
TINY = 1e-4
HARDLY = 0.005
"""Contributions below this (log-odds) change the odds by less than half a percent."""


def number(value: float, digits: int = 3) -> str:
    """Write a number for people: rounded, thousands separated, a real minus sign.

    Parameters
    ----------
    value
        Any number, finite or not.
    digits
        Significant digits, at least 1.

    Returns
    -------
    str
        Trailing zeros are left out; magnitudes below 0.0001 are written as powers of ten.

    Examples
    --------
    >>> number(-6.5999), number(12345.6), number(0.62)
    ('−6.6', '12,300', '0.62')
    """
    if value == 0 or not math.isfinite(value):
        return f"{abs(value) if value == 0 else value:g}".replace("-", MINUS)
    rounded = float(f"{value:.{digits - 1}e}")
    if abs(rounded) < TINY:
        return f"{rounded:.{digits}g}".replace("-", MINUS)
    decimals = max(0, digits - 1 - math.floor(math.log10(abs(rounded))))
    text = f"{rounded:,.{decimals}f}"
    return (text.rstrip("0").rstrip(".") if decimals else text).replace("-", MINUS)


def odds_phrase(probability: float) -> str:
    """Say a probability as a count out of 10, 100 or 1,000.

    Parameters
    ----------
    probability
        Probability in ``[0, 1]``.

    Returns
    -------
    str
        The coarsest count that is neither none nor all.

    Raises
    ------
    ValueError
        If `probability` is not in ``[0, 1]``.

    Examples
    --------
    >>> odds_phrase(0.93), odds_phrase(0.004), odds_phrase(0.0002)
    ('about 9 in 10', 'about 4 in 1,000', 'fewer than 1 in 1,000')
    """
    if not 0 <= probability <= 1:
        raise ValueError(f"A probability of {probability} is not between 0 and 1.")
    if probability < 0.001:
        return "fewer than 1 in 1,000"
    if probability > 0.999:
        return "more than 999 in 1,000"
    for whole in (10, 100, 1000):
        count = round(probability * whole)
        if probability * whole >= 0.95 and count < whole:
            break
    return f"about {count} in {whole:,}"


def verdict_sentence(
    probability: float, threshold: float, novelty: float, limit: float, noun: str, positive: str
) -> str:
    """Say what the model decided, how sure it is, and whether it knows such rows at all.

    Parameters
    ----------
    probability, threshold
        The model's probability and its limit, both in ``[0, 1]``; flagged from the limit on.
    novelty, limit
        How unlike the training rows it is, and the limit of that, both at least 0 and in the
        detector's own measure; novel above the limit.
    noun
        What one row is, singular (``"payment"``).
    positive
        What the model looks for (``"fraud"``).

    Returns
    -------
    str
        Two sentences. Figures have three significant digits, more where figure and limit would
        otherwise look the same.

    Raises
    ------
    ValueError
        If a probability is not in ``[0, 1]``, or a novelty is negative or missing.

    Examples
    --------
    >>> first, second = verdict_sentence(0.93, 0.62, 0.8, 2.0, "case", "fraud").split(". ")
    >>> first
    'Flagged: the model gives 0.93 against a limit of 0.62, so about 9 in 10 such cases are fraud'
    >>> second
    'It resembles known cases: novelty 0.8 against a limit of 2.'
    """
    if not 0 <= threshold <= 1:
        raise ValueError(f"A threshold of {threshold} is not between 0 and 1.")
    if not (novelty >= 0 and limit >= 0):
        raise ValueError(f"A novelty of {novelty} and a limit of {limit} are not both 0 or more.")
    odds = odds_phrase(probability)
    flagged, novel = probability >= threshold, novelty > limit
    shown, shown_limit = _pair(probability, threshold)
    verb = "is" if odds.startswith("about 1 in") else "are"
    unlike, most = _pair(novelty, limit)
    return (
        f"{'Flagged' if flagged else 'Not flagged'}: the model gives {shown} against a limit of "
        f"{shown_limit}, so {odds} such {plural(noun)} {verb} {positive}. "
        f"{_novelty_clause(flagged, novel, plural(noun))}: novelty {unlike} against a limit of "
        f"{most}."
    )


def contribution_sentence(
    reason: pd.Series, noun: str = "payment", negative: str = "legitimate"
) -> str:
    """Say one contribution: the value, how usual it is, and which way it moves the score.

    Parameters
    ----------
    reason
        One row of `contribution_table`: `feature`, `value`, `contribution` (log-odds),
        `typical_low`, `typical_high` and `percentile` (0 to 100).
    noun
        What one row is, singular (``"payment"``).
    negative
        What the typical range was taken from (``"legitimate"``).

    Returns
    -------
    str
        One sentence. Shares are rounded down and never exceed 99.9 %. What is usual is left out
        when the model's card does not say it.

    Examples
    --------
    >>> reason = pd.Series({"feature": "V14", "value": -6.6, "contribution": 1.8,
    ...                     "typical_low": -1.2, "typical_high": 1.1, "percentile": 0.04})
    >>> contribution_sentence(reason).split("; ")[0]
    'V14 is −6.6, lower than 99.9 % of legitimate payments (typical −1.2 to 1.1)'
    >>> contribution_sentence(reason).split("; ")[1]
    'it raises the score by 1.8.'
    """
    contribution = float(reason["contribution"])
    if math.isnan(reason["value"]):
        return f"The {reason['feature']} together {_push(contribution, singular=False)}."
    if math.isnan(reason["percentile"]):
        return f"{reason['feature']} is {number(reason['value'])}; it {_push(contribution)}."
    return (
        f"{reason['feature']} is {number(reason['value'])}, "
        f"{_place(reason)} {negative} {plural(noun)} (typical {number(reason['typical_low'])} to "
        f"{number(reason['typical_high'])}); it {_push(contribution)}."
    )


def neighbour_sentence(neighbours: pd.DataFrame, positive: str, *, word: str = "decided") -> str:
    """Say what the nearest rows turned out to be.

    Parameters
    ----------
    neighbours
        Neighbours with a `verdict` column; rows without a verdict are not counted.
    positive
        The verdict to count (``"fraud"``).
    word
        How the verdicts came about: ``"decided"`` by people, or ``"known"`` from any source.

    Returns
    -------
    str
        One sentence; it says so when nothing has been decided yet.

    Raises
    ------
    ValueError
        If there is no `verdict` column.

    Examples
    --------
    >>> neighbour_sentence(pd.DataFrame({"verdict": ["fraud"] * 9 + ["legitimate"]}), "fraud")
    '9 of the 10 nearest decided cases were fraud.'
    """
    if "verdict" not in neighbours.columns:
        raise ValueError("The neighbours carry no verdict column.")
    verdicts = neighbours["verdict"].dropna()
    n, hits, unsure = (
        len(verdicts),
        int((verdicts == positive).sum()),
        int((verdicts == UNSURE).sum()),
    )
    if not n:
        return f"There are no {word} cases to compare with yet."
    if n == 1:
        return f"The one {word} case to compare with was {verdicts.iloc[0]}."
    who = {0: "None", n: "All"}.get(hits, str(hits))
    rest = f"; {unsure} left the reviewer {UNSURE}" if unsure else ""
    return (
        f"{who} of the {n} nearest {word} cases {'was' if hits <= 1 else 'were'} {positive}{rest}."
    )


def surrogate_sentence(surrogate: Surrogate) -> str:
    """Say how far LIME's stand-in can be trusted for this row.

    Parameters
    ----------
    surrogate
        The stand-in, as returned by `lime`.

    Returns
    -------
    str
        One sentence that starts with the verdict.
    """
    verdict = surrogate.verdict.capitalize()
    if surrogate.is_flat:
        return f"{verdict}: no single feature changes what the model says, so there is no reason."
    share = math.floor(100 * max(0.0, surrogate.r2))
    stand_in, model = _pair(surrogate.local_prediction, surrogate.model_prediction)
    return (
        f"{verdict}: the stand-in explains {share} % of how the model's answers vary, and gives "
        f"{stand_in} where the model gives {model}."
    )


def plural(noun: str) -> str:
    """Write a regular English noun in the plural.

    Examples
    --------
    >>> plural("payment"), plural("company"), plural("day")
    ('payments', 'companies', 'days')
    """
    if noun.endswith("y") and noun[-2:-1] not in "aeiou":
        return f"{noun[:-1]}ies"
    return f"{noun}es" if noun.endswith(("s", "x", "ch", "sh")) else f"{noun}s"


def _pair(value: float, limit: float) -> tuple[str, str]:
    """Round both alike, with more digits while that hides which one is larger."""
    for digits in range(3, 18):
        texts = number(value, digits), number(limit, digits)
        hidden = texts[0] == texts[1] and value != limit
        if not hidden and (texts[0] != "1" or value >= 1):
            break
    if 0 < value < TINY <= limit:
        return f"less than {number(TINY)}", number(limit)
    if 0.999 < value < 1 and limit <= 0.999:
        return "more than 0.999", number(limit)
    return texts


def _novelty_clause(flagged: bool, novel: bool, nouns: str) -> str:
    if not novel:
        return f"It resembles known {nouns}"
    also = "is also" if flagged else "is, however,"
    return f"It {also} unlike anything in training"


def _place(reason: pd.Series) -> str:
    value, percentile = float(reason["value"]), float(reason["percentile"])
    if value < reason["typical_low"]:
        return f"lower than {_share(100 - percentile)} % of"
    if value > reason["typical_high"]:
        return f"higher than {_share(percentile)} % of"
    return "usual for"


def _share(percent: float) -> str:
    floored = min(99.9, math.floor(percent * 10) / 10)
    return f"{floored:g}" if floored >= 99 else str(math.floor(floored))


def _push(contribution: float, *, singular: bool = True) -> str:
    s = "s" if singular else ""
    if abs(contribution) < HARDLY:
        return f"hardly move{s} the score"
    verb = "raise" if contribution > 0 else "lower"
    return f"{verb}{s} the score by {number(abs(contribution))}"
