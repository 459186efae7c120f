"""Connections that break, swallow and lose answers."""

import asyncio
from functools import partial

from tests.faults.matrix import fault
from tests.faults.proxy import END_TXN, PRODUCE, Proxy
from tests.faults.scene import Scene


async def cut(scene: Scene, proxy: str) -> None:
    """The network between the workers and a server fails in each way in turn."""
    link: Proxy = getattr(scene.stack, f"{proxy}_proxy")
    for spoiled in ("closed", "swallow_requests", "swallow_answers"):
        await scene.folded(100)
        link.spoil(**{spoiled: True})
        await asyncio.sleep(scene.random.uniform(1, 12))
        link.heal()
    await scene.folded(100)


fault("F15", "the network to Kafka fails", bound_s=90)(partial(cut, proxy="kafka"))
fault("F15", "the network to Redis fails")(partial(cut, proxy="redis"))


async def spoil(scene: Scene, kind: int, *, reset: bool, times: int) -> None:
    """The answer to one kind of request gets lost, or the connection breaks within it."""
    link, kinds = scene.stack.kafka_proxy, frozenset({kind})
    for _ in range(times):
        await scene.folded(60)
        enough = link.spoiled + 1
        link.spoil(reset=kinds) if reset else link.spoil(drop=kinds)
        await scene.until(partial(_has_spoiled, link, enough), 30, "a spoiled request")
        link.heal()
    await scene.folded(60, limit_s=150)


def _has_spoiled(link: Proxy, count: int) -> bool:
    return link.spoiled >= count


fault("F15", "the connection breaks within a commit", bound_s=90)(
    partial(spoil, kind=END_TXN, reset=True, times=3)
)
fault("F16", "the answer to a commit gets lost", rounds=2, bound_s=150)(
    partial(spoil, kind=END_TXN, reset=False, times=1)
)
fault("F16", "the answer to a send gets lost", rounds=2, bound_s=150)(
    partial(spoil, kind=PRODUCE, reset=False, times=1)
)
