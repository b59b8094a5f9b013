"""The words of each workspace's reasons: feature to group to sentence, with a version."""

import functools
import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass

from hitl.workspaces import CARD_FEATURES

BEYOND = "{name} is {value}, {place} (typically {range})"
USUAL = "{name} is {value}, within the usual range: {place} (typically {range})"
LEANING = "{name} is {value}, {place}, though within the usual range (typically {range})"
BARE = "{name} is {value}"
MISSING = "{name} is missing"
KNOWN = "{name} is {value}, as in {alike}"
UNSEEN = "{name} is {value}, which {alike} had"


@dataclass(frozen=True)
class Reason:
    """How one feature is spoken of.

    Sentences are templates without a full stop. They may hold ``{name}``, ``{value}``,
    ``{range}`` (between which 90 % of legitimate training rows lie), ``{place}`` ("higher than
    99 % of legitimate payments"), ``{alike}`` (the share with this very value), and any other
    feature of the workspace by its name.

    Parameters
    ----------
    feature
        The column.
    name
        What it is called where a sentence begins.
    group
        Which reasons it is added up with; a key of `Dictionary.groups`.
    high, low, usual
        Said above, below and inside the typical range; of a flag, `high` is 1 and `low` is 0.
    leaning
        Said inside the typical range of a value that raises the score and lies to one side.
    more, less
        How a place begins above and below others.
    missing
        Said when there is no value.
    bare
        Said when the model does not know what is usual.
    known, unseen
        Said of a category that legitimate training rows had, or had not.
    kind
        How a value is written: ``"number"``, ``"money"``, ``"count"``, ``"share"`` (0 to 1),
        ``"hour"`` (0 to 24), ``"flag"`` (0 or 1) or ``"category"``.
    unit
        What follows a value, singular where it is counted.
    """

    feature: str
    name: str
    group: str
    high: str = BEYOND
    low: str = BEYOND
    usual: str = USUAL
    leaning: str = LEANING
    more: str = "higher than"
    less: str = "lower than"
    missing: str = MISSING
    bare: str = BARE
    known: str = KNOWN
    unseen: str = UNSEEN
    kind: str = "number"
    unit: str = ""


@dataclass(frozen=True)
class Dictionary:
    """The reasons of one workspace, with the words for its rows.

    Parameters
    ----------
    workspace
        Whose features they are.
    groups
        Titles by group, each fit to stand after "about" ("the terminal").
    by_feature
        Reasons by feature.
    noun, negative, positive
        What one row is, singular, and its two classes.
    currency
        Sign or code before an amount.
    """

    workspace: str
    groups: Mapping[str, str]
    by_feature: Mapping[str, Reason]
    noun: str
    negative: str
    positive: str
    currency: str

    @functools.cached_property
    def version(self) -> str:
        """Name these very words: the workspace and the first 12 digits of their SHA-256."""
        return f"{self.workspace}-{_sha256(self)[:12]}"

    def reason(self, feature: str) -> Reason:
        """Return how a feature is spoken of; one without words of its own, by its column."""
        return self.by_feature.get(feature) or _plain(feature)

    def title(self, group: str) -> str:
        """Return a group's title; a feature that stands alone is its own group."""
        return self.groups.get(group, group)


def dictionary(
    workspace: str,
    features: Iterable[str],
    *,
    noun: str = "payment",
    negative: str = "legitimate",
    positive: str = "fraud",
    currency: str = "€",
) -> Dictionary:
    """Gather the words for a workspace's features.

    Parameters
    ----------
    workspace
        A bundled workspace's name, or any other name for somebody's own rows.
    features
        Columns to speak of. What the workspace has no words for is called by its column and
        stands alone.
    noun, negative, positive
        What one row is, singular, and its two classes.
    currency
        Sign or code before an amount.

    Returns
    -------
    Dictionary
        Its `version` is the workspace and the first 12 digits of the SHA-256 of all its words:
        any changed word is another version.

    Examples
    --------
    >>> words = dictionary("cards", ("V14", "Amount"))
    >>> words.reason("V14").name, words.reason("Amount").kind
    ('V14 (an anonymous component)', 'money')
    >>> dictionary("mine", ("age",)).reason("age").group
    'age'
    """
    known = _BUNDLED.get(workspace, {})
    return Dictionary(
        workspace=workspace,
        groups=dict(_GROUPS.get(workspace, {})),
        by_feature={name: known.get(name) or _plain(name) for name in features},
        noun=noun,
        negative=negative,
        positive=positive,
        currency=currency,
    )


