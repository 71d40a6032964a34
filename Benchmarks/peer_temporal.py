"""Temporal's part of `Benchmarks/run peers`; runs in Temporal's own environment.

worker ADDRESS SLOTS | measure ADDRESS KIND TRIVIAL CHAIN FANOUT MANY ROUNDS
"""

import asyncio
import datetime
import sys
import time

from temporalio import activity, workflow
from temporalio.client import Client
from temporalio.worker import Worker

QUEUE = "bench"


@activity.defn
async def inside() -> None:
    pass


@activity.defn
async def process() -> None:
    """As an agent does: a process for each task."""
    child = await asyncio.create_subprocess_exec("/bin/true")
    if await child.wait():
        raise RuntimeError("/bin/true failed")


@workflow.defn
class Steps:
    @workflow.run
    async def run(self, kind: str, steps: int, at_once: bool) -> None:
        def step():
            return workflow.execute_activity(kind, start_to_close_timeout=datetime.timedelta(seconds=60))

        if at_once:
            await asyncio.gather(*(step() for _ in range(steps)))
        else:
            for _ in range(steps):
                await step()


async def connect(address):
    deadline = time.monotonic() + 60
    while True:
        try:
            return await Client.connect(address)
        except RuntimeError:
            if time.monotonic() > deadline:
                raise
            await asyncio.sleep(0.1)


async def worker(address, slots):
    client = await connect(address)
    work = Worker(
        client, task_queue=QUEUE, workflows=[Steps], activities=[inside, process], max_concurrent_activities=slots)
    print("ready", flush=True)
    await work.run()


async def measure(address, kind, trivial, chain, fanout, many, rounds):
    from peer_times import tell  # the worker's sandbox imports this file again, and needs nothing of it

    client = await connect(address)
    number = 0

    async def run(steps, at_once=False):
        nonlocal number
        number += 1
        began = time.monotonic()
        await client.execute_workflow(Steps.run, args=[kind, steps, at_once], id=f"{kind}-{number}", task_queue=QUEUE)
        return time.monotonic() - began

    for _ in range(5):
        await run(1)

    await tell(run, trivial, chain, fanout, many, rounds)


if __name__ == "__main__":
    what, address, *rest = sys.argv[1:]
    if what == "worker":
        asyncio.run(worker(address, int(rest[0])))
    else:
        asyncio.run(measure(address, rest[0], *map(int, rest[1:])))
