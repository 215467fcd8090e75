"""What customers said about messages."""

import pytest
from django.db import DatabaseError, connection, transaction
from django.db.models import OuterRef

from customers.errors import InvalidConsentError
from customers.models import Consent, Customer
from customers.selectors import consent_exists, consent_states, current_consents
from customers.services import ConsentStatement, record_consent, record_consents
from customers.tests.factories import make_customer
from loyalty_site.staff.models import User

pytestmark = pytest.mark.django_db

WHATSAPP, MARKETING, SERVICE = "whatsapp", "marketing", "service"


def say(customer: Customer, *, granted: bool, purpose: str = MARKETING) -> Consent:
    return record_consent(
        customer=customer,
        channel=WHATSAPP,
        purpose=purpose,
        granted=granted,
        wording="May we write to you?",
        source="till",
    )


def test_the_last_word_counts_and_silence_is_no() -> None:
    yes, no, silent = make_customer(), make_customer(), make_customer()
    say(yes, granted=False)
    say(yes, granted=True)
    say(no, granted=True)
    say(no, granted=False)
    say(silent, granted=True, purpose=SERVICE)
    ids = [yes.pk, no.pk, silent.pk]
    states = consent_states(customer_ids=ids, channel=WHATSAPP, purpose=MARKETING)
    assert states == {yes.pk: True, no.pk: False, silent.pk: False}
    allowed = Customer.objects.filter(consent_exists("pk", channel=WHATSAPP, purpose=MARKETING))
    assert list(allowed) == [yes]
    assert [consent.granted for consent in current_consents(yes)] == [True]


def test_the_condition_reads_channel_and_purpose_from_the_outer_query() -> None:
    customer = make_customer()
    first = say(customer, granted=True)
    say(customer, granted=False, purpose=SERVICE)
    held = Consent.objects.filter(
        consent_exists("customer_id", channel=OuterRef("channel"), purpose=OuterRef("purpose"))
    )
    assert list(held) == [first]


def test_keeps_who_wrote_a_statement_down() -> None:
    user = User.objects.create_user("till@example.com", name="Till")
    consent = record_consent(
        customer=make_customer(),
        channel=WHATSAPP,
        purpose=MARKETING,
        granted=True,
        wording=" Yes please ",
        source="till",
        acting_user=user,
    )
    assert (consent.recorded_by, consent.wording, consent.source) == (user, "Yes please", "till")


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"channel": "fax"}, "channel"),
        ({"purpose": "spam"}, "purpose"),
        ({"wording": " "}, "wording"),
    ],
)
def test_refuses_a_statement_that_proves_nothing(fields: dict, field: str) -> None:
    given = {"channel": WHATSAPP, "purpose": MARKETING, "granted": True, "wording": "Yes"} | fields
    statement = ConsentStatement(customer_id=make_customer().pk, **given)
    with pytest.raises(InvalidConsentError) as refusal:
        record_consents(statements=[statement], source="till")
    assert refusal.value.field == field
    assert not Consent.objects.exists()


def test_a_refusal_needs_no_wording() -> None:
    statement = ConsentStatement(
        customer_id=make_customer().pk, channel=WHATSAPP, purpose=MARKETING, granted=False
    )
    record_consents(statements=[statement], source="stop word")
    assert Consent.objects.filter(granted=False).count() == 1


@pytest.mark.security
@pytest.mark.parametrize("statement", ["UPDATE {} SET granted = NOT granted", "DELETE FROM {}"])
def test_the_database_refuses_to_change_a_statement(statement: str) -> None:
    say(make_customer(), granted=False)
    with (
        pytest.raises(DatabaseError, match="append-only"),
        transaction.atomic(),
        connection.cursor() as cursor,
    ):
        cursor.execute(statement.format("customers_consent"))
    assert list(Consent.objects.values_list("granted", flat=True)) == [False]
