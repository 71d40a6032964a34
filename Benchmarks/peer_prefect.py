"""Prefect's part of `Benchmarks/run peers`; runs in Prefect's own environment.

deploy POOL | measure TRIVIAL CHAIN FANOUT MANY ROUNDS
"""

import asyncio
import pathlib
import sys
import time

from prefect import flow, task
from prefect.client.orchestration import get_client
from prefect.task_runners import ThreadPoolTaskRunner


@task
def nothing() -> None:
    pass


@flow(task_runner=ThreadPoolTaskRunner(max_workers=4))
def steps(count: int, at_once: bool) -> None:
    if at_once:
        for future in [nothing.submit() for _ in range(count)]:
            future.result()
    else:
        for _ in range(count):
            nothing()


def deploy(pool):
    here = pathlib.Path(__file__)
    steps.from_source(source=str(here.parent), entrypoint=f"{here.name}:steps").deploy(
        name="bench", work_pool_name=pool, build=False, push=False, print_next_steps=False, ignore_warnings=True)


async def measure(trivial, chain, fanout, many, rounds):
    from peer_times import tell  # where Prefect's worker loads this file, its folder is not on the path

    async with get_client() as client:
        deployment = await client.read_deployment_by_name("steps/bench")

        async def run(count, at_once=False):
            began = time.monotonic()
            started = await client.create_flow_run_from_deployment(
                deployment.id, parameters={"count": count, "at_once": at_once})
            while True:
                seen = await client.read_flow_run(started.id)
                if seen.state and seen.state.is_final():
                    break
                await asyncio.sleep(0.1)
            if not seen.state.is_completed():
                raise RuntimeError(f"{seen.state}")
            return time.monotonic() - began

        await tell(run, trivial, chain, fanout, many, rounds)


if __name__ == "__main__":
    if sys.argv[1] == "deploy":
        deploy(sys.argv[2])
    else:
        asyncio.run(measure(*map(int, sys.argv[2:])))
