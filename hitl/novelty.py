"""How unlike the known rows a row is, measured for each class by itself.

Only numbers have a distance: a category, also one never seen before, adds nothing to it. A missing
value is measured as the median of legitimate rows, so it adds as little as can be.
"""

import hashlib
import json
from collections.abc import Collection
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from hitl import datasets, models
from hitl.errors import InputError, ModelFormatError, TamperedModelError, TooFewLabelsError

Floats = npt.NDArray[np.float64]

FORMAT = "second-look-novelty/1"
FILE = "novelty.json"
KNN_FEATURES = 8
NEIGHBOUR = 5
REFERENCE_ROWS = 4_000
MIXTURE_ROWS = 20_000
HELD_OUT = 0.25
HELD_OUT_ROWS = 40_000
FEWEST_LEGITIMATE = 20
QUANTILES = {0: 0.99, 1: 0.95}
COMPONENTS = {0: 6, 1: 2}
FLOORS = {0: 1e-3, 1: 1e-2}
STATES = ("normal", "known anomaly", "novel", "novel and flagged")
_TINY = 1e-9
_HINT = "Fit the detector again."


@dataclass(frozen=True)
class Detector:
    """A fitted detector as plain values.

    Parameters
    ----------
    kind
        ``"knn"`` (up to 8 features) or ``"gmm"``.
    features
        Columns it knows; those that are no category it measures.
    limit
        Distance above which a row is novel.
    rate
        Share of known legitimate rows that may be called novel.
    body
        What was learned, as lists and numbers that can be written as JSON: ``mean``, ``std``,
        ``classes``, ``reference``, and ``held_out`` with the rows and the rate the limit rests on;
        ``fill`` with the value for a missing one, by feature, where training values were missing.
    """

    kind: str
    features: tuple[str, ...]
    limit: float
    rate: float
    body: dict[str, Any]

    @cached_property
    def measured(self) -> tuple[str, ...]:
        """Features that are numbers, in the order in which they are measured."""
        named = self.body["reference"].get("categories", {})
        return tuple(feature for feature in self.features if feature not in named)

    @cached_property
    def _fill(self) -> dict[str, float]:
        return {str(name): float(value) for name, value in self.body.get("fill", {}).items()}

    @cached_property
    def _scale(self) -> tuple[Floats, Floats]:
        return np.array(self.body["mean"]), np.array(self.body["std"])

    @cached_property
    def _classes(self) -> list[dict[str, Any]]:
        lists = self.body["classes"]
        return [{k: np.array(v) if isinstance(v, list) else v for k, v in c.items()} for c in lists]

    @cached_property
    def _reference(self) -> tuple[Floats, npt.NDArray[Any], npt.NDArray[np.int64]]:
        known = self.body["reference"]
        values = _filled(reference_rows(self)[list(self.measured)], self._fill)
        return values, np.array(known["ids"]), np.array(known["classes"], dtype=np.int64)

    @cached_property
    def _tree(self) -> Any:
        from scipy.spatial import cKDTree

        mean, std = self._scale
        return cKDTree((self._reference[0] - mean) / std)


