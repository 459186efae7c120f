"""The commands of the product, each a process of its own as a person starts it."""

import re
import subprocess
import sys
import urllib.request
from collections.abc import Mapping
from pathlib import Path

LIMIT_S = 90.0
Running = subprocess.Popen[str]


def start(environment: Mapping[str, str], *arguments: str | Path) -> Running:
    """Start ``bess`` with these arguments; `finish` gives what it wrote."""
    return subprocess.Popen(
        [sys.executable, "-m", "stream_app", *map(str, arguments)],
        env=dict(environment),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def finish(process: Running) -> str:
    """Wait for the end of a command that must succeed."""
    try:
        out, err = process.communicate(timeout=LIMIT_S)
    except subprocess.TimeoutExpired:
        process.kill()
        raise
    assert process.returncode == 0, (
        f"{process.args!r} ended with {process.returncode}\n{out}\n{err}"
    )
    return out


def wait(process: Running) -> tuple[int, str]:
    """Wait for the end of a command; gives its status and what it wrote to stderr."""
    _, err = process.communicate(timeout=LIMIT_S)
    return process.returncode, err


def kill(process: Running) -> int:
    """End a command at once; gives its status."""
    process.kill()
    process.communicate(timeout=LIMIT_S)
    return process.returncode


def metrics(log: Path) -> dict[str, float] | None:
    """Metrics of the worker that writes this log; None while it is not ready."""
    port = re.search(r"metrics at http://[^:]+:(\d+)", log.read_text())
    if port is None:
        return None
    try:
        _get(port[1], "readyz")
        lines = _get(port[1], "metrics").splitlines()
    except OSError:
        return None
    pairs = (line.rsplit(" ", 1) for line in lines if line and not line.startswith("#"))
    return {name: float(value) for name, value in pairs}


def _get(port: str, path: str) -> str:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/{path}", timeout=10) as answer:
        text: str = answer.read().decode()
    return text
