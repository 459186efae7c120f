"""``make demo``: a station's export through Kafka, a worker and Redis to its daily energy."""

import argparse
import os
import shutil
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from deploy.local import LocalServiceError, endpoints

BESS = (sys.executable, "-m", "stream_app")
READY_S = 60.0
STOP_S = 30.0


class DemoError(Exception):
    """A step of the demo failed; its own message stands above."""


def main() -> int:
    """Run the demo; gives the exit status."""
    arguments = _arguments()
    out: Path = arguments.out
    try:
        with endpoints(say) as services:
            environment = {
                **os.environ,
                **services.environment(),
                "BESS_PREFIX": "demo",
                "BESS_METRICS_PORT": str(arguments.metrics_port),
            }
            return _run(out, environment, keep=arguments.keep)
    except (LocalServiceError, DemoError) as fault:
        say(f"demo: {fault}")
        return 1
    except KeyboardInterrupt:
        say("demo: stopped")
        return 130


def _run(out: Path, environment: Mapping[str, str], *, keep: bool) -> int:
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir(parents=True)
    export, report = out / "export", out / "report"
    _step("writing a station export", ["sample", str(export), "--days", "7"], environment)
    _step("creating the topics", ["topics", "create"], environment)
    with _worker(out / "worker.log", environment) as metrics:
        config = ["--config", str(export / "config.yaml")]
        _step("replaying the export to Kafka", ["replay", *config], environment)
        _step("reporting", ["report", *config, "--out", str(report)], environment)
        (out / "metrics.txt").write_bytes(_get(f"{metrics}/metrics"))
        say(f"\nexport   {export}\nreport   {report}\nworker   {out / 'worker.log'}")
        say(f"metrics  {out / 'metrics.txt'}, a copy of {metrics}/metrics")
        if keep:
            _stay(environment, metrics)
    return 0


def _step(what: str, command: Sequence[str], environment: Mapping[str, str]) -> None:
    say(f"\n── {what}: bess {' '.join(command)}")
    status = subprocess.run([*BESS, *command], env=environment, check=False).returncode  # noqa: S603
    if status:
        raise DemoError(f"`bess {command[0]}` ended with status {status}")


@contextmanager
def _worker(log: Path, environment: Mapping[str, str]) -> Iterator[str]:
    """A worker that is ready; gives the address of its metrics."""
    url = f"http://127.0.0.1:{environment['BESS_METRICS_PORT']}"
    say("\n── starting a worker: bess worker")
    start = time.monotonic()
    with log.open("wb") as sink:
        process = subprocess.Popen(  # noqa: S603
            [*BESS, "worker"], env=environment, stdout=sink, stderr=subprocess.STDOUT
        )
    try:
        while not _is_ready(url):
            if process.poll() is not None:
                raise DemoError(f"the worker ended with {process.returncode}:\n{_tail(log)}")
            if time.monotonic() - start > READY_S:
                raise DemoError(f"the worker is not ready after {READY_S:.0f} s:\n{_tail(log)}")
            time.sleep(0.2)
        say(f"ready after {time.monotonic() - start:.1f} s, metrics at {url}/metrics")
        yield url
    finally:
        process.send_signal(signal.SIGTERM)
        with suppress(subprocess.TimeoutExpired):
            process.wait(STOP_S)
        process.kill()


def _stay(environment: Mapping[str, str], metrics: str) -> None:
    names = ("BESS_BROKERS", "BESS_REDIS_URL", "BESS_PREFIX")
    exports = "\n".join(f"export {name}={environment[name]}" for name in names)
    say(f"\nAll stays up until Ctrl-C. In another shell:\n{exports}\ncurl {metrics}/metrics")
    while True:
        time.sleep(3600)


def _is_ready(url: str) -> bool:
    try:
        return bool(_get(f"{url}/readyz"))
    except OSError:
        return False


def _get(url: str) -> bytes:
    with urllib.request.urlopen(url, timeout=5) as answer:  # noqa: S310 - our own address
        body: bytes = answer.read()
    return body


def _tail(log: Path) -> str:
    return "\n".join(log.read_text(errors="replace").splitlines()[-20:])


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m deploy.demo", description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("out/demo"), help="folder for all files")
    parser.add_argument("--metrics-port", type=int, default=9808)
    parser.add_argument("--keep", action="store_true", help="stay up until Ctrl-C at the end")
    return parser.parse_args()


def say(line: str) -> None:
    """Tell a person what goes on."""
    print(line, file=sys.stderr, flush=True)  # noqa: T201


if __name__ == "__main__":
    sys.exit(main())
