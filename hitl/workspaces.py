"""What a data set means here: its columns and their roles, class names, nouns and reasons."""

from dataclasses import dataclass

from hitl.errors import InputError

CARD_FEATURES = (*(f"V{i}" for i in range(1, 29)), "Amount")
CARD_NOTICE = (
    "Contains information from the ULB/Worldline credit-card fraud data, "
    "made available under the Open Database License 1.0."
)
CARD_PREVALENCE = 492 / 284_807
PAYMENT_FEATURES = (
    "amount",
    "hour",
    "weekend",
    *(f"customer_{what}_{days}d" for what in ("count", "mean") for days in (1, 7, 30)),
    "amount_ratio",
    "first_at_terminal",
    *(f"terminal_{what}_{days}d" for what in ("count", "risk") for days in (1, 7, 30)),
)
PAYMENT_PREVALENCE = 14_681 / 1_754_155
"""Share of fraud that the handbook reports of the world the payments are simulated after."""

SIMULATED = (
    "Simulated people: age band and region were drawn at random and are never given to the model. "
)
PLANTED = (
    SIMULATED + "A disparity is planted: 1.2 % of the legitimate payments of customers of 18 to 29 "
    "are 4 to 6 times as large as usual and resemble fraud; region changes nothing. Company "
    "payments carry neither."
)
NOT_PLANTED = (
    SIMULATED + "No disparity is planted (the setting payments_disparity is off). Company payments "
    "carry neither."
)
SECONDS_PER_HOUR = 3_600


@dataclass(frozen=True)
class Workspace:
    """One data set with the words its pages use.

    `companions` are shown beside a case; `sensitive` columns are kept for Fairness and shown
    nowhere else; neither enters a model unless it is one of `features`. `review_cost` is what one
    review costs, in `currency`. `immutable` are features that nothing done about a case can change
    any more. `amount_column` is empty where there is no amount.
    """

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
    amount_column: str = ""
    sensitive: tuple[str, ...] = ()
    review_cost: float = 6.0
    immutable: tuple[str, ...] = ()
    is_simulated: bool = False

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
    amount_column="Amount",
)

PAYMENTS = Workspace(
    name="payments",
    title="Payments",
    sentence=(
        "Simulated payments with readable features: what is usual for this customer and this "
        "terminal, three kinds of fraud, and a new kind of legitimate payment."
    ),
    features=PAYMENT_FEATURES,
    shown=("amount_ratio", "terminal_risk_7d"),
    companions=("amount", "hour", "customer", "terminal"),
    noun="payment",
    positive="fraud",
    negative="legitimate",
    prevalence=PAYMENT_PREVALENCE,
    outcome_delay_s=7 * 86_400,
    opening_rows=1_200,
    false_alarm_budget=0.005,
    notice=(
        "Simulated: no customer, terminal or payment is real. Made after the published figures of "
        "the Fraud Detection Handbook (Le Borgne, Siblini, Lebichot and Bontempi)."
    ),
    sensitive_note=PLANTED,
    id_column="payment",
    time_column="time_s",
    label_column="is_fraud",
    amount_column="amount",
    sensitive=("age_band", "region"),
    immutable=tuple(
        f"customer_{what}_{days}d" for what in ("count", "mean") for days in (1, 7, 30)
    ),
    is_simulated=True,
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

WORKSPACES: dict[str, Workspace] = {w.name: w for w in (CARDS, PAYMENTS, STORY)}


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


def plain_workspace(features: tuple[str, ...]) -> Workspace:
    """Return the words for somebody's own rows, of which only the columns are known.

    Parameters
    ----------
    features
        What the model reads.

    Examples
    --------
    >>> plain_workspace(("age",)).noun
    'row'
    """
    first, last = features[0], features[-1]
    return Workspace(
        name="rows",
        title="Rows",
        sentence="Rows of a file.",
        features=features,
        shown=(first, last),
        companions=(),
        noun="row",
        positive="positive",
        negative="negative",
        prevalence=0.5,
        outcome_delay_s=0,
        opening_rows=0,
        false_alarm_budget=0.001,
        notice="",
        sensitive_note="",
        currency="",
    )
