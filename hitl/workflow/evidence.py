"""Make the evidence of one row from its recipe: the same recipe gives the same bytes again."""

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from functools import cached_property, lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from hitl import dictionaries, novelty
from hitl import explain as explaining
from hitl.datasets import fingerprint
from hitl.errors import FeatureMismatchError
from hitl.explain import keys, local, text
from hitl.explain.counterfactuals import counterfactual_sentence, counterfactuals
from hitl.explain.curves import curve
from hitl.explain.keys import plain
from hitl.explain.neighbours import neighbours_by_reasons
from hitl.explain.reasons import reasons, written
from hitl.explain.unfamiliar import unfamiliar, warning_sentences
from hitl.workflow.catalogue import Stored
from hitl.workspaces import Workspace

Floats = npt.NDArray[np.float64]

PARAMETERS: dict[str, dict[str, Any]] = {
    "lime": {"samples": 5_000, "seeds": 3},
    "lime-local": {"samples": local.SAMPLES, "seeds": 3, "keep": local.KEEP},
    "counterfactual": {"answers": 3, "max_changed": 3},
    "neighbours": {"k": 10, "alerts": 1_000},
    "curve": {"grid": 16, "sample": 20},
}
"""How each method is run unless somebody says otherwise."""

PARTS = tuple(PARAMETERS)
OPENINGS = {
    "The ": "the ",
    "This ": "this ",
    "How many ": "the number of ",
    "How often ": "the number of times ",
    "Whether ": "whether ",
}
"""How a feature's name begins, and how it begins inside a sentence."""


@dataclass(frozen=True, eq=False)
class Ground:
    """What every explanation of one model stands on, made once for all its cases."""

    current: Stored

    @cached_property
    def face(self) -> explaining.Scorer:
        """The model as a scorer."""
        return explaining.scorer(self.current.model)

    @cached_property
    def known(self) -> pd.DataFrame:
        """Known rows with the model's features, as the detector keeps them."""
        return novelty.reference_rows(self.current.detector)

    @cached_property
    def labels(self) -> npt.NDArray[np.int64]:
        """Class of each known row, 0 or 1."""
        return novelty.reference_labels(self.current.detector)

    @cached_property
    def ids(self) -> npt.NDArray[Any]:
        """Name of each known row."""
        return novelty.reference_ids(self.current.detector)

    @cached_property
    def background(self) -> explaining.Background:
        """Known rows, prepared for LIME."""
        return explaining.prepare(self.face, self.known)

    @cached_property
    def background_sha256(self) -> str:
        """Fingerprint of the known rows."""
        return fingerprint(self.known)

    @cached_property
    def values(self) -> Floats:
        """Known rows, encoded."""
        return self.face.encode(self.known)

    @cached_property
    def limits(self) -> dict[str, tuple[float, float]]:
        """Smallest and largest known value by feature."""
        return explaining.limits_of(self.face, self.values)

    @cached_property
    def donors(self) -> explaining.Donors:
        """Rows whose values a counterfactual may take over."""
        return explaining.donors(self.face, self.values)

    @lru_cache(maxsize=8)  # noqa: B019  a ground lives as long as its model is in use
    def samples(self, count: int, seeds: tuple[int, ...]) -> tuple[explaining.Sample, ...]:
        """Draw the perturbed rows that all cases share."""
        return tuple(
            explaining.draw_sample(self.face, self.known, seed=seed, samples=count)
            for seed in seeds
        )

    @lru_cache(maxsize=2)  # noqa: B019
    def alerts(self, most: int) -> tuple[npt.NDArray[np.int64], Floats]:
        """Give places and contributions of known rows that are flagged or positive."""
        flagged = self.face.probabilities(self.values) >= self.face.threshold
        places = np.flatnonzero(flagged | (self.labels == 1))[:most]
        return places, self.split(self.values[places])

    def frame(self, row: Mapping[str, Any]) -> pd.DataFrame:
        """Lay out a recipe's row as a table of one row, as the model reads it."""
        read = {
            name: np.nan if value is None and name not in self.face.categories else value
            for name, value in row.items()
        }
        return pd.DataFrame([read])

    def encoded(self, row: Mapping[str, Any]) -> Floats:
        """Encode a recipe's row, shape ``(n_features,)``."""
        found: Floats = self.face.encode(self.frame(row))[0]
        return found

    def split(self, values: Floats) -> Floats:
        """Give contributions in log-odds, shape ``(n_rows, n_features)``."""
        if self.face.split is None:
            raise FeatureMismatchError(
                f"{self.face.name} has no exact contributions.", "Explain it as a function."
            )
        return self.face.split(values)[1]