def fit(
    rows: pd.DataFrame,
    *,
    features: tuple[str, ...],
    categorical: Collection[str] = (),
    label: str = "Class",
    id_column: str | None = None,
    seed: int = 0,
    rate: float = 0.001,
) -> Detector:
    """Learn what known rows look like, and from where on a row is unlike them.

    Parameters
    ----------
    rows
        Labelled rows; at least 20 legitimate ones. Without positives only legitimate rows count.
    features
        Columns to look at. Up to 8 numbers: distance to the fifth neighbour; more: Gaussian
        mixtures. A missing value is filled with the median of legitimate rows before measuring.
    categorical
        Those of the features that are no numbers: they are kept with the reference rows but have
        no distance.
    label
        Column of 0 and 1.
    id_column
        Names the reference rows for `nearest`; without it they are numbered by position.
    seed
        Makes the held-out rows, the reference and the mixtures repeatable.
    rate
        Share of held-out legitimate rows that may be novel, in ``(0, 1)``.

    Returns
    -------
    Detector
        ``body["held_out"]`` says on how many rows the limit rests and what share of them is
        novel; with fewer than about ``10 / rate`` rows the limit is a noisy figure.

    Raises
    ------
    DataError
        If the rows cannot be used; `TooFewLabelsError` below 20 legitimate rows.
    InputError
        If the rate is not between 0 and 1, or no feature is a number.

    Notes
    -----
    Each class is measured against itself and divided by its own quantile (99 % of legitimate,
    95 % of positive rows); a row's novelty is the smaller. Pooled over classes, known frauds
    look novel, because they are few.
    """
    if not 0 < rate < 1:
        raise InputError(f"The novelty rate is {rate}.", "Give a share between 0 and 1.")
    measured = tuple(feature for feature in features if feature not in categorical)
    if not measured:
        raise InputError(
            "None of the features is a number, so no distance can be measured.",
            "Add at least one feature of numbers.",
        )
    truth, ids = _labels(rows, features, categorical, label, id_column)
    fill = _fill_of(rows, measured, truth)
    rng = np.random.default_rng(seed)
    legit = rng.permutation(np.flatnonzero(truth == 0))
    kind = "knn" if len(measured) <= KNN_FEATURES else "gmm"
    held, known = _held_out(legit, kind)
    values = _filled(rows[list(measured)], fill)
    mean, std = values[known].mean(axis=0), values[known].std(axis=0)
    scaled = (values - mean) / np.where(std > 0, std, 1.0)
    positive = np.flatnonzero(truth == 1)
    by_class = {0: scaled[known], 1: scaled[positive]}
    learned = [_learn(kind, c, part, seed) for c, part in by_class.items() if len(part) > NEIGHBOUR]
    kept = np.sort(np.r_[known[:REFERENCE_ROWS], positive])
    body = {
        "mean": mean.tolist(),
        "std": np.where(std > 0, std, 1.0).tolist(),
        "classes": learned,
        "reference": _reference_of(rows.iloc[kept], measured, features)
        | {"ids": ids[kept].tolist(), "classes": truth[kept].tolist()},
        "id_column": id_column,
        "seed": seed,
    } | ({"fill": fill} if fill else {})
    return _limited(Detector(kind, features, 0.0, rate, body), rows.iloc[held])


def distances(detector: Detector, rows: pd.DataFrame) -> Floats:
    """Measure each row's novelty: its distance from the class it is nearest to.

    Parameters
    ----------
    detector
        A fitted detector.
    rows
        Rows with its columns.

    Returns
    -------
    Floats
        Shape ``(n_rows,)``, ≥ 0; 1 is the edge of a class, novel is above ``detector.limit``.

    Raises
    ------
    MissingColumnsError, NotNumericError, MissingValuesError
        If the rows cannot be used.
    """
    if not len(rows):
        return np.zeros(0)
    scaled = _scaled(detector, rows)
    measure = _neighbour_distance if detector.kind == "knn" else _mixture_distance
    found = [measure(known, scaled) / known["scale"] for known in detector._classes]
    return np.asarray(np.min(found, axis=0), dtype=np.float64)


def novel(detector: Detector, rows: pd.DataFrame) -> npt.NDArray[np.bool_]:
    """Say which rows lie beyond the detector's limit, shape ``(n_rows,)``.

    Raises
    ------
    MissingColumnsError, NotNumericError, MissingValuesError
        If the rows cannot be used.
    """
    return np.asarray(distances(detector, rows) > detector.limit, dtype=np.bool_)


