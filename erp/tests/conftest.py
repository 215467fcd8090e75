from collections.abc import Iterator

import pytest

from erp.models import Connection
from erp.tests.factories import Shelf, make_connection, shelf


@pytest.fixture
def erp() -> Iterator[Shelf]:
    """A scripted ERP on a port of its own."""
    with shelf() as scripted:
        yield scripted


@pytest.fixture
def connection(erp: Shelf, db: None) -> Connection:
    """A connection to the scripted ERP."""
    return make_connection(url=erp.url)
