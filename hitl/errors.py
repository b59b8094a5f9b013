"""Every error a user can meet.

HitlError                         what happened, and a hint that says what to change
├── DataError                     rows that cannot be used
│   ├── FileFormatError           not CSV or Parquet, or damaged
│   ├── EmptyDataError            no rows
│   ├── MissingColumnsError       columns the model or the label needs
│   ├── NotNumericError           text where a number belongs
│   ├── MissingValuesError        NaN or infinity where a number belongs
│   ├── DuplicateIdsError         two rows with one id
│   ├── UnknownRowError           a row number or case id that is not there
│   └── TooFewLabelsError         a class is missing or too small
├── ModelError
│   ├── NoChampionError           nothing promoted yet
│   ├── DivergedModelError        training ran away; the scores mean nothing
│   ├── FeatureMismatchError      model and rows disagree on columns
│   ├── ModelFormatError          not a LightGBM text model (a pickle, say)
│   ├── TamperedModelError        the text is not the one that was stored
│   └── TamperedExplanationError  key, recipe and known rows do not belong together
├── ConflictError                 somebody was faster
│   ├── AlreadyDecidedError
│   ├── LeaseLostError            the claim ran out or passed to somebody else
│   └── StaleChallengerError      the champion changed since the comparison
├── BlockedPromotionError         a gate is not passed
├── NotAllowedError               a role that may not do this
├── NotRevealedError              a first opinion is due before this is shown or done
├── NothingToLearnError           no new decision to retrain from
├── InputError                    an option, setting or form field that cannot be used
└── StoreError
    ├── DatabaseLockedError       another process owns the database file
    └── BackupError               a backup that cannot be written or read
"""


class HitlError(Exception):
    """Something a user can put right: what happened, and what to change.

    Parameters
    ----------
    message
        One sentence that names the value that was wrong.
    hint
        One sentence that says what to change; may be empty.
    """

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message} {self.hint}".strip()


class DataError(HitlError):
    """Rows that cannot be used."""


class FileFormatError(DataError):
    """A file that is neither CSV nor Parquet, or is damaged."""


class EmptyDataError(DataError):
    """A file or selection without rows."""


class MissingColumnsError(DataError):
    """Columns that the model or the label needs are not there."""


class NotNumericError(DataError):
    """Text where a number belongs."""


class MissingValuesError(DataError):
    """NaN or infinity where a number belongs."""


class DuplicateIdsError(DataError):
    """Two rows carry one id."""


class UnknownRowError(DataError):
    """A row number or case id that is not there."""


class TooFewLabelsError(DataError):
    """A class is missing or too small to train or compare."""


class ModelError(HitlError):
    """A model that cannot be used."""


class NoChampionError(ModelError):
    """Nothing has been promoted yet."""


class DivergedModelError(ModelError):
    """Training ran away; the scores mean nothing."""


class FeatureMismatchError(ModelError):
    """Model and rows disagree on columns."""


class ModelFormatError(ModelError):
    """Something that is not a LightGBM text model."""


class TamperedModelError(ModelError):
    """The model's text is not the one that was stored."""


class TamperedExplanationError(ModelError):
    """An explanation whose key, recipe and known rows do not belong together."""


class ConflictError(HitlError):
    """Somebody was faster."""


class AlreadyDecidedError(ConflictError):
    """The case has a decision already."""


class LeaseLostError(ConflictError):
    """The claim ran out or passed to somebody else."""


class StaleChallengerError(ConflictError):
    """The champion changed since the comparison."""


class BlockedPromotionError(HitlError):
    """A gate is not passed."""


class NotAllowedError(HitlError):
    """A person whose role may not do this."""


class NotRevealedError(HitlError):
    """Score and explanation stay hidden until a first opinion is given."""


class NothingToLearnError(HitlError):
    """There is no new decision to retrain from."""


class InputError(HitlError):
    """An option, setting or form field that cannot be used."""


class StoreError(HitlError):
    """The database cannot do what was asked."""


class DatabaseLockedError(StoreError):
    """Another process owns the database file."""


class BackupError(StoreError):
    """A backup that cannot be written or read."""
