"""Runs in Prefect's environment: registers the deployment, then runs shapes of it, as a user's parent script does.

Reads one JSON object a line, {"levels": [1, 50], "poll": 5}, and answers each with one: {"seconds": 12.3} or
{"error": "why"}.

Arguments: the file of the base job template, and the folder of flow.py in the image.
"""

import asyncio
import json
import sys
import time
from pathlib import Path
from typing import Any

from prefect.client.orchestration import get_client  # type: ignore[import-not-found, unused-ignore]
from prefect.client.schemas.actions import WorkPoolCreate  # type: ignore[import-not-found, unused-ignore]
from prefect.deployments import arun_deployment  # type: ignore[import-not-found, unused-ignore]

FLOW, DEPLOYMENT, POOL = "trivial", "side-by-side", "side-by-side"


async def register(template: dict[str, Any], flows: str) -> None:
    """Create the work pool, the flow and the deployment.

    Args:
        template: the base job template.
        flows: folder of flow.py in the image.
    """
    async with get_client() as client:
        await client.create_work_pool(WorkPoolCreate(name=POOL, type="kubernetes", base_job_template=template))
        flow = await client.create_flow_from_name(FLOW)
        await client.create_deployment(
            flow_id=flow, name=DEPLOYMENT, work_pool_name=POOL, path=flows, entrypoint=f"flow.py:{FLOW}"
        )


async def run_levels(levels: list[int], poll: float) -> float:
    """Return the seconds until the last flow run has completed, as this script learns of it.

    Args:
        levels: how many flow runs each level has.
        poll: seconds between two questions of run_deployment.
    """
    started = time.monotonic()
    for width in levels:
        calls = (arun_deployment(f"{FLOW}/{DEPLOYMENT}", poll_interval=poll) for _ in range(width))
        for run in await asyncio.gather(*calls):
            if not run.state.is_completed():
                raise RuntimeError(f"flow run {run.name}: {run.state}")
    return time.monotonic() - started


async def main(template: dict[str, Any], flows: str) -> None:
    """Register, then answer line by line."""
    await register(template, flows)
    print(json.dumps({"seconds": 0.0}), flush=True)
    reply: dict[str, float | str]
    while line := await asyncio.to_thread(sys.stdin.readline):
        try:
            reply = {"seconds": await run_levels(**json.loads(line))}
        except Exception as error:  # it is the answer
            reply = {"error": str(error)}
        print(json.dumps(reply), flush=True)


asyncio.run(main(json.loads(Path(sys.argv[1]).read_text(encoding="utf-8")), sys.argv[2]))
