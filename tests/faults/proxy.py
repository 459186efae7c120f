"""A TCP proxy that spoils connections: cut, refuse, swallow, delay, drop one kind of answer.

It runs in a thread of its own, so that a busy test does not slow what it measures.
"""

import asyncio
import struct
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass, field
from threading import Thread
from types import TracebackType
from typing import Any, Self

from deploy.local.process import free_port

PRODUCE, END_TXN, TXN_OFFSET_COMMIT = 0, 26, 28
"""Numbers of Kafka's requests."""
BLOCK = 1 << 16


@dataclass(frozen=True)
class Weather:
    """What happens to the bytes that pass.

    Attributes
    ----------
    closed
        New connections are refused.
    swallow_requests, swallow_answers
        Bytes of that direction disappear while connections stay open.
    delay_s
        Each piece of data waits so long.
    drop
        Kafka requests of these kinds reach the broker, and their answers get lost.
    reset
        Kafka requests of these kinds are cut in their middle, the connection is reset.
    """

    closed: bool = False
    swallow_requests: bool = False
    swallow_answers: bool = False
    delay_s: float = 0.0
    drop: frozenset[int] = frozenset()
    reset: frozenset[int] = frozenset()


@dataclass(eq=False)
class _Link:
    """One client's connection; answers to come are known by their correlation id."""

    client: asyncio.StreamWriter
    server: asyncio.StreamWriter
    dropped: set[bytes] = field(default_factory=set)

    def abort(self) -> None:
        for writer in (self.client, self.server):
            # A reset, not an orderly end: what was on its way is lost.
            writer.get_extra_info("socket").setsockopt(1, 13, struct.pack("ii", 1, 0))
            writer.transport.abort()


class Proxy:
    """Listens on ``port`` of 127.0.0.1 and passes on to ``target`` while the ``with`` block lasts.

    Parameters
    ----------
    framed
        The bytes are Kafka's protocol: requests are told apart, as ``drop`` and ``reset`` need.

    Attributes
    ----------
    spoiled
        Answers dropped and requests reset so far.
    """

    def __init__(self, target: int, *, framed: bool, port: int | None = None) -> None:
        self.port = port or free_port()
        self.weather = Weather()
        self.spoiled = 0
        self._target, self._framed = target, framed
        self._links: set[_Link] = set()
        self._loop = asyncio.new_event_loop()
        self._thread = Thread(target=self._loop.run_forever, name="proxy", daemon=True)
        self._server: asyncio.Server | None = None

    def __enter__(self) -> Self:
        self._thread.start()
        asyncio.run_coroutine_threadsafe(self._listen(), self._loop).result(10)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        asyncio.run_coroutine_threadsafe(self._close(), self._loop).result(10)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()

    def spoil(self, **weather: Any) -> None:
        """Set the weather, see :class:`Weather`; with ``closed`` the connections are reset too."""
        self.weather = Weather(**weather)
        if self.weather.closed:
            self.reset_all()

    def heal(self) -> None:
        """Fair weather again; connections that lost bytes cannot be used any more and are reset."""
        before, self.weather = self.weather, Weather()
        if before.swallow_requests or before.swallow_answers:
            self.reset_all()

    def reset_all(self) -> None:
        """Reset every connection; new ones are let through."""
        self._call(self._abort_all)

    def _abort_all(self) -> None:
        for link in list(self._links):
            link.abort()

    def _call(self, work: Callable[[], object]) -> None:
        done: Future[None] = Future()

        def run() -> None:
            work()
            done.set_result(None)

        self._loop.call_soon_threadsafe(run)
        done.result(10)

    async def _listen(self) -> None:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", self.port)

    async def _close(self) -> None:
        assert self._server
        self._server.close()
        for link in list(self._links):
            link.abort()
        await asyncio.sleep(0)
        tasks = asyncio.all_tasks() - {asyncio.current_task()}
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self.weather.closed:
            writer.transport.abort()
            return
        try:
            answers, server = await asyncio.open_connection("127.0.0.1", self._target)
        except OSError:
            writer.transport.abort()
            return
        link = _Link(writer, server)
        self._links.add(link)
        requests = self._requests(reader, link) if self._framed else self._bytes(reader, server)
        both = [
            asyncio.ensure_future(requests),
            asyncio.ensure_future(self._answers(answers, link)),
        ]
        try:
            await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in both:
                task.cancel()
            await asyncio.gather(*both, return_exceptions=True)
            self._links.discard(link)
            for each in (writer, server):
                each.close()

    async def _bytes(self, reader: asyncio.StreamReader, server: asyncio.StreamWriter) -> None:
        while data := await reader.read(BLOCK):
            await self._hold()
            if not self.weather.swallow_requests:
                server.write(data)
                await server.drain()

    async def _requests(self, reader: asyncio.StreamReader, link: _Link) -> None:
        with suppress(asyncio.IncompleteReadError):
            while True:
                frame = await _frame(reader)
                await self._hold()
                kind, correlation = struct.unpack_from(">h", frame, 4)[0], frame[8:12]
                if kind in self.weather.reset:
                    self.spoiled += 1
                    link.server.write(frame[: len(frame) // 2])
                    await link.server.drain()
                    link.abort()
                    return
                if kind in self.weather.drop:
                    link.dropped.add(correlation)
                if not self.weather.swallow_requests:
                    link.server.write(frame)
                    await link.server.drain()

    async def _answers(self, reader: asyncio.StreamReader, link: _Link) -> None:
        with suppress(asyncio.IncompleteReadError):
            while data := await (_frame(reader) if self._framed else reader.read(BLOCK)):
                await self._hold()
                if self._framed and data[4:8] in link.dropped:
                    link.dropped.discard(data[4:8])
                    self.spoiled += 1
                elif not self.weather.swallow_answers:
                    link.client.write(data)
                    await link.client.drain()

    async def _hold(self) -> None:
        if self.weather.delay_s:
            await asyncio.sleep(self.weather.delay_s)


async def _frame(reader: asyncio.StreamReader) -> bytes:
    size = await reader.readexactly(4)
    return size + await reader.readexactly(int.from_bytes(size, "big"))
