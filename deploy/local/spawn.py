"""Child processes that cannot outlive this one."""

import atexit
import os
import subprocess
import sys
from collections.abc import Sequence
from concurrent.futures import Future
from functools import cache
from pathlib import Path
from queue import SimpleQueue
from threading import Thread

Child = subprocess.Popen[bytes]
_Job = tuple[Future[Child], Sequence[str], Path]

# Linux then kills the child when this process is gone, even by kill -9.
_LEASH = """
import ctypes, os, signal, sys
parent, *command = sys.argv[1:]
ctypes.CDLL(None).prctl(1, signal.SIGKILL)
if os.getppid() != int(parent):
    sys.exit("the parent is gone")
os.execv(command[0], command)
"""

_living: set[Child] = set()


def spawn(command: Sequence[str], log: Path) -> Child:
    """Start a command in a session of its own, its output appended to a file.

    Parameters
    ----------
    command
        Absolute path of the executable, then its arguments.
    log
        File that receives standard output and error; its folder is made.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    started: Future[Child] = Future()
    _spawner(os.getpid()).put((started, _leashed(command), log))
    child = started.result()
    _living.add(child)
    return child


def end(child: Child, grace_s: float) -> None:
    """Ask a child to finish, and kill it once `grace_s` seconds have passed."""
    child.terminate()
    try:
        child.wait(grace_s)
    except subprocess.TimeoutExpired:
        child.kill()
        child.wait()
    _living.discard(child)


def _leashed(command: Sequence[str]) -> list[str]:
    if sys.platform != "linux":
        return list(command)
    return [sys.executable, "-I", "-S", "-c", _LEASH, str(os.getpid()), *command]


@cache
def _spawner(_pid: int) -> "SimpleQueue[_Job]":
    # The leash is tied to the thread that starts the child: it has to be one that lasts.
    jobs: SimpleQueue[_Job] = SimpleQueue()
    Thread(target=_serve, args=(jobs,), name="deploy.local spawner", daemon=True).start()
    return jobs


def _serve(jobs: "SimpleQueue[_Job]") -> None:
    while True:
        started, command, log = jobs.get()
        try:
            started.set_result(_popen(command, log))
        except OSError as error:
            started.set_exception(error)


def _popen(command: Sequence[str], log: Path) -> Child:
    with log.open("ab") as output:
        return subprocess.Popen(  # noqa: S603 - the callers build the command, no shell
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )


@atexit.register
def _end_all() -> None:
    for child in tuple(_living):
        end(child, grace_s=5)
