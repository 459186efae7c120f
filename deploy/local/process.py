"""A server process: started to a deadline, stopped, killed, frozen and started again."""

import signal
import socket
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from random import SystemRandom

from deploy.local.spawn import Child, end, spawn

Say = Callable[[str], None]

_POLL_S = 0.05
_REMIND_S = 10.0
_WATCH_S = 0.5
_PORTS = range(20_000, 32_000)


class LocalServiceError(Exception):
    """A local service cannot be had; the message names the remedy."""


def say_on_stderr(message: str) -> None:
    """Tell a person at the terminal what is going on."""
    sys.stderr.write(f"{message}\n")
    sys.stderr.flush()


def free_port() -> int:
    """Return a TCP port of the loopback interface that nobody listens on.

    Notes
    -----
    The port lies below those that Linux gives to outgoing connections. Else a client that
    keeps trying to reach a stopped server could be given the server's own port.
    """
    for port in SystemRandom().sample(_PORTS, 100):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if probe.connect_ex(("127.0.0.1", port)) != 0 and _can_bind(probe, port):
                return port
    raise LocalServiceError(f"no free port among {_PORTS.start}-{_PORTS.stop - 1} on 127.0.0.1")


def _can_bind(probe: socket.socket, port: int) -> bool:
    try:
        probe.bind(("127.0.0.1", port))
    except OSError:
        return False
    return True


def accepts_connections(port: int) -> bool:
    """Tell whether something listens on a port of 127.0.0.1."""
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex(("127.0.0.1", port)) == 0


def wait_until(
    ready: Callable[[], bool], what: str, limit_s: float, say: Say, *, remind_s: float = _REMIND_S
) -> float:
    """Wait for a condition, saying so every `remind_s` seconds; return the seconds it took.

    Raises
    ------
    LocalServiceError
        It has not come true within `limit_s` seconds.
    """
    began = time.monotonic()
    reminders = 0
    while not ready():
        waited = time.monotonic() - began
        if waited > limit_s:
            raise LocalServiceError(f"{what} does not answer after {limit_s:.0f} s")
        if waited > (reminders + 1) * remind_s:
            reminders += 1
            say(f"still waiting for {what} ({waited:.0f} s)")
        time.sleep(_POLL_S)
    return time.monotonic() - began


@dataclass
class Server:
    """One server on a fixed address, which keeps its data from start to start.

    Parameters
    ----------
    name
        What people call it.
    address
        ``host:port``.
    command
        Finds out how to start it, and makes ready what it needs (called at every start).
    answers
        Whether it serves clients now.
    log
        File of its output.
    say
        Is told what is waited for.
    start_s, stop_s
        Seconds it may take to answer, and to stop before it is killed.
    """

    name: str
    address: str
    command: Callable[[], Sequence[str]]
    answers: Callable[[], bool]
    log: Path
    say: Say = say_on_stderr
    start_s: float = 60.0
    stop_s: float = 15.0
    _child: Child | None = field(default=None, init=False, repr=False)

    @property
    def pid(self) -> int | None:
        """Process id while it runs."""
        return self._child.pid if self._child and self._child.poll() is None else None

    def start(self) -> None:
        """Start it unless it runs, and wait until it answers.

        Raises
        ------
        LocalServiceError
            It ended, or did not answer in time; with the end of its log.
        """
        if self.pid:
            return
        self._child = spawn(self.command(), self.log)
        try:
            waited = wait_until(self._answers, self.name, self.start_s, self.say)
        except LocalServiceError as error:
            self.kill()
            raise LocalServiceError(f"{error}{self._log_end()}") from None
        except BaseException:
            self.kill()
            raise
        self.say(f"{self.name} is ready on {self.address} after {waited:.1f} s")

    def ended(self) -> str | None:
        """Say how it ended by itself; None while it runs."""
        code = self._child.poll() if self._child else None
        if code is None:
            return None
        how = f"by {signal.Signals(-code).name}" if code < 0 else f"with status {code}"
        return f"{self.name} on {self.address} has ended {how}{self._log_end()}"

    def stop(self) -> None:
        """Let it finish in order; kill it when it takes longer than `stop_s`."""
        if self._child:
            self._signal(signal.SIGCONT)
            end(self._child, self.stop_s)

    def kill(self) -> None:
        """End it at once, as a crash would."""
        if self._child:
            self._child.kill()
            end(self._child, self.stop_s)

    def pause(self) -> None:
        """Freeze it: connections stay open, nothing is answered."""
        self._signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Let a frozen server go on."""
        self._signal(signal.SIGCONT)

    def _signal(self, number: int) -> None:
        if self._child:
            self._child.send_signal(number)

    def _answers(self) -> bool:
        if self.pid is None:
            raise LocalServiceError(f"{self.name} ended while starting")
        return self.answers()

    def _log_end(self, lines: int = 15) -> str:
        tail = self.log.read_text(errors="replace").splitlines()[-lines:]
        return f"; the end of {self.log}:\n" + "\n".join(f"  {line}" for line in tail)


@contextmanager
def running(*servers: Server) -> Iterator[None]:
    """Start servers one after the other, and stop all of them at the end of the ``with`` block."""
    with ExitStack() as cleanup:
        for server in servers:
            cleanup.callback(server.stop)
            server.start()
        yield


def watch(*servers: Server) -> None:
    """Say so when a server ends by itself; the others go on.

    Raises
    ------
    LocalServiceError
        All of them have ended.
    """
    living = list(servers)
    while living:
        ends = [server.ended() for server in living]
        for server, how in zip(living, ends, strict=True):
            if how is not None:
                server.say(how)
        living = [server for server, how in zip(living, ends, strict=True) if how is None]
        time.sleep(_WATCH_S)
    raise LocalServiceError("none of them runs any more")
