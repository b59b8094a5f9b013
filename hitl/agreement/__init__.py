"""People measured: agreement, overrides, flips, errors, bias, dwell and their shift."""

from hitl.agreement.exact import funnel_limits
from hitl.agreement.groups import bias
from hitl.agreement.opinions import FLIPS, flips, gold
from hitl.agreement.overriding import DIRECTIONS, funnel, overrides
from hitl.agreement.pace import (
    dwell,
    dwell_over_shift,
    falling_dwell,
    minutes_without_pause,
    pause_hint,
)
from hitl.agreement.pairs import BANDS, MEASURES, agreement, disagreements, score_band
from hitl.agreement.shares import ALL, Share
from hitl.agreement.shifts import Shift, shift
from hitl.agreement.team import CHECKS, findings

__all__ = [
    "ALL",
    "BANDS",
    "CHECKS",
    "DIRECTIONS",
    "FLIPS",
    "MEASURES",
    "Share",
    "Shift",
    "agreement",
    "bias",
    "disagreements",
    "dwell",
    "dwell_over_shift",
    "falling_dwell",
    "findings",
    "flips",
    "funnel",
    "funnel_limits",
    "gold",
    "minutes_without_pause",
    "overrides",
    "pause_hint",
    "score_band",
    "shift",
]