@lru_cache(maxsize=4)
def ground(current: Stored) -> Ground:
    """Give the one ground of a model."""
    return Ground(current)


def recipe(
    current: Stored,
    row: pd.DataFrame,
    space: Workspace,
    *,
    method: str = "all",
    seed: int = 0,
) -> dict[str, Any]:
    """Write down what one row's evidence follows from.

    Parameters
    ----------
    current
        Model and detector.
    row
        The row, shape ``(1, n_columns)``: the model's features, and companions as far as there.
    space
        Whose words and money the sentences speak of.
    method
        One of `hitl.explain.METHODS`.
    seed
        First seed; a method that draws several times counts up from it.
    """
    model = current.model
    identity = current.detector.body["id_column"]
    here = {name: row[name].iloc[0] for name in space.companions if name in row.columns}
    wanted = [part for part in PARTS if method in (part, "all")]
    parameters = {part: dict(PARAMETERS[part]) for part in wanted}
    if "counterfactual" in parameters:
        fixed = [name for name in space.immutable if name in model.features]
        parameters["counterfactual"]["immutable"] = fixed
    return keys.recipe(
        model,
        row,
        background_sha256=ground(current).background_sha256,
        method=method,
        parameters=parameters,
        seed=seed,
        words=_words(space, model.features),
        companions=here,
        row_id=row[identity].iloc[0] if identity in row.columns else None,
    )


def make(current: Stored, recipe: Mapping[str, Any]) -> dict[str, Any]:
    """Make the evidence that a recipe describes.

    Parameters
    ----------
    current
        The model of the recipe, with its detector.
    recipe
        What `recipe` wrote.

    Returns
    -------
    dict
        Plain values. Always: ``key``, ``recipe``, ``model_id``, ``score``, ``probability``,
        ``threshold``, ``is_flagged``, ``state``, ``base_value``, ``contributions`` (log-odds by
        feature), ``residual``, ``table`` (largest contributions with value, typical range and
        percentile), ``novelty``, ``novelty_limit``, ``nearest``, ``unfamiliar``, ``sentence``,
        ``cost``, ``reasons`` (sentences), ``told`` and ``summary``. By method: ``lime``,
        ``lime_local``, ``counterfactuals``, ``neighbours`` and ``alike``, ``curves``.

    Raises
    ------
    DataError
        If the row cannot be explained by this model.
    """
    case = Case(ground(current), recipe)
    body = {"key": keys.key_of(recipe), "recipe": dict(recipe), **_core(case)}
    for part, how in recipe["parameters"].items():
        body |= _MAKERS[part](case, how)
    found: dict[str, Any] = plain(body)
    return found


@dataclass(frozen=True, eq=False)
class Case:
    """One recipe on its ground, with what several parts of its evidence need."""

    base: Ground
    recipe: Mapping[str, Any]

    @cached_property
    def row(self) -> pd.DataFrame:
        """The row as a table, with its name where it has one."""
        identity = self.base.current.detector.body["id_column"]
        named = {} if self.recipe["row_id"] is None else {identity: self.recipe["row_id"]}
        return self.base.frame(self.recipe["row"]).assign(**named)

    @cached_property
    def values(self) -> Floats:
        """The row, encoded, shape ``(n_features,)``."""
        found: Floats = self.base.face.encode(self.row)[0]
        return found

    @cached_property
    def whole(self) -> explaining.Attribution:
        """The score, split by feature."""
        return explaining.attribution(self.base.current.model, self.row)

    @cached_property
    def contributions(self) -> Floats:
        """The parts of the score in the order of the features, shape ``(n_features,)``."""
        return np.array([self.whole.contributions[name] for name in self.base.face.features])

    @cached_property
    def near(self) -> list[dict[Any, Any]]:
        """The nearest known rows, nearest first, at least one."""
        k = self.recipe["parameters"].get("neighbours", {"k": 1})["k"]
        found = novelty.nearest(self.base.current.detector, self.row, k=k)
        return found.to_dict("records")

    @cached_property
    def unseen(self) -> dict[str, str]:
        """Categories of the row that no training row had, by feature."""
        return self.base.face.unseen(self.row)

    @property
    def asked(self) -> pd.DataFrame | Floats:
        """The row, encoded; as it is where it holds a name that its code does not tell."""
        return self.row if self.unseen else self.values[None, :]

    @property
    def words(self) -> dictionaries.Dictionary:
        """How features are spoken of."""
        return _dictionary(self.recipe["words"], self.base.face.features)

    def seeds(self, how: Mapping[str, Any]) -> tuple[int, ...]:
        """Give the seeds of a method, counted up from the recipe's."""
        return tuple(range(self.recipe["seed"], self.recipe["seed"] + how["seeds"]))


