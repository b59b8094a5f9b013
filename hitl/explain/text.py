"""Plain sentences about a verdict, a reason and a second opinion, for people who own no model."""

import math
import re

import pandas as pd

from hitl.explain.trust import GOOD_STABILITY, TOP, Surrogate
from hitl.workspaces import UNSURE

MINUS = "−"
TINY = 1e-4
HARDLY = 0.005
"""Contributions below this (log-odds) change the odds by less than half a percent."""

JOINER = "\u2060"
"""A word joiner: takes no room, and keeps Markdown from seeing one word."""

_MARKUP = re.compile(r"[\\`*_{}\[\]()<>#+\-.!|~$:&@=]")
_LINKED = re.compile(
    r":(?=//|[\w+/-]*[^\W\d][\w+/-]*:)|www(?=\.)|@(?=\w)|[<>~](?=[-=])|-(?=[->])", re.IGNORECASE
)


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
    """Say a probability as a count out of 10, 100, 1,000 or 10,000.

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
    >>> odds_phrase(0.93), odds_phrase(0.0002), odds_phrase(0.00002)
    ('about 9 in 10', 'about 2 in 10,000', 'fewer than 1 in 10,000')
    """
    if not 0 <= probability <= 1:
        raise ValueError(f"A probability of {probability} is not between 0 and 1.")
    if probability < TINY:
        return "fewer than 1 in 10,000"
    if probability > 1 - TINY:
        return "more than 9,999 in 10,000"
    for whole in (10, 100, 1_000, 10_000):
        count = round(probability * whole)
        if probability * whole >= 0.95 and count < whole:
            break
    return f"about {count:,} in {whole:,}"


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
        Two sentences. Of a novel row one: its probability is a guess, so no count follows from
        it, and how far the row lies is left to `warning_sentences`. Figures have three significant
        digits, more where figure and limit would otherwise look the same.

    Raises
    ------
    ValueError
        If a probability is not in ``[0, 1]``, or a novelty is negative or missing.

    Examples
    --------
    >>> first, second = verdict_sentence(0.93, 0.62, 0.8, 2.0, "case", "fraud").split(". ")
    >>> first
    'Flagged: the model gives 0.93 (limit 0.62), so about 9 in 10 such cases are fraud'
    >>> second
    'It resembles known cases: novelty 0.8 (limit 2).'
    >>> verdict_sentence(0.93, 0.62, 14.0, 2.0, "case", "fraud").split("), ")[1]
    'but nothing like it is known, so the probability is a guess.'
    """
    if not 0 <= threshold <= 1:
        raise ValueError(f"A threshold of {threshold} is not between 0 and 1.")
    if not (novelty >= 0 and limit >= 0):
        raise ValueError(f"A novelty of {novelty} and a limit of {limit} are not both 0 or more.")
    odds = odds_phrase(probability)
    flagged = "Flagged" if probability >= threshold else "Not flagged"
    verdict = f"{flagged}: the model gives {gives(probability, threshold)}"
    if novelty > limit:
        return f"{verdict}, but nothing like it is known, so the probability is a guess."
    verb = "is" if odds.startswith("about 1 in") else "are"
    return (
        f"{verdict}, so {odds} such {plural(noun)} {verb} {positive}. "
        f"It resembles known {plural(noun)}: novelty {gives(novelty, limit)}."
    )


def gives(value: float, limit: float) -> str:
    """Write a figure beside its limit, with more digits while that hides which one is larger.

    Examples
    --------
    >>> gives(0.93, 0.62), gives(0.61996, 0.62004)
    ('0.93 (limit 0.62)', '0.61996 (limit 0.62004)')
    """
    shown, shown_limit = _pair(value, limit)
    return f"{shown} (limit {shown_limit})"


def cost_sentence(
    probability: float,
    amount: float | None,
    review_cost: float,
    currency: str = "€",
    *,
    is_guess: bool = False,
) -> str:
    """Weigh the loss to be expected against what a review costs.

    Parameters
    ----------
    probability
        The model's calibrated probability, in ``[0, 1]``.
    amount
        What is at stake, in `currency`; nothing or NaN where it is not known.
    review_cost
        What one review costs, in `currency`, at least 0.
    currency
        Sign or code before an amount.
    is_guess
        Whether the probability is a guess, because nothing like the row is known; no loss follows
        from it then.

    Returns
    -------
    str
        One sentence. Without a positive amount, or a known one, it says why there is no figure.

    Raises
    ------
    ValueError
        If the probability is not in ``[0, 1]``, or the review's cost is negative or not finite.

    Notes
    -----
    Expected loss = amount × probability: what would be lost on average if such payments were let
    through. A review pays where that is more than it costs.

    Examples
    --------
    >>> cost_sentence(0.93, 412.0, 6.0)
    'Expected loss €383 (€412 × 0.93) against €6 for a review: reviewing pays.'
    """
    if not 0 <= probability <= 1:
        raise ValueError(f"A probability of {probability} is not between 0 and 1.")
    if not (review_cost >= 0 and math.isfinite(review_cost)):
        raise ValueError(f"A review cannot cost {review_cost}.")
    if amount is None or not math.isfinite(amount):
        return "The amount is not known, so no loss can be expected in figures."
    if amount <= 0:
        stake = "no money is at stake" if amount == 0 else "money would come back"
        return f"The amount is {money(amount, currency)}: {stake}, so there is no loss to expect."
    if is_guess:
        return (
            f"What a review is worth cannot be said: {money(amount, currency)} is at stake, and "
            f"how likely a loss is, is a guess. A review costs {money(review_cost, currency)}."
        )
    loss = amount * probability
    verdict = "reviewing pays" if loss > review_cost else "a review costs more than it saves"
    if loss == review_cost:
        verdict = "a review costs what it saves"
    said, cost = _loss_and_cost(loss, review_cost, currency)
    chance = _pair(probability, 0.999)[0]
    chance = chance if chance[:1].isdigit() else f"a probability of {chance}"
    product = f"{money(amount, currency)} × {chance}"
    return f"Expected loss {said} ({product}) against {cost} for a review: {verdict}."


def money(amount: float, currency: str = "€") -> str:
    """Write an amount of money to the cent; whole amounts without cents.

    Examples
    --------
    >>> money(1234.5), money(412.0), money(-0.001), money(5, "CHF")
    ('€1,234.50', '€412', '€0', 'CHF 5')
    """
    cents = round(amount, 2)
    text = f"{abs(cents):,.2f}".removesuffix(".00") if math.isfinite(amount) else f"{abs(amount)}"
    gap = " " if currency[-1:].isalpha() else ""
    return f"{MINUS if cents < 0 else ''}{currency}{gap}{text}"


def escape_markdown(text: str) -> str:
    r"""Write any text so that Streamlit's Markdown shows it as it is.

    Parameters
    ----------
    text
        Any text, for instance a column's name or a value from somebody's file.

    Returns
    -------
    str
        The text with every sign that could start markup, mathematics, HTML, a link, a colour or
        an emoji behind a backslash, and on one line. Where Streamlit would make a link, an icon
        or an arrow even so, an invisible word joiner stands behind the sign.

    Examples
    --------
    >>> print(escape_markdown("a*b [x](y) $5 <b>"))
    a\*b \[x\]\(y\) \$5 \<b\>
    """
    one_line = " ".join(text.split())
    apart = _LINKED.sub(lambda found: f"{found[0]}{JOINER}", one_line)
    return _MARKUP.sub(r"\\\g<0>", apart)


def contribution_sentence(
    reason: pd.Series, noun: str = "payment", negative: str = "legitimate"
) -> str:
    """Say one contribution: the value, how usual it is, and which way it moves the score.

    Parameters
    ----------
    reason
        One row of `contribution_table`: `feature`, `value`, `contribution` (log-odds),
        `typical_low`, `typical_high` and `percentile` (0 to 100); for a category or a missing
        value `share` (0 to 1) instead.
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
    if isinstance(reason["value"], str):
        usual = _shared_by(reason, f"{negative} {plural(noun)}")
        return f"{reason['feature']} is {reason['value']}{usual}; it {_push(contribution)}."
    if math.isnan(reason["value"]):
        return f"The {reason['feature']} together {_push(contribution, singular=False)}."
    if math.isnan(reason["percentile"]):
        return f"{reason['feature']} is {number(reason['value'])}; it {_push(contribution)}."
    return (
        f"{reason['feature']} is {number(reason['value'])}, "
        f"{_place(reason)} {negative} {plural(noun)} (typical {number(reason['typical_low'])} to "
        f"{number(reason['typical_high'])}); it {_push(contribution)}."
    )