def nearest(detector: Detector, rows: pd.DataFrame, k: int = 1) -> pd.DataFrame:
    """Find the known rows most like each row.

    Parameters
    ----------
    detector
        A fitted detector.
    rows
        Rows with its columns. If they carry its id column, a row is not its own neighbour.
    k
        Neighbours per row, at least 1; fewer come back if fewer are known.

    Returns
    -------
    DataFrame
        Columns ``row_number`` (position in `rows`), ``neighbour_id``, ``neighbour_class``,
        ``distance`` (Euclidean, in standard deviations), nearest first.

    Raises
    ------
    InputError
        If k is below 1.
    MissingColumnsError, NotNumericError, MissingValuesError
        If the rows cannot be used.
    """
    if k < 1:
        raise InputError(f"k is {k}.", "Ask for at least one neighbour.")
    values, ids, classes = detector._reference
    reach = min(k + 1, len(values))
    far, place = detector._tree.query(_scaled(detector, rows), k=reach)
    far, place = far.reshape(len(rows), reach), place.reshape(len(rows), reach)
    own = _own(detector, rows, ids[place])
    order = np.argsort(own, axis=1, kind="stable")[:, :k]
    number, column = np.repeat(np.arange(len(rows)), order.shape[1]), order.ravel()
    found = place[number, column]
    table = pd.DataFrame(
        {
            "row_number": number,
            "neighbour_id": ids[found],
            "neighbour_class": classes[found],
            "distance": far[number, column],
        }
    )
    return table[~own[number, column]].reset_index(drop=True)


def reference_rows(detector: Detector) -> pd.DataFrame:
    """Give the known rows the detector keeps, in the features' own units.

    Parameters
    ----------
    detector
        A fitted detector.

    Returns
    -------
    DataFrame
        One row per kept known row, one column per feature; missing values are missing.
    """
    known = detector.body["reference"]
    numbers = np.array(known["rows"], dtype=np.float64).reshape(-1, len(detector.measured))
    rows = pd.DataFrame(numbers, columns=list(detector.measured))
    return rows.assign(**known.get("categories", {}))[list(detector.features)]


def reference_ids(detector: Detector) -> npt.NDArray[Any]:
    """Give the name of each of `reference_rows`, shape ``(n_rows,)``."""
    return np.array(detector.body["reference"]["ids"])


def reference_labels(detector: Detector) -> npt.NDArray[np.int64]:
    """Give the class, 0 or 1, of each of `reference_rows`, shape ``(n_rows,)``."""
    return np.array(detector.body["reference"]["classes"], dtype=np.int64)


def states(flagged: npt.ArrayLike, novel: npt.ArrayLike) -> npt.NDArray[np.str_]:
    """Name each row's state from what model and detector say.

    Parameters
    ----------
    flagged, novel
        Booleans, shape ``(n_rows,)``.

    Returns
    -------
    ndarray
        One of `STATES` per row.

    Raises
    ------
    ValueError
        If the two differ in length.

    Examples
    --------
    >>> states([False, True, False], [False, False, True]).tolist()
    ['normal', 'known anomaly', 'novel']
    """
    one, two = np.asarray(flagged, dtype=bool), np.asarray(novel, dtype=bool)
    if one.shape != two.shape:
        raise ValueError(f"flagged has shape {one.shape}, novel {two.shape}")
    return np.asarray(np.array(STATES)[one.astype(int) + 2 * two.astype(int)], dtype=np.str_)


def to_dict(detector: Detector) -> dict[str, Any]:
    """Write a detector as plain values with their SHA-256; `from_dict` reads them."""
    plain = {
        "format": FORMAT,
        "kind": detector.kind,
        "features": list(detector.features),
        "limit": detector.limit,
        "rate": detector.rate,
        "body": detector.body,
    }
    return plain | {"sha256": _sha256(plain)}


def from_dict(stored: dict[str, Any]) -> Detector:
    """Read a detector from plain values and try it on its own reference rows.

    Parameters
    ----------
    stored
        What `to_dict` wrote.

    Raises
    ------
    ModelFormatError
        If a field is missing or cannot be used.
    TamperedModelError
        If the values do not match their checksum.
    """
    try:
        plain = {k: stored[k] for k in ("format", "kind", "features", "limit", "rate", "body")}
        told = stored["sha256"]
    except (KeyError, TypeError) as error:
        raise ModelFormatError(f"The detector lacks a field: {error}.", _HINT) from error
    if plain["format"] != FORMAT or plain["kind"] not in ("knn", "gmm"):
        raise ModelFormatError(
            f"The detector has format {plain['format']!r} and kind {plain['kind']!r}.", _HINT
        )
    if _sha256(plain) != told:
        raise TamperedModelError("The detector is not the one that was stored.", _HINT)
    try:
        detector = Detector(
            plain["kind"],
            tuple(plain["features"]),
            float(plain["limit"]),
            float(plain["rate"]),
            plain["body"],
        )
        tried = reference_rows(detector).head(5)
        nearest(detector, tried)
        sound = bool(np.isfinite([*distances(detector, tried), detector.limit]).all())
    except (KeyError, TypeError, ValueError, IndexError, AttributeError) as error:
        raise ModelFormatError(f"The detector cannot be used: {error}.", _HINT) from error
    if not sound:
        raise ModelFormatError("The detector gives distances that are not numbers.", _HINT)
    return detector