Maker = Callable[[Case, Mapping[str, Any]], dict[str, Any]]
"""Makes one part of the evidence; takes the settings of its method."""


def _core(case: Case) -> dict[str, Any]:
    model, detector = case.base.current.model, case.base.current.detector
    whole, words = case.whole, case.recipe["words"]
    distance = float(novelty.distances(detector, case.row)[0])
    is_flagged = bool(whole.probability >= model.threshold)
    state = novelty.states(np.array([is_flagged]), np.array([distance > detector.limit]))
    near = case.near[0]
    return {
        "model_id": case.base.current.model_id,
        "score": whole.score,
        "probability": whole.probability,
        "threshold": model.threshold,
        "is_flagged": is_flagged,
        "state": str(state[0]),
        "base_value": whole.base_value,
        "contributions": whole.contributions,
        "residual": whole.residual,
        "table": _table(case),
        "novelty": distance,
        "novelty_limit": detector.limit,
        "nearest": {
            "id": str(near["neighbour_id"]),
            "label": int(near["neighbour_class"]),
            "distance": float(near["distance"]),
        },
        **_strange(case, distance),
        "sentence": text.verdict_sentence(
            whole.probability,
            model.threshold,
            distance,
            detector.limit,
            words["noun"],
            words["positive"],
        ),
        "cost": _cost(whole.probability, case.recipe, is_guess=distance > detector.limit),
        **_told(case),
    }


def _table(case: Case) -> list[dict[str, Any]]:
    """List the largest contributions, each under the name people give its feature."""
    table = explaining.contribution_table(case.base.current.model, case.row, whole=case.whole)
    labels = [case.words.reason(feature).name for feature in table["feature"]]
    lines = table.assign(label=labels).to_dict("records")
    return [{str(name): part for name, part in line.items()} for line in lines]


def _strange(case: Case, distance: float) -> dict[str, Any]:
    """Say what makes the row unlike the known ones, and warn of it."""
    model, detector, near = case.base.current.model, case.base.current.detector, case.near[0]
    found = unfamiliar(
        case.recipe["row"],
        model.card.get("quantiles", {}),
        case.words,
        features=model.features,
        distance=distance,
        limit=detector.limit,
        nearest_id=str(near["neighbour_id"]),
        nearest_label=int(near["neighbour_class"]),
        unseen=case.unseen,
    )
    return {"unfamiliar": asdict(found), "warnings": warning_sentences(found, case.words)}


def _told(case: Case) -> dict[str, Any]:
    """Tell the reasons, in sentences and in figures."""
    quantiles = case.base.current.model.card.get("quantiles", {})
    found = reasons(case.whole.contributions, case.recipe["row"], quantiles, case.words)
    told = (*found.raising, *found.lowering)
    return {
        "reasons": [one.sentence for one in told],
        "told": [asdict(one) for one in told],
        "summary": found.sentence,
    }


def _lime(case: Case, how: Mapping[str, Any]) -> dict[str, Any]:
    samples = case.base.samples(how["samples"], case.seeds(how))
    found = explaining.shared_lime(
        case.base.face, case.asked, samples, contributions=case.contributions[None, :]
    )
    return {"lime": asdict(found[0])}


def _local(case: Case, how: Mapping[str, Any]) -> dict[str, Any]:
    found = explaining.local_lime(
        case.base.face,
        case.asked,
        case.base.background,
        seeds=case.seeds(how),
        samples=how["samples"],
        keep=how["keep"],
        contributions=case.contributions,
    )
    return {"lime_local": asdict(found)}


