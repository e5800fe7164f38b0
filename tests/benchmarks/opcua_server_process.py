"""Our OPC UA server in a process of its own, for the benchmark: values that change together.

`python -m tests.benchmarks.opcua_server_process <folder> <variables> <changes per second>`
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from pathlib import Path

from appliance.publishers.address_space import ChannelNodes, FeatureNode, MachineNodes, channel_path, nodes_of
from tests.appliance.publishers.opcua_rig import good, serving

MACHINES = 20


async def main(folder: Path, variables: int, rate_hz: float) -> None:
    each = variables // MACHINES
    features = tuple(FeatureNode(f"v{index}", f"v{index}", "m/s2") for index in range(each))
    machines = [
        MachineNodes(f"m{index}", f"M {index}", (ChannelNodes(f"m{index}.x", "x", features, judged=False),))
        for index in range(MACHINES)
    ]
    paths = [f"{channel_path(f'm{m}', f'm{m}.x')}/v{f}" for m in range(MACHINES) for f in range(each)]
    async with serving(folder, of=nodes_of("bench", machines, [])) as rig:
        told = {"ready": True, "url": rig.url, "nodes": [f"ns=2;s={path}" for path in paths]}
        print(json.dumps(told), flush=True)
        began_s, number = time.monotonic(), 0
        while True:
            number += 1
            now_ns = time.time_ns()
            rig.server.publish([good(path, float(number), now_ns) for path in paths])
            await asyncio.sleep(max(0.0, began_s + number / rate_hz - time.monotonic()))


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3])))
