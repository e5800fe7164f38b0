"""`make damaged-models`: hundreds of damaged models per runtime, and what became of them.

"largest unseen" is the largest change of a score, relative to it or to the limit, that passed the golden
vectors; of pictures the score is judged, not the map of where. Fails where a damaged model passed its golden
vectors and gives wrong scores (off by more than 10 %), where an error escaped a backend, and where the model
host, given a model that killed or hung the sweep's child, did not answer rightly all the same.
"""

from __future__ import annotations

import argparse
import sys
from collections import Counter

from rich.console import Console
from rich.table import Table

from tests.damaged_models.cases import CASES, host_survives, probes, right_scores
from tests.damaged_models.damage import damaged
from tests.damaged_models.sweep import Damage, Verdict, sweep

FORBIDDEN = {Verdict.ESCAPED, Verdict.SILENT}


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.damaged_models", description=__doc__)
    parser.add_argument(
        "--damages", type=int, default=450, help="per runtime and model (default: %(default)s)"
    )
    parser.add_argument("--through-host", type=int, default=20, help="of these, through the whole model host")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", choices=CASES, action="append")
    chosen = parser.parse_args(arguments)
    console, bad = Console(width=150), 0
    table = Table("model", "damaged", *Verdict, "largest unseen", "host right")
    for name in chosen.only or CASES:
        manifest, artefact = CASES[name]()
        damages = [Damage(kind, data) for kind, data in damaged(artefact, chosen.damages, chosen.seed)]
        judged = sweep(manifest, damages, probes(name), right_scores(name))
        count = Counter(one.verdict for one in judged)
        for one in judged:
            if one.verdict in FORBIDDEN:
                bad += 1
                console.print(f"{name}: {one.verdict} after {one.damage.kind}: {one.reason}")
        fatal = [one.damage for one in judged if one.verdict in (Verdict.CRASH, Verdict.HANG)]
        step = max(len(damages) // max(chosen.through_host, 1), 1)
        through = fatal + damages[::step][: chosen.through_host]
        survived = sum(host_survives(name, damage.artefact) for damage in through)
        bad += len(through) - survived
        cells = [str(count[verdict]) for verdict in Verdict]
        unseen = max(one.off for one in judged)
        table.add_row(name, str(len(damages)), *cells, f"{unseen:.1%}", f"{survived} of {len(through)}")
        console.print(f"{name} done")
    console.print(table)
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