def neighbour_sentence(
    neighbours: pd.DataFrame,
    positive: str,
    *,
    word: str = "decided",
    noun: str = "case",
    by: str = "features",
) -> str:
    """Say what the nearest rows turned out to be.

    Parameters
    ----------
    neighbours
        Neighbours with a `verdict` column; rows without a verdict are not counted.
    positive
        The verdict to count (``"fraud"``).
    word
        How the verdicts came about: ``"decided"`` by people, ``"known"`` from any source, or
        nothing where the noun says it.
    noun
        What the neighbours are, singular (``"case"``, ``"alert"``).
    by
        What makes them near: ``"features"``, or ``"reasons"`` for `neighbours_by_reasons`.

    Returns
    -------
    str
        One sentence; it says so when nothing has been decided yet.

    Raises
    ------
    ValueError
        If there is no `verdict` column, or `by` is neither of the two.

    Examples
    --------
    >>> near = pd.DataFrame({"verdict": ["fraud"] * 9 + ["legitimate"]})
    >>> neighbour_sentence(near, "fraud", word="", noun="alert")
    '9 of the 10 nearest alerts were fraud.'
    >>> neighbour_sentence(near, "fraud", by="reasons")
    '9 of the 10 decided cases with the most similar reasons were fraud.'
    """
    if by not in ("features", "reasons"):
        raise ValueError(f"Neighbours are near by features or by reasons, not by {by!r}.")
    if "verdict" not in neighbours.columns:
        raise ValueError("The neighbours carry no verdict column.")
    verdicts = neighbours["verdict"].dropna()
    n, hits, unsure = (
        len(verdicts),
        int((verdicts == positive).sum()),
        int((verdicts == UNSURE).sum()),
    )
    one = f"{word} {noun}".strip()
    many = plural(one)
    if not n:
        return f"There are no {many} to compare with yet."
    if n == 1:
        return f"The one {one} to compare with was {verdicts.iloc[0]}."
    who = {0: "None", n: "All"}.get(hits, str(hits))
    near = f"nearest {many}" if by == "features" else f"{many} with the most similar reasons"
    rest = f"; {unsure} left the reviewer {UNSURE}" if unsure else ""
    return f"{who} of the {n} {near} {'was' if hits <= 1 else 'were'} {positive}{rest}."


