"""Users, clients and races for tests."""

from collections.abc import Callable, Collection
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from threading import Barrier
from typing import TypeVar

from django.db import connection
from rest_framework.test import APIClient

from loyalty_site.staff.models import User
from loyalty_site.staff.roles import Role
from loyalty_site.staff.services import save_user
from loyalty_site.staff.tokens import write_access_token

PASSWORD = "correct horse battery"
_numbers = count(1)
T = TypeVar("T")


def make_user(
    *,
    roles: Collection[Role] = (Role.OWNER,),
    email: str = "",
    password: str = PASSWORD,
    is_active: bool = True,
) -> User:
    """A user with these roles."""
    email = email or f"user{next(_numbers)}@example.com"
    user = User(email=email, name=email.partition("@")[0].title(), is_active=is_active)
    return save_user(user=user, roles=roles, password=password)


def make_client(*, user: User | None = None) -> APIClient:
    """An API client that carries this user's access token."""
    client = APIClient(raise_request_exception=False)
    if user is not None:
        client.credentials(HTTP_AUTHORIZATION=f"Bearer {write_access_token(user)}")
    return client


def at_once(call: Callable[[], T], *, times: int = 8) -> list[T]:
    """What a call answers in several threads that start together, connected already."""
    start = Barrier(times)
    connection.close()  # the pool holds eight

    def run(_: int) -> T:
        try:
            connection.ensure_connection()
            start.wait(30)
            return call()
        finally:
            connection.close()

    with ThreadPoolExecutor(times) as threads:
        return list(threads.map(run, range(times)))
