from typing import Any

import pytest
from django.apps import apps
from django.test import Client

from erp.models import Connection, Quarantine, Stream, SyncRun
from erp.services import run_stream, save_connection
from erp.tests.factories import Shelf, make_bill, make_connection, stream_of
from loyalty_site.staff.roles import Role
from loyalty_site.staff.tests.factories import make_user

pytestmark = pytest.mark.django_db

LISTS = ["connection", "stream", "syncrun", "quarantine", "mappingversion"]


def signed_in(*roles: Role) -> Client:
    client = Client()
    client.force_login(
        make_user(roles=roles or (Role.OWNER,)),
        "loyalty_site.staff.authentication.PermissionBackend",
    )
    return client


@pytest.fixture
def set_aside(erp: Shelf, connection: Connection) -> Quarantine:
    erp.put("sale", make_bill(net="100.00") | {"Net_Amount": "250.00"})
    run_stream(stream=stream_of(connection, "sale"))
    return Quarantine.objects.get()


def act(client: Client, model: str, action: str, *rows: Any) -> str:
    data = {"action": action, "_selected_action": [row.pk for row in rows]}
    return client.post(f"/admin/erp/{model}/", data, follow=True).content.decode()


@pytest.mark.parametrize("model", LISTS)
def test_every_list_and_page_opens(set_aside: Quarantine, model: str) -> None:
    client = signed_in()
    page = client.get(f"/admin/erp/{model}/")
    assert page.status_code == 200
    row = apps.get_model("erp", model)._default_manager.first()
    assert row
    assert client.get(f"/admin/erp/{model}/{row.pk}/change/").status_code == 200


@pytest.mark.security
def test_credentials_can_be_set_and_never_be_seen() -> None:
    connection = make_connection(credentials="loyalty:s3cret-word")
    client = signed_in()
    address = f"/admin/erp/connection/{connection.pk}/change/"
    assert "s3cret-word" not in client.get(address).content.decode()
    fields = {
        "kind": "logic",
        "name": "Renamed",
        "base_url": connection.base_url,
        "auth": "basic",
        "zone": "Asia/Kolkata",
        "credentials": "",
    }
    assert client.post(address, fields).status_code == 302
    connection.refresh_from_db()
    assert (connection.name, connection.credentials) == ("Renamed", "loyalty:s3cret-word")
    client.post(address, fields | {"credentials": "loyalty:other"})
    connection.refresh_from_db()
    assert connection.credentials == "loyalty:other"


def test_saving_a_connection_does_not_touch_how_it_stands(connection: Connection) -> None:
    stale = Connection.objects.get()
    Connection.objects.update(state="needs_attention", failures=3)
    stale.name = "Renamed"
    save_connection(connection=stale)
    connection.refresh_from_db()
    assert (connection.name, connection.state, connection.failures) == (
        "Renamed",
        "needs_attention",
        3,
    )


def test_an_unsafe_address_is_refused_at_its_field(connection: Connection) -> None:
    client = signed_in()
    page = client.post(
        f"/admin/erp/connection/{connection.pk}/change/",
        {
            "kind": "logic",
            "name": "X",
            "base_url": "http://erp.example.in",
            "auth": "basic",
            "zone": "Asia/Kolkata",
        },
    )
    assert "needs the tick" in page.content.decode()
    before = connection.base_url
    connection.refresh_from_db()
    assert connection.base_url == before


def test_a_stream_changes_its_settings_and_keeps_its_cursor(connection: Connection) -> None:
    stream = stream_of(connection, "sale")
    client = signed_in()
    address = f"/admin/erp/stream/{stream.pk}/change/"
    wrong = stream_of(connection, "customer").mapping_version_id
    fields = {"policy": "{}", "every_seconds": 30, "is_enabled": "on"}
    page = client.post(address, fields | {"mapping_version": wrong})
    assert "Select a valid choice" in page.content.decode()
    Stream.objects.filter(pk=stream.pk).update(cursor={"modify_code": 9}, token=4)
    right = fields | {"mapping_version": stream.mapping_version_id}
    assert client.post(address, right).status_code == 302
    stream.refresh_from_db()
    assert (stream.every_seconds, stream.cursor, stream.token) == (30, {"modify_code": 9}, 4)


def test_sync_now_and_the_connection_actions_work(erp: Shelf, connection: Connection) -> None:
    client = signed_in()
    streams = list(Stream.objects.all())
    assert "will start within seconds" in act(client, "stream", "sync_now", *streams)
    assert SyncRun.objects.filter(state="waiting", requested_by__isnull=False).count() == 4
    assert "no customers came" in act(client, "connection", "test", connection)
    Connection.objects.update(state="needs_attention", attention_reason="No.")
    assert "needs attention" in act(client, "stream", "sync_now", *streams)
    assert "is read again" in act(client, "connection", "go_on", connection)
    connection.refresh_from_db()
    assert connection.state == "active"


def test_replay_tells_what_came_of_it(set_aside: Quarantine) -> None:
    page = act(signed_in(), "quarantine", "replay", set_aside)
    assert "0 put right, 1 refused again." in page
    set_aside.refresh_from_db()
    assert (set_aside.state, set_aside.tries) == ("open", 2)


@pytest.mark.security
def test_documents_are_shown_only_to_those_who_may_see_them(set_aside: Quarantine) -> None:
    address = f"/admin/erp/quarantine/{set_aside.pk}/change/"
    assert "Mrs Asha Patel" in signed_in(Role.MANAGER).get(address).content.decode()
    page = signed_in(Role.CASHIER, Role.INTEGRATOR).get(address)
    assert page.status_code == 200
    assert "Mrs Asha Patel" not in page.content.decode()


@pytest.mark.security
@pytest.mark.parametrize("model", LISTS)
def test_a_cashier_sees_nothing_of_it(connection: Connection, model: str) -> None:
    assert signed_in(Role.CASHIER).get(f"/admin/erp/{model}/").status_code == 403
