"""A service that captures and ends without a clean close: traced by the tests.

`python -m tests.appliance.capture_load FOLDER N [all]`: with a budget for a few, or for all of them. Says
`stored ID` of each capture that its journal has.
"""

from __future__ import annotations

import asyncio
import os
import sys
from dataclasses import replace
from pathlib import Path

from appliance.journal.retention import ClassBudget
from tests.appliance.capture_rig import capture_rig, raised
from tests.appliance.journal.builders import SMALL

BUDGET = ClassBudget(150_000, None, False)


async def main(folder: Path, n: int, keep: bool) -> None:
    budgets = (
        replace(SMALL, reserve_transitions=0)
        if keep
        else replace(SMALL, capture=BUDGET, reserve_transitions=0)
    )
    async with capture_rig(folder, budgets=budgets) as rig:
        await rig.care.begin()
        for number in range(1, n + 1):
            rig.deliver(5.0 * number, raised(5.0 * number, what="re-raised"))
            rig.deliver(5.0 * number + 2.0)
            newest = (await rig.stored())[0]
            os.write(1, f"stored {newest.capture_id}\n".encode())  # in one call
        os._exit(0)


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3:] == ["all"]))
