"""``python -m deploy.local``: run Kafka and Redis in the foreground, or around a command."""

import os
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from typing import Annotated

import typer

from deploy.local.process import LocalServiceError, say_on_stderr, watch
from deploy.local.stack import LocalStack, endpoints

main = typer.Typer(help="Kafka and Redis for this machine.", no_args_is_help=True)


@main.command()
def up(
    directory: Annotated[
        Path | None, typer.Option("--dir", help="Keeps data and logs; else they are temporary.")
    ] = None,
) -> None:
    """Run Kafka and Redis as local processes until Ctrl-C, and say when one of them ends."""
    with LocalStack(directory) as stack, suppress(KeyboardInterrupt):
        for name, value in stack.endpoints.environment().items():
            typer.echo(f"export {name}={value}")
        sys.stdout.flush()
        say_on_stderr("Ctrl-C stops them")
        watch(stack.redis, stack.kafka)
    say_on_stderr("stopped")


@main.command(context_settings={"ignore_unknown_options": True})
def run(
    command: Annotated[list[str], typer.Argument(help="The command, after a --.")],
) -> None:
    """Run a command with BESS_BROKERS and BESS_REDIS_URL set, and stop what it needed after it."""
    with endpoints() as services:
        code = _run(command, services.environment())
    raise typer.Exit(code)


def _run(command: list[str], variables: dict[str, str]) -> int:
    try:
        child = subprocess.Popen(command, env=os.environ | variables)  # noqa: S603 - the user's own
    except OSError as error:
        raise LocalServiceError(f"cannot run {command[0]}: {error.strerror}") from None
    while True:
        # Ctrl-C reaches the command as well; it ends in its own way.
        with suppress(KeyboardInterrupt):
            code = child.wait()
            return code if code >= 0 else 128 - code


def _stop_as_on_ctrl_c(_number: int, _frame: object) -> None:
    raise KeyboardInterrupt


if __name__ == "__main__":
    # A shell starts background commands with SIGINT ignored.
    signal.signal(signal.SIGINT, _stop_as_on_ctrl_c)
    signal.signal(signal.SIGTERM, _stop_as_on_ctrl_c)
    try:
        main()
    except LocalServiceError as error:
        say_on_stderr(f"error: {error}")
        sys.exit(1)
