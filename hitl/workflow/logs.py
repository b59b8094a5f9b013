"""The log of a workspace's cases: check its chain and its heads."""

from dataclasses import dataclass

from hitl.store import Store, Work, chains


@dataclass(frozen=True)
class Verified:
    """What a check of the log found; ``first_bad`` is the number of the first event in question."""

    workspace: str
    events: int
    valid: bool
    first_bad: int | None
    sentence: str


def verify(store: Store, workspace: str, *, whole: bool = True) -> Verified:
    """Check that a workspace's events are those that were written, and its heads their fold.

    Every event's hash is computed again, every event has to name the hash before it, no number may
    be missing, the last event has to be the one the chain ends with, and every head has to follow
    from its events.

    Parameters
    ----------
    whole
        If false, only the hashes of events since the last check that passed are computed again;
        everything else is checked all the same. A start does this.
    """
    with store.transaction() as work:
        number, last, checked = _end(work, workspace)
        (events,) = work.rows("event_count", workspace)[0]
        bad = _first_bad(work, workspace, number, last, 0 if whole else checked)
        if bad is not None:
            return _broken(workspace, events, bad)
        for what in ("head_differences", "place_differences") if whole else ("head_differences",):
            different, case = work.rows(what, workspace)[0]
            if different:
                return _strayed(work, workspace, events, case)
        if number > checked:
            work.rows("mark_checked", workspace, number)
        sentence = (
            f"All {events:,} events are as they were written, and the queue follows from them."
        )
        return Verified(workspace, events, valid=True, first_bad=None, sentence=sentence)


def _end(work: Work, workspace: str) -> tuple[int, str, int]:
    found = work.rows("chain_head", workspace)
    number, last, checked = found[0] if found else (0, chains.BEGINNING, 0)
    return int(number), str(last), int(checked)


def _first_bad(work: Work, workspace: str, number: int, last: str, since: int) -> int | None:
    """Find the first event that breaks the chain; hashes are computed from `since` on."""
    breaks, place = work.rows("chain_breaks", workspace)[0]
    found = [int(place)] if breaks else []
    before = chains.BEGINNING
    position = max(since - 1, 0)
    for batch in work.batches("chain_part", workspace, position):
        if position and before == chains.BEGINNING:  # the last checked event gives the beginning
            before = str(batch["previous_hash"][0].as_py())
        bad = chains.first_bad(batch, position, before)
        if bad is not None:
            return min([*found, bad])
        position += batch.num_rows
        before = str(batch["hash"][-1].as_py())
    if not found and (position, before) != (number, last):
        return min(position, number) + 1
    return min(found, default=None)


def _broken(workspace: str, events: int, bad: int) -> Verified:
    sentence = (
        f"Event {bad:,} of {workspace} is not the one that was written; what comes after it cannot "
        "be trusted either. Restore a backup, or compare with an exported log."
    )
    return Verified(workspace, events, valid=False, first_bad=bad, sentence=sentence)


def _strayed(work: Work, workspace: str, events: int, case: str) -> Verified:
    found = work.view("case_events", workspace=workspace, instance_id=case)
    bad = int(found["number"].max()) if len(found) else None
    sentence = (
        f"The queue does not follow from its events: case {case} differs. "
        "Export the log and import it into a new database."
    )
    return Verified(workspace, events, valid=False, first_bad=bad, sentence=sentence)