def _plain(feature: str) -> Reason:
    return Reason(feature, feature, feature)


def _sha256(words: Dictionary) -> str:
    plain = {
        "workspace": words.workspace,
        "groups": dict(words.groups),
        "reasons": {name: asdict(reason) for name, reason in words.by_feature.items()},
        "nouns": [words.noun, words.negative, words.positive, words.currency],
    }
    text = json.dumps(plain, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


# Cards and story


def _component(feature: str) -> Reason:
    return Reason(feature, f"{feature} (an anonymous component)", feature)


_AMOUNT = Reason("Amount", "The amount", "amount", kind="money")
_CARDS = {name: _component(name) for name in CARD_FEATURES if name != "Amount"} | {
    "Amount": _AMOUNT
}


# Payments

_WINDOWS = {"1d": "24 hours", "7d": "7 days", "30d": "30 days"}


def _spoken(
    feature: str,
    group: str,
    name: str,
    sentence: str,
    more: str,
    less: str,
    *,
    kind: str,
    unit: str = "",
) -> Reason:
    """Make a reason of one sentence with its words for more and for less."""
    typical = "(typically {range})"
    return Reason(
        feature,
        name,
        group,
        high=f"{sentence}, {{place}} {typical}",
        low=f"{sentence}, {{place}} {typical}",
        usual=f"{sentence}, within the usual range: {{place}} {typical}",
        leaning=f"{sentence}, {{place}}, though within the usual range {typical}",
        more=more,
        less=less,
        missing=f"{name} is not known",
        bare=sentence,
        kind=kind,
        unit=unit,
    )


def _flag(feature: str, group: str, name: str, is_so: str, is_not: str) -> Reason:
    return Reason(
        feature,
        name,
        group,
        high=f"{is_so}, as in {{alike}}",
        low=f"{is_not}, as in {{alike}}",
        missing=f"{name} is not known",
        bare="{name}: {value}",
        kind="flag",
    )


def _windows() -> list[Reason]:
    found = []
    for window, words in _WINDOWS.items():
        found += [
            _spoken(
                f"customer_count_{window}",
                "customer",
                f"How often this customer paid in the {words} before",
                f"This customer made {{value}} in the {words} before",
                "more than for",
                "fewer than for",
                kind="count",
                unit="payment",
            ),
            _spoken(
                f"customer_mean_{window}",
                "customer",
                f"This customer's mean payment in the {words} before",
                f"This customer's mean payment in the {words} before was {{value}}",
                "higher than for",
                "lower than for",
                kind="money",
            ),
            _spoken(
                f"terminal_count_{window}",
                "terminal",
                f"How many payments this terminal took in the {words} before",
                f"This terminal took {{value}} in the {words} before",
                "more than for",
                "fewer than for",
                kind="count",
                unit="payment",
            ),
            _spoken(
                f"terminal_risk_{window}",
                "terminal",
                f"The share of fraud at this terminal in the {words} up to a week ago",
                f"{{value}} of this terminal's payments in the {words} up to a week ago were fraud "
                "(later ones are not known yet)",
                "more than for",
                "less than for",
                kind="share",
                unit="%",
            ),
        ]
    return found


_PAYMENTS = {
    reason.feature: reason
    for reason in (
        Reason("amount", "The amount", "amount", kind="money"),
        _spoken(
            "amount_ratio",
            "customer",
            "The amount against this customer's usual",
            "The amount, {amount}, is {value} this customer's usual",
            "more than for",
            "less than for",
            kind="number",
            unit="times",
        ),
        _flag(
            "first_at_terminal",
            "customer",
            "Whether this customer pays at this terminal for the first time",
            "It is the first time this customer pays at this terminal",
            "This customer has paid at this terminal before",
        ),
        _spoken(
            "hour",
            "time",
            "The time of day",
            "It happened in the hour from {value}",
            "later in the day than",
            "earlier in the day than",
            kind="hour",
        ),
        _flag(
            "weekend",
            "time",
            "Whether it happened at a weekend",
            "It happened at a weekend",
            "It happened on a working day",
        ),
        *_windows(),
    )
}

_BUNDLED: dict[str, dict[str, Reason]] = {
    "cards": _CARDS,
    "story": _CARDS,
    "payments": _PAYMENTS,
}
_GROUPS: dict[str, dict[str, str]] = {
    "cards": {"amount": "the amount"},
    "payments": {
        "amount": "the amount",
        "customer": "the customer's history",
        "terminal": "the terminal",
        "time": "the time",
    },
}
