"""Whether Redis can be trusted with the view."""

from collections.abc import Iterator

from stream_app.doctor.facts import RedisFacts
from stream_app.doctor.findings import Finding, fault, ok, unless_found, warning

OLDEST = (6, 2)
FULL = 0.8
SLOW_S = 0.02


def check_redis(redis: RedisFacts, clock_s: float) -> list[Finding]:
    """Findings on Redis; clocks may differ by ``clock_s``."""
    version = ".".join(map(str, redis.version))
    return [
        *_version(redis, version),
        *_memory(redis),
        *_persistence(redis),
        *_clock(redis, clock_s),
        *_latency(redis),
    ]


def _version(redis: RedisFacts, version: str) -> Iterator[Finding]:
    if redis.version[:2] < OLDEST:
        yield warning(
            "Redis",
            f"version {version}",
            "tested from 6.2 on",
            "use Redis 6.2 or newer",
        )
    elif redis.replica:
        yield fault(
            "Redis",
            f"version {version}, a replica",
            "it refuses to be written",
            "set BESS_REDIS_URL to the primary",
        )
    else:
        yield ok("Redis", f"version {version}")


def _memory(redis: RedisFacts) -> list[Finding]:
    limit = f" of {_mib(redis.maxmemory)}" if redis.maxmemory else ", without a limit"
    return unless_found(_memory_troubles(redis), "memory", f"{_mib(redis.used)} used{limit}")


def _memory_troubles(redis: RedisFacts) -> Iterator[Finding]:
    if redis.policy not in (None, "noeviction"):
        yield fault(
            "memory",
            f"maxmemory-policy is {redis.policy}",
            "Redis drops states when memory is short; partitions are then rebuilt over and over",
            "redis-cli CONFIG SET maxmemory-policy noeviction, and in redis.conf",
        )
    if redis.evicted:
        yield warning(
            "memory",
            f"{redis.evicted} keys were evicted since Redis started",
            "states of another program or of ours are gone",
            "maxmemory-policy noeviction, then `bess state scrub`",
        )
    if redis.maxmemory and redis.used > FULL * redis.maxmemory:
        yield warning(
            "memory",
            f"{_mib(redis.used)} of {_mib(redis.maxmemory)} are used",
            "when it is full, workers wait until there is room",
            "raise maxmemory",
        )


def _persistence(redis: RedisFacts) -> list[Finding]:
    kept = "appendonly" if redis.append_only else "snapshots"
    return unless_found(_persistence_troubles(redis), "persistence", kept)


def _persistence_troubles(redis: RedisFacts) -> Iterator[Finding]:
    if not redis.last_write_ok:
        yield fault(
            "persistence",
            "Redis could not write to its disk",
            "it refuses changes, so that workers wait",
            "look at Redis's log and at the disk",
        )
    if not redis.append_only and not redis.snapshots:
        yield warning(
            "persistence",
            "Redis keeps nothing on disk",
            "nothing is lost, but a restart rebuilds every partition from the changelog",
            "redis-cli CONFIG SET appendonly yes, and in redis.conf",
        )


def _clock(redis: RedisFacts, clock_s: float) -> Iterator[Finding]:
    if abs(redis.ahead_s) <= clock_s:
        yield ok("clock", f"this machine and Redis agree within {abs(redis.ahead_s):.3f} s")
    else:
        yield warning(
            "clock",
            f"Redis's clock is {redis.ahead_s:+.1f} s from this machine's",
            "results do not depend on it, but logs and alerts mislead",
            "keep all machines on NTP",
        )


def _latency(redis: RedisFacts) -> Iterator[Finding]:
    if redis.latency_s > SLOW_S:
        yield warning(
            "latency",
            f"Redis answers after {redis.latency_s * 1000:.0f} ms",
            "each chunk waits once for Redis",
            "run Redis near the workers; look for other heavy users of it",
        )


def _mib(size: int) -> str:
    return f"{size / 2**20:.1f} MiB"
