"""Live histories in this process, and tell what came of each."""

from __future__ import annotations

import gc
import logging
from collections.abc import Iterator
from contextlib import closing, contextmanager

from aiobreakglass import AsyncDynamoDBStore
from tests.simulation.plan import History
from tests.simulation.world import Outcome, World


@contextmanager
def quiet() -> Iterator[None]:
    """Let nothing of this process change how a history goes, nor the log of what goes wrong.

    Garbage is collected between histories only: when it goes, weak references end, and the library
    remembers some rows by them.
    """
    was_enabled, disabled = gc.isenabled(), logging.root.manager.disable
    gc.disable()
    # The history before this one is garbage only now: until its outcome was judged, the errors in
    # it kept it.
    gc.collect()
    # What is there already need not be looked through again each time, so it stays frozen.
    gc.freeze()
    logging.disable()
    try:
        yield
    finally:
        logging.disable(disabled)
        if was_enabled:
            gc.enable()


def live(
    history: History,
    store_class: type[AsyncDynamoDBStore] = AsyncDynamoDBStore,
    *,
    traced: bool = False,
) -> Outcome:
    """Live one history from its beginning to its end."""
    with quiet():
        world = World(history, store_class, traced=traced)
        with closing(world.loop):
            world.loop.run_until_complete(world.live())
        outcome = world.outcome
        del world
    return outcome
