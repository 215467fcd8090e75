import pytest

from loyalty_site.staff.models import User


@pytest.fixture
def owner(db: None) -> User:
    return User.objects.create_superuser("owner@example.com", "a long password", name="Owner")
