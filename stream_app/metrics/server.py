"""``/metrics``, ``/healthz`` and ``/readyz`` from a thread of their own."""

import socket
from collections import deque
from collections.abc import Callable, Iterable
from contextlib import suppress
from socketserver import ThreadingMixIn
from threading import Lock, Thread
from typing import TYPE_CHECKING, Any, cast
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

from prometheus_client import CollectorRegistry, make_wsgi_app

if TYPE_CHECKING:
    from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

Obstacle = Callable[[], str | None]
"""Why the worker is not ready, or not well; None when it is."""

CLIENT_TIMEOUT_S = 10
MOST_CLIENTS = 16
"""Connections at once; a scrape takes milliseconds."""
POLL_S = 0.1


class PortUnavailableError(ValueError):
    """The address of ``/metrics`` cannot be listened on."""


class MetricsServer:
    """A running server; ``host`` and ``port`` are those it listens on."""

    def __init__(self, server: WSGIServer) -> None:
        self.host, self.port = str(server.server_address[0]), server.server_port
        self._server = server
        self._thread = Thread(
            target=server.serve_forever, args=(POLL_S,), name="metrics", daemon=True
        )
        self._thread.start()

    @property
    def url(self) -> str:
        """Start of the addresses, without a slash at the end."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"http://{host}:{self.port}"

    def close(self) -> None:
        """Stop listening and end the thread."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


def serve(
    registry: CollectorRegistry,
    host: str,
    port: int,
    obstacle: Obstacle = lambda: None,
    fault: Obstacle = lambda: None,
) -> MetricsServer:
    """Serve ``registry``; port 0 picks a free one.

    Parameters
    ----------
    obstacle
        Asked at each ``/readyz``, from the server's threads: 200 when it gives None, 503 and its
        text otherwise.
    fault
        The same for ``/healthz``: what only a restart can mend.

    Raises
    ------
    PortUnavailableError
        The address is taken, forbidden or unknown.
    """
    kind = _Server6 if ":" in host else _Server
    try:
        server = make_server(
            host, port, _app(registry, obstacle, fault), kind, handler_class=_Handler
        )
    except (OSError, OverflowError) as error:
        raise PortUnavailableError(
            f"/metrics cannot listen on {host}:{port} ({error}): set BESS_METRICS_HOST and "
            "BESS_METRICS_PORT; port 0 picks a free one"
        ) from error
    return MetricsServer(server)


class _Server(ThreadingMixIn, WSGIServer):
    """A thread for each client; one too many ends the oldest, which is a slow one if any is."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, *args: Any, **options: Any) -> None:
        self._clients: deque[socket.socket] = deque()
        self._lock = Lock()
        super().__init__(*args, **options)

    def process_request(self, request: Any, client_address: Any) -> None:
        with self._lock:
            self._clients.append(request)
            oldest = self._clients.popleft() if len(self._clients) > MOST_CLIENTS else None
        if oldest is not None:
            with suppress(OSError):
                oldest.shutdown(socket.SHUT_RDWR)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        with self._lock, suppress(ValueError):
            self._clients.remove(request)
        super().shutdown_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing: a client that is slow or gone is no fault of the worker's."""


class _Server6(_Server):
    address_family = socket.AF_INET6


class _Handler(WSGIRequestHandler):
    timeout = CLIENT_TIMEOUT_S

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - inherited name
        """Log nothing: scrapes are normal operation."""


def _app(registry: CollectorRegistry, obstacle: Obstacle, fault: Obstacle) -> "WSGIApplication":
    metrics = cast("WSGIApplication", make_wsgi_app(registry))

    def app(environ: "WSGIEnvironment", start: "StartResponse") -> Iterable[bytes]:
        path = environ["PATH_INFO"]
        if path == "/metrics":
            return metrics(environ, start)
        if path == "/healthz":
            return _answer(start, fault(), "alive")
        if path == "/readyz":
            return _answer(start, obstacle(), "ready")
        return _text(start, "404 Not Found", "here are /metrics, /healthz and /readyz")

    return app


def _answer(start: "StartResponse", why: str | None, well: str) -> list[bytes]:
    return _text(start, "503 Service Unavailable" if why else "200 OK", why or well)


def _text(start: "StartResponse", status: str, text: str) -> list[bytes]:
    start(status, [("Content-Type", "text/plain; charset=utf-8")])
    return [text.encode() + b"\n"]
