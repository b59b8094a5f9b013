"""Make the evidence of one row from its recipe: the same recipe gives the same bytes again."""

from collections.abc import Mapping
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
    base = ground(current)
    row = _row(recipe, base)
    values = base.face.encode(row)[0]
    k = recipe["parameters"].get("neighbours", {"k": 1})["k"]
    near = novelty.nearest(current.detector, row, k=k).to_dict("records")
    core = _core(base, row, recipe, near[0])
    body = {"key": keys.key_of(recipe), "recipe": dict(recipe), **core}
    contributions = np.array([body["contributions"][name] for name in base.face.features])
    for part, how in recipe["parameters"].items():
        body |= _MAKERS[part](base, values, contributions, how, recipe)
    if "alike" in body:
        body["neighbours"] = [
            {
                "id": n["neighbour_id"],
                "label": n["neighbour_class"],
                "truth": recipe["words"]["positive" if n["neighbour_class"] else "negative"],
                "known_from": "training rows",
                "distance": n["distance"],
            }
            for n in near
        ]
        truths = pd.DataFrame({"verdict": [n["truth"] for n in body["neighbours"]]})
        words = recipe["words"]
        body["neighbours_sentence"] = text.neighbour_sentence(
            truths, words["positive"], word="known", noun=words["noun"]
        )
    found: dict[str, Any] = plain(body)
    return found


def _core(
    base: Ground, row: pd.DataFrame, recipe: Mapping[str, Any], near: Mapping[Any, Any]
) -> dict[str, Any]:
    model, detector, words = base.current.model, base.current.detector, recipe["words"]
    whole = explaining.attribution(model, row)
    table = explaining.contribution_table(model, row, whole=whole)
    distance = float(novelty.distances(detector, row)[0])
    quantiles = model.card.get("quantiles", {})
    spoken = _dictionary(words, model.features)
    told = reasons(whole.contributions, recipe["row"], quantiles, spoken)
    is_flagged = bool(whole.probability >= model.threshold)
    state = novelty.states(np.array([is_flagged]), np.array([distance > detector.limit]))
    near_id, near_label = str(near["neighbour_id"]), int(near["neighbour_class"])
    unlike = unfamiliar(
        recipe["row"],
        quantiles,
        spoken,
        features=model.features,
        distance=distance,
        limit=detector.limit,
        nearest_id=near_id,
        nearest_label=near_label,
    )
    return {
        "model_id": base.current.model_id,
        "score": whole.score,
        "probability": whole.probability,
        "threshold": model.threshold,
        "is_flagged": is_flagged,
        "state": str(state[0]),
        "base_value": whole.base_value,
        "contributions": whole.contributions,
        "residual": whole.residual,
        "table": [
            {**line, "label": spoken.reason(str(line["feature"])).name}
            for line in table.to_dict("records")
        ],
        "novelty": distance,
        "novelty_limit": detector.limit,
        "nearest": {"id": near_id, "label": near_label, "distance": float(near["distance"])},
        "unfamiliar": asdict(unlike),
        "warnings": warning_sentences(unlike, spoken),
        "sentence": text.verdict_sentence(
            whole.probability,
            model.threshold,
            distance,
            detector.limit,
            words["noun"],
            words["positive"],
        ),
        "cost": _cost(whole.probability, recipe),
        "reasons": [one.sentence for one in (*told.raising, *told.lowering)],
        "told": [asdict(one) for one in (*told.raising, *told.lowering)],
        "summary": told.sentence,
    }


def _lime(
    base: Ground,
    values: Floats,
    contributions: Floats,
    how: Mapping[str, Any],
    recipe: Mapping[str, Any],
) -> dict[str, Any]:
    samples = base.samples(how["samples"], _seeds(recipe, how))
    found = explaining.shared_lime(
        base.face, values[None, :], samples, contributions=contributions[None, :]
    )
    return {"lime": asdict(found[0])}


def _local(
    base: Ground,
    values: Floats,
    contributions: Floats,
    how: Mapping[str, Any],
    recipe: Mapping[str, Any],
) -> dict[str, Any]:
    found = explaining.local_lime(
        base.face,
        values,
        base.background,
        seeds=_seeds(recipe, how),
        samples=how["samples"],
        keep=how["keep"],
        contributions=contributions,
    )
    return {"lime_local": asdict(found)}


def _changes(
    base: Ground,
    values: Floats,
    contributions: Floats,
    how: Mapping[str, Any],
    recipe: Mapping[str, Any],
) -> dict[str, Any]:
    del contributions
    found = counterfactuals(
        base.face,
        values,
        base.donors,
        immutable=how["immutable"],
        k=how["answers"],
        max_changed=how["max_changed"],
    )
    spoken = _dictionary(recipe["words"], base.face.features)
    names = {feature: _inside(spoken.reason(feature).name) for feature in base.face.features}

    def write(feature: str, value: float | str | None) -> str:
        reason = spoken.reason(feature)
        if value is None:
            return "missing"
        is_count = isinstance(value, float) and reason.kind == "count"
        return text.number(float(value)) if is_count else written(value, reason, spoken.currency)

    told = [
        {
            **asdict(one),
            "sentence": counterfactual_sentence(one, names, write=write),
        }
        for one in found
    ]
    return {"counterfactuals": told}


def _alike(
    base: Ground,
    values: Floats,
    contributions: Floats,
    how: Mapping[str, Any],
    recipe: Mapping[str, Any],
) -> dict[str, Any]:
    del values
    places, pool = base.alerts(how["alerts"])
    others = base.ids[places] != recipe["row_id"]
    alike = neighbours_by_reasons(
        contributions, pool[others], ids=base.ids[places][others], k=how["k"]
    )
    labels = base.labels[places][others][alike["position"].to_numpy()]
    return {
        "alike": [
            {"id": i, "label": int(label), "distance": float(d)}
            for i, label, d in zip(alike["id"], labels, alike["distance"], strict=True)
        ]
    }


def _curve(
    base: Ground,
    values: Floats,
    contributions: Floats,
    how: Mapping[str, Any],
    recipe: Mapping[str, Any],
) -> dict[str, Any]:
    """Follow the probability along the feature that weighs most."""
    feature = base.face.features[int(np.argmax(np.abs(contributions)))]
    points = curve(base.face, values, base.values, feature, grid=how["grid"], sample=how["sample"])
    spoken = _dictionary(recipe["words"], base.face.features)
    found = {
        "feature": feature,
        "label": spoken.reason(feature).name,
        "value": recipe["row"][feature],
        "points": points.to_dict("records"),
    }
    return {"curves": [found]}


_MAKERS = {
    "lime": _lime,
    "lime-local": _local,
    "counterfactual": _changes,
    "neighbours": _alike,
    "curve": _curve,
}


def _seeds(recipe: Mapping[str, Any], how: Mapping[str, Any]) -> tuple[int, ...]:
    return tuple(range(recipe["seed"], recipe["seed"] + how["seeds"]))


def _row(recipe: Mapping[str, Any], base: Ground) -> pd.DataFrame:
    identity = base.current.detector.body["id_column"]
    named = {} if recipe["row_id"] is None else {identity: recipe["row_id"]}
    return base.frame(recipe["row"]).assign(**named)


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


def _cost(probability: float, recipe: Mapping[str, Any]) -> str:
    words = recipe["words"]
    if not words["amount"]:
        return ""
    amount = {**recipe["row"], **recipe["companions"]}.get(words["amount"])
    return text.cost_sentence(probability, amount, words["review_cost"], words["currency"])