def save(detector: Detector, folder: Path) -> None:
    """Write ``novelty.json`` into a folder, whole or not at all; parents are made."""
    folder.mkdir(parents=True, exist_ok=True)
    partial = folder / f".{FILE}.partial"
    partial.write_text(json.dumps(to_dict(detector), allow_nan=False) + "\n", "utf-8")
    partial.replace(folder / FILE)


def load(folder: Path) -> Detector:
    """Read the detector that `save` wrote.

    Raises
    ------
    ModelFormatError, TamperedModelError
        As `from_dict`; also if the file is missing or not JSON.
    """
    try:
        stored = json.loads((folder / FILE).read_bytes())
    except (OSError, ValueError) as error:
        raise ModelFormatError(f"{folder / FILE} cannot be read: {error}.", _HINT) from error
    return from_dict(stored)


def _labels(
    rows: pd.DataFrame,
    features: tuple[str, ...],
    categorical: Collection[str],
    label: str,
    id_column: str | None,
) -> tuple[npt.NDArray[np.int64], npt.NDArray[Any]]:
    datasets.check_rows(
        rows,
        features=(*features, label),
        id_column=id_column,
        categorical=categorical,
        missing=features,
    )
    truth = rows[label].to_numpy(dtype=np.float64)
    if not np.isin(truth, (0, 1)).all():
        raise TooFewLabelsError(f"Column {label!r} holds values other than 0 and 1.", "Recode it.")
    if (truth == 0).sum() < FEWEST_LEGITIMATE:
        raise TooFewLabelsError(
            f"{int((truth == 0).sum())} legitimate rows are known; {FEWEST_LEGITIMATE} are needed.",
            "Label more rows.",
        )
    ids = np.arange(len(rows)) if id_column is None else rows[id_column].to_numpy()
    return truth.astype(np.int64), ids


def _fill_of(
    rows: pd.DataFrame, measured: tuple[str, ...], truth: npt.NDArray[np.int64]
) -> dict[str, float]:
    """Find what stands for a missing value: the median of legitimate rows, else of all."""
    fill = {}
    for feature in measured:
        column = rows[feature]
        if column.isna().any():
            models.refuse_empty(column)
            legit = column[truth == 0].dropna()
            fill[feature] = float((legit if len(legit) else column.dropna()).median())
    return fill


def _filled(rows: pd.DataFrame, fill: dict[str, float]) -> Floats:
    values = np.array(rows.to_numpy(dtype=np.float64, na_value=np.nan))
    for place, feature in enumerate(rows.columns):
        if feature in fill:
            values[np.isnan(values[:, place]), place] = fill[feature]
    return values


def _reference_of(
    rows: pd.DataFrame, measured: tuple[str, ...], features: tuple[str, ...]
) -> dict[str, Any]:
    values = rows[list(measured)].to_numpy(dtype=np.float64, na_value=np.nan)
    numbers = [[None if np.isnan(v) else v for v in row] for row in values.tolist()]
    named = {f: models.texts(rows[f]).tolist() for f in features if f not in measured}
    return {"rows": numbers} | ({"categories": named} if named else {})


