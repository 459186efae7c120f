"""Two workers of one name: each shuts the other out of the group, again and again."""

from redis.asyncio import Redis

KEPT_S = 600
"""How long a name that nobody writes down any more stays."""


class Namesake:
    """Looks whether another process runs under this worker's name.

    Each writes itself down in turns. Who comes upon another one once is the next on its place; who
    does so after it has written itself down is not alone.

    Parameters
    ----------
    redis
        Client that returns bytes.
    place
        Key of the name.
    me
        What tells this process from others, and where a person finds it.
    """

    def __init__(self, redis: Redis, place: str, me: str) -> None:
        self._redis, self._place, self._me = redis, place, me
        self._began = False

    async def look(self) -> str | None:
        """Who else has the name, None where nobody is seen.

        Raises
        ------
        RedisError
            It cannot be told.
        """
        found = await self._redis.set(self._place, self._me, get=True, ex=KEPT_S)
        before = found.decode() if isinstance(found, bytes) else self._me
        other = before if self._began and before != self._me else None
        self._began = True
        return other


def told(name: str, other: str) -> str:
    """What to tell of it."""
    return (
        f"another worker has the name {name} too: {other}. Each shuts the other out, again and "
        "again; stop one of them, or give it a BESS_INSTANCE of its own"
    )
