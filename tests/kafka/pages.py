"""What a worker answers over HTTP."""

import asyncio
import urllib.error
import urllib.request
from collections.abc import Awaitable, Callable
from functools import partial

from tests.kafka.support import Deployment

Ask = Callable[[str], tuple[int, str]]
UntilReadySays = Callable[[Deployment, str], Awaitable[None]]


def ask(port: int, path: str) -> tuple[int, str]:
    """Status and text of a page of a worker; 0 where nobody listens."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=5) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()
    except OSError:
        return 0, ""


def pages(port: int) -> tuple[Ask, UntilReadySays]:
    """How to ask the worker that listens on a port, and to wait for words in its ``/readyz``."""
    ask_page = partial(ask, port)

    async def until_ready_says(deployment: Deployment, text: str) -> None:
        async def says() -> bool:
            return text in (await asyncio.to_thread(ask_page, "/readyz"))[1]

        await deployment.wait_for(f"/readyz saying {text!r}", says)

    return ask_page, until_ready_says
