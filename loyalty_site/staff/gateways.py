"""Redis and the database: asked whether they answer, and Redis to count."""

from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import TimeoutError as FutureTimeoutError
from functools import lru_cache

import redis
from django.conf import settings
from django.core.cache import cache
from django.db import DatabaseError, connection
from redis.backoff import NoBackoff
from redis.retry import Retry

_DEADLINE_S = 1.0


class DatabaseProbe:
    """Asks the database one question, and gives up after a second.

    A frozen server never ends a query by itself, so a thread of its own waits for it; while that
    one waits, no other starts.
    """

    def __init__(self) -> None:
        self._executor = ThreadPoolExecutor(max_workers=1, thread_name_prefix="database-probe")
        self._asked: Future[bool] | None = None

    def answers(self) -> bool:
        """Whether the database answered in time."""
        if self._asked is not None and not self._asked.done():
            return False
        self._asked = self._executor.submit(self._ask)
        try:
            return self._asked.result(timeout=_DEADLINE_S)
        except FutureTimeoutError:
            return False

    @staticmethod
    def _ask() -> bool:
        try:
            with connection.cursor() as cursor:
                cursor.execute("SELECT 1")
            return True
        except DatabaseError:
            return False
        finally:
            connection.close()


@lru_cache(maxsize=4)
def _redis(url: str) -> redis.Redis:
    return redis.Redis.from_url(
        url, socket_timeout=0.5, socket_connect_timeout=0.5, retry=Retry(NoBackoff(), 0)
    )


def broker_answers() -> bool:
    """Whether the broker answers within half a second; the embedded one is a folder."""
    if not settings.REDIS_URL:
        return True
    try:
        return bool(_redis(settings.REDIS_URL).ping())
    except redis.RedisError:
        return False


def count_up(key: str, *, seconds: int) -> int:
    """Add one to a counter that lives for so long, and read it: one round trip, no race.

    Without Redis each process counts for itself.

    Raises:
        RedisError: Redis does not answer within half a second.
    """
    if settings.REDIS_URL:
        pipeline = _redis(settings.REDIS_URL).pipeline(transaction=False)
        pipeline.set(key, 0, ex=seconds, nx=True)
        pipeline.incr(key)
        return int(pipeline.execute()[1])
    try:
        return cache.incr(key)
    except ValueError:
        return 1 if cache.add(key, 1, timeout=seconds) else cache.incr(key)