def _held_out(
    legit: npt.NDArray[np.int64], kind: str
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Split shuffled legitimate rows: at least a quarter held out, the rest to learn from.

    Rows beyond what a detector learns from are held out too: they make the limit steadier.
    """
    learns = REFERENCE_ROWS if kind == "knn" else MIXTURE_ROWS
    known = min(len(legit) - int(np.ceil(HELD_OUT * len(legit))), learns)
    return legit[known:][:HELD_OUT_ROWS], legit[:known]


def _limited(detector: Detector, held: pd.DataFrame) -> Detector:
    far = distances(detector, held)
    limit = float(np.quantile(far, 1 - detector.rate, method="higher"))
    told = {"rows": len(far), "novel_share": float((far > limit).mean())}
    told["rows_above"] = int((far > limit).sum())
    body = detector.body | {"held_out": told}
    return Detector(detector.kind, detector.features, limit, detector.rate, body)


def _learn(kind: str, label: int, values: Floats, seed: int) -> dict[str, Any]:
    learn = _learn_neighbours if kind == "knn" else _learn_mixture
    return {"class": label} | learn(label, values, seed)


def _learn_neighbours(label: int, values: Floats, seed: int) -> dict[str, Any]:
    from scipy.spatial import cKDTree

    own = cKDTree(values).query(values, k=NEIGHBOUR + 1)[0][:, -1]
    return {"rows": values.tolist(), "scale": _edge(own, label)}


def _learn_mixture(label: int, values: Floats, seed: int) -> dict[str, Any]:
    from sklearn.mixture import GaussianMixture
    from threadpoolctl import threadpool_limits

    distinct = len(np.unique(values, axis=0))
    mixture = GaussianMixture(
        min(COMPONENTS[label], distinct), reg_covar=FLOORS[label], random_state=seed, max_iter=500
    )
    with threadpool_limits(1):  # on a busy machine BLAS's threads wait longer than they work
        mixture.fit(values)
    learned: dict[str, Any] = {
        "weights": mixture.weights_,
        "means": mixture.means_,
        "roots": mixture.precisions_cholesky_,
    }
    learned["peak"] = float(np.max(_log_density(learned, mixture.means_)))
    own = _mixture_distance(learned, values)
    lists = {k: learned[k].tolist() for k in ("weights", "means", "roots")}
    return lists | {"peak": learned["peak"], "scale": _edge(own, label)}


def _edge(own: Floats, label: int) -> float:
    return max(float(np.quantile(own, QUANTILES[label])), _TINY)


def _neighbour_distance(known: dict[str, Any], scaled: Floats) -> Floats:
    from scipy.spatial import cKDTree

    far = cKDTree(known["rows"]).query(scaled, k=[NEIGHBOUR])[0][:, 0]
    return np.asarray(far, dtype=np.float64)


def _mixture_distance(known: dict[str, Any], scaled: Floats) -> Floats:
    """Turn a log density into a distance: with one component it is Mahalanobis'."""
    below = 2 * (known["peak"] - _log_density(known, scaled))
    return np.asarray(np.sqrt(np.maximum(below, 0.0)), dtype=np.float64)


def _log_density(known: dict[str, Any], scaled: Floats) -> Floats:
    """Add up the mixture's components; the constant of the normal density is left out."""
    parts = []
    for share, mean, root in zip(known["weights"], known["means"], known["roots"], strict=True):
        stretched = (scaled - mean) @ root
        size = np.log(np.diag(root)).sum() + np.log(share)
        parts.append(size - 0.5 * (stretched**2).sum(axis=1))
    return np.asarray(np.logaddexp.reduce(parts, axis=0), dtype=np.float64)


def _scaled(detector: Detector, rows: pd.DataFrame) -> Floats:
    if len(rows):
        datasets.check_rows(rows, features=detector.measured, missing=detector._fill)
    mean, std = detector._scale
    values = None if detector._fill else datasets.plain_numbers(rows, detector.measured)
    if values is None:
        values = _filled(rows[list(detector.measured)], detector._fill)
    return np.asarray((values - mean) / std, dtype=np.float64)


def _own(detector: Detector, rows: pd.DataFrame, found: npt.NDArray[Any]) -> npt.NDArray[np.bool_]:
    """Mark neighbours that are the row itself."""
    name = detector.body["id_column"]
    if name is None or name not in rows.columns:
        return np.zeros(found.shape, dtype=bool)
    return np.asarray(found == rows[name].to_numpy()[:, None], dtype=np.bool_)


def _sha256(plain: dict[str, Any]) -> str:
    text = json.dumps(plain, sort_keys=True, separators=(",", ":"), default=str)
    return hashlib.sha256(text.encode()).hexdigest()
