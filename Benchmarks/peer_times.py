"""What is measured of a peer, in the peer's own environment."""

import asyncio
import json
import time


async def tell(run, trivial, chain, fanout, many, rounds):
    """Prints the times of `run(tasks, at_once)`, which returns the seconds until its client knew the end."""

    async def at_once():
        began = time.monotonic()
        await asyncio.gather(*(run(1) for _ in range(many)))
        return time.monotonic() - began

    print(json.dumps({
        "trivial": [await run(1) for _ in range(trivial)], "chain": [await run(chain) for _ in range(rounds)],
        "fanout": [await run(fanout, True) for _ in range(rounds)], "many": [await at_once() for _ in range(rounds)],
    }))