def _changes(case: Case, how: Mapping[str, Any]) -> dict[str, Any]:
    found = counterfactuals(
        case.base.face,
        case.values,
        case.base.donors,
        immutable=how["immutable"],
        k=how["answers"],
        max_changed=how["max_changed"],
        unseen=case.unseen,
    )
    spoken = case.words
    names = {feature: _inside(spoken.reason(feature).name) for feature in case.base.face.features}

    def write(feature: str, value: float | str | None) -> str:
        reason = spoken.reason(feature)
        if value is None:
            return "missing"
        is_count = isinstance(value, float) and reason.kind == "count"
        return text.number(float(value)) if is_count else written(value, reason, spoken.currency)

    told = [
        {**asdict(one), "sentence": counterfactual_sentence(one, names, write=write)}
        for one in found
    ]
    return {"counterfactuals": told}


def _neighbours(case: Case, how: Mapping[str, Any]) -> dict[str, Any]:
    """Name the nearest known rows by their values, and the known alerts with like reasons."""
    words = case.recipe["words"]
    near = [
        {
            "id": n["neighbour_id"],
            "label": n["neighbour_class"],
            "truth": words["positive" if n["neighbour_class"] else "negative"],
            "known_from": "training rows",
            "distance": n["distance"],
        }
        for n in case.near
    ]
    truths = pd.DataFrame({"verdict": [n["truth"] for n in near]})
    sentence = text.neighbour_sentence(truths, words["positive"], word="known", noun=words["noun"])
    return {"alike": _alike(case, how), "neighbours": near, "neighbours_sentence": sentence}


def _alike(case: Case, how: Mapping[str, Any]) -> list[dict[str, Any]]:
    base = case.base
    places, pool = base.alerts(how["alerts"])
    others = base.ids[places] != case.recipe["row_id"]
    alike = neighbours_by_reasons(
        case.contributions, pool[others], ids=base.ids[places][others], k=how["k"]
    )
    labels = base.labels[places][others][alike["position"].to_numpy()]
    return [
        {"id": i, "label": int(label), "distance": float(d)}
        for i, label, d in zip(alike["id"], labels, alike["distance"], strict=True)
    ]


def _curve(case: Case, how: Mapping[str, Any]) -> dict[str, Any]:
    """Follow the probability along the feature that weighs most."""
    base = case.base
    feature = base.face.features[int(np.argmax(np.abs(case.contributions)))]
    points = curve(
        base.face,
        case.values,
        base.values,
        feature,
        grid=how["grid"],
        sample=how["sample"],
        unseen=case.unseen,
    )
    found = {
        "feature": feature,
        "label": case.words.reason(feature).name,
        "value": case.recipe["row"][feature],
        "points": points.to_dict("records"),
    }
    return {"curves": [found]}


_MAKERS: dict[str, Maker] = {
    "lime": _lime,
    "lime-local": _local,
    "counterfactual": _changes,
    "neighbours": _neighbours,
    "curve": _curve,
}


def _words(space: Workspace, features: tuple[str, ...]) -> dict[str, Any]:
    words = {
        "workspace": space.name,
        "noun": space.noun,
        "positive": space.positive,
        "negative": space.negative,
        "currency": space.currency,
        "amount": space.amount_column,
        "review_cost": space.review_cost,
    }
    return {**words, "dictionary": _dictionary(words, features).version}


def _dictionary(words: Mapping[str, Any], features: tuple[str, ...]) -> dictionaries.Dictionary:
    named = ("workspace", "noun", "negative", "positive", "currency")
    return _kept_dictionary(features, *(words[name] for name in named))


@lru_cache(maxsize=16)
def _kept_dictionary(
    features: tuple[str, ...],
    workspace: str,
    noun: str,
    negative: str,
    positive: str,
    currency: str,
) -> dictionaries.Dictionary:
    return dictionaries.dictionary(
        workspace, features, noun=noun, negative=negative, positive=positive, currency=currency
    )


def _inside(name: str) -> str:
    """Write a feature's name as it stands inside a sentence, without what is in brackets."""
    name = name.split(" (")[0]
    for opening, inside in OPENINGS.items():
        if name.startswith(opening):
            return inside + name.removeprefix(opening)
    return name


def _cost(probability: float, recipe: Mapping[str, Any], *, is_guess: bool) -> str:
    words = recipe["words"]
    if not words["amount"]:
        return ""
    amount = {**recipe["row"], **recipe["companions"]}.get(words["amount"])
    return text.cost_sentence(
        probability, amount, words["review_cost"], words["currency"], is_guess=is_guess
    )
