"""Check once whether somebody holds access, with this library.

`python -m benchmarks.cold_store URL` prints its CPU time when it has its answer.
"""

import asyncio
import sys
import time

from aiobreakglass import AsyncDynamoDBStore


async def main(url: str) -> None:
    async with AsyncDynamoDBStore.open(
        "breakglass", region_name="eu-central-1", endpoint_url=url
    ) as store:
        assert await store.find_active_by_invoker_and_profile("alice", "prod") is not None
        print(time.process_time(), flush=True)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
