from collections.abc import Callable

import pytest
from django.contrib.auth.models import Group
from django.test import Client

from loyalty_site.staff.models import User


@pytest.fixture
def staff(db: None) -> Callable[[str], Client]:
    """A browser in which somebody with this role is signed in."""

    def signed_in(role: str) -> Client:
        user = User.objects.create_user(
            f"{role}@example.com", "a long password", name=role, is_staff=True
        )
        user.groups.add(Group.objects.get(name=role))
        client = Client()
        client.force_login(user)
        return client

    return signed_in
