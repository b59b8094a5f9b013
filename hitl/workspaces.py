"""What a data set means here: its columns and their roles, class names, nouns and reasons."""

from dataclasses import dataclass

from hitl.errors import InputError

CARD_FEATURES = (*(f"V{i}" for i in range(1, 29)), "Amount")
CARD_NOTICE = (
    "Contains information from the ULB/Worldline credit-card fraud data, "
    "made available under the Open Database License 1.0."
)
CARD_PREVALENCE = 492 / 284_807
SECONDS_PER_HOUR = 3_600


@dataclass(frozen=True)
class Workspace:
    """One data set with the words its pages use."""

    name: str
    title: str
    sentence: str
    features: tuple[str, ...]
    shown: tuple[str, str]
    companions: tuple[str, ...]
    noun: str
    positive: str
    negative: str
    prevalence: float
    outcome_delay_s: int
    opening_rows: int
    false_alarm_budget: float
    notice: str
    sensitive_note: str
    has_segments: bool = True
    id_column: str = "row"
    time_column: str = "Time"
    label_column: str = "Class"
    weight_column: str = "weight"
    currency: str = "€"

    @property
    def verdicts(self) -> tuple[str, str, str]:
        """The three verdicts a person can give."""
        return (self.positive, self.negative, UNSURE)


UNSURE = "unsure"

REASONS: dict[str, tuple[str, ...]] = {
    "fraud": ("matches known fraud", "unusual amount or time", "customer confirmed fraud"),
    "legitimate": ("matches known legitimate", "new but plausible", "customer confirmed it"),
    "unsure": ("evidence contradicts itself", "needs the customer", "needs a second opinion"),
}
"""Closed list of reasons for each verdict."""

CARDS = Workspace(
    name="cards",
    title="Cards",
    sentence="Real card payments of September 2013, scored by LightGBM on 29 features.",
    features=CARD_FEATURES,
    shown=("V14", "V4"),
    companions=("Amount", "Time"),
    noun="payment",
    positive="fraud",
    negative="legitimate",
    prevalence=CARD_PREVALENCE,
    outcome_delay_s=1_800,
    opening_rows=120,
    false_alarm_budget=0.003,
    notice=CARD_NOTICE,
    sensitive_note=(
        "Card data carry no attribute of a person: V1 to V28 are principal components and nobody's "
        "age, sex or origin is known. The groups here are segments of the payment itself."
    ),
)

STORY = Workspace(
    name="story",
    title="Story",
    sentence=(
        "A teaching tape of 30 seconds on two features: known payments, then payments unlike "
        "anything in training that the model wrongly flags."
    ),
    features=("V4", "V14"),
    shown=("V14", "V4"),
    companions=(),
    noun="payment",
    positive="fraud",
    negative="legitimate",
    prevalence=CARD_PREVALENCE,
    outcome_delay_s=2,
    opening_rows=0,
    false_alarm_budget=0.002,
    notice=CARD_NOTICE + " Rows marked constructed were made by us.",
    sensitive_note="The story's rows carry two principal components and nothing about a person.",
    has_segments=False,
)

WORKSPACES: dict[str, Workspace] = {w.name: w for w in (CARDS, STORY)}


def workspace(name: str) -> Workspace:
    """Return a workspace by its name.

    Parameters
    ----------
    name
        One of the names in `WORKSPACES`.

    Raises
    ------
    InputError
        If there is no such workspace.

    Examples
    --------
    >>> workspace("story").features
    ('V4', 'V14')
    """
    if name not in WORKSPACES:
        raise InputError(
            f"There is no workspace {name!r}.", f"Choose one of: {', '.join(WORKSPACES)}."
        )
    return WORKSPACES[name]
