"""The same verbs from a terminal: JSON on stdout with --json, everything else on stderr."""

import os
import sys

from hitl import options
from hitl.errors import HitlError
from hitl.terminal import output
from hitl.terminal.databases import backup, decisions, demo, restore, seed
from hitl.terminal.explaining import explain, replay
from hitl.terminal.files import evaluate, sample, score, train
from hitl.terminal.logs import log

VERBS = (
    seed, demo, train, evaluate, score, explain, replay, decisions, log, backup, restore, sample,
)  # fmt: skip


def main(arguments: list[str] | None = None) -> int:
    """Run one verb; 0 when it is done, 2 on a mistake the user can put right."""
    given = options.parser(VERBS, __doc__).parse_args(arguments)
    try:
        answer = given.verb(given)
        failed = answer.pop("failed", False)
        output.tell(answer, as_json=given.json)
        if failed:
            if given.json:
                output.say(answer["said"])
            return 2
    except HitlError as error:
        output.say(" ".join(str(error).split()))
        return 2
    except BrokenPipeError:  # whoever reads our output has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except OSError as error:
        output.say(
            f"{error.filename or 'A file'} cannot be used: {error.strerror}. "
            "Check the path, its permissions and the free space."
        )
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