def surrogate_sentence(surrogate: Surrogate) -> str:
    """Say how far LIME's stand-in can be trusted for this row.

    Parameters
    ----------
    surrogate
        The stand-in, as returned by `shared_lime` or `local_lime`.

    Returns
    -------
    str
        One sentence that starts with the verdict: how much of the model's answers the stand-in
        explains, what it predicts beside the model, and how far its strongest features agree
        with the contributions and between seeds.
    """
    verdict = surrogate.verdict.capitalize()
    if surrogate.is_flat:
        return f"{verdict}: no single feature changes what the model says, so there is no reason."
    share = math.floor(100 * max(0.0, surrogate.r2))
    stand_in, model = _pair(surrogate.local_prediction, surrogate.model_prediction)
    return (
        f"{verdict}: the stand-in explains {share} % of how the model's answers vary, and gives "
        f"{stand_in} where the model gives {model}{_agreement(surrogate)}{_seeds(surrogate)}."
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


def _loss_and_cost(loss: float, cost: float, currency: str) -> tuple[str, str]:
    """Round a loss to whole units unless it then looks like the cost."""
    written = money(cost, currency)
    if 0 < loss < 0.005:
        return f"less than {money(0.01, currency)}", written
    whole = money(round(loss), currency)
    said = whole if loss >= 10 and whole != written else money(loss, currency)
    if said == written and loss != cost:
        said = f"just {'over' if loss > cost else 'under'} {written}"
    return said, written


def _agreement(surrogate: Surrogate) -> str:
    n = min(TOP, surrogate.kept)
    if surrogate.shap_overlap is None or n < 2:
        return ""
    shared = round(surrogate.shap_overlap * n)
    who = {0: "none", n: "all"}.get(shared, str(shared))
    verb = "is" if shared == 1 else "are"
    return f"; {who} of its {n} strongest features {verb} among the {n} largest contributions"


def _seeds(surrogate: Surrogate) -> str:
    if surrogate.stability is None or surrogate.stability >= GOOD_STABILITY:
        return ""
    return "; with another seed it names other features"


def _place(reason: pd.Series) -> str:
    value, percentile = float(reason["value"]), float(reason["percentile"])
    if value < reason["typical_low"]:
        return f"lower than {_share(100 - percentile)} % of"
    if value > reason["typical_high"]:
        return f"higher than {_share(percentile)} % of"
    return "usual for"


def _shared_by(reason: pd.Series, whom: str) -> str:
    """Say how usual a category or a gap is, or nothing where that is not known."""
    share = float(reason.get("share", math.nan))
    if math.isnan(share):
        return ""
    if share == 0:
        return f", as in none of the {whom}"
    return f", as in {'less than 1' if share < 0.01 else _share(100 * share)} % of {whom}"


def _share(percent: float) -> str:
    floored = min(99.9, math.floor(percent * 10) / 10)
    return f"{floored:g}" if floored >= 99 else str(math.floor(floored))


def _push(contribution: float, *, singular: bool = True) -> str:
    s = "s" if singular else ""
    if abs(contribution) < HARDLY:
        return f"hardly move{s} the score"
    verb = "raise" if contribution > 0 else "lower"
    return f"{verb}{s} the score by {number(abs(contribution))}"
