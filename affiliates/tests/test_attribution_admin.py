"""Pages on which staff see and decide who brought whom."""

from typing import Any

import pytest
from django.contrib.auth.models import Group
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from affiliates.models import AttributionPolicy, Binding, Conversion, ManualAttribution, Touch
from affiliates.services import bind_customer
from affiliates.tests.factories import make_enrolment, make_sale
from affiliates.tests.test_attribution import claim, credited, settle
from customers.models import Purchase
from customers.tests.factories import make_customer
from loyalty_site.staff.models import User

pytestmark = pytest.mark.django_db


@pytest.fixture
def staff(owner: User, client: Client) -> Client:
    client.force_login(owner)
    return client


def role(name: str) -> Client:
    user = User.objects.create_user(f"{name}@example.com", "a long password", name=name)
    user.is_staff = True
    user.save()
    user.groups.add(Group.objects.get(name=name))
    browser = Client()
    browser.force_login(user)
    return browser


def page(name: str, *args: Any) -> str:
    return reverse(f"admin:affiliates_{name}", args=args)


def test_a_bill_shows_its_candidates_as_a_ladder(staff: Client) -> None:
    ravi, told = make_customer(), make_enrolment(code="TOLD")
    make_enrolment(code="CODED")
    claim(told, ravi)
    settle(make_sale(customer=ravi, codes=("CODED",)))
    text = staff.get(page("conversion_change", Conversion.objects.get().pk)).content.decode()
    rungs = [text.index(one) for one in ("Affiliate CODED", "Code on the bill", "Affiliate TOLD")]
    assert rungs == sorted(rungs)
    assert "Another one came first; one bill pays one affiliate." in text
    listed = staff.get(page("conversion_changelist"), {"rung": "code"})
    assert listed.context["cl"].result_count == 1
    assert (
        staff.get(page("conversion_changelist"), {"rung": "click"}).context["cl"].result_count == 0
    )


def test_staff_give_a_bill_to_an_affiliate_by_its_number(staff: Client) -> None:
    enrolment, sale = make_enrolment(), make_sale()
    url = page("conversion_attribute")
    form = {"bill": sale.number, "code": "asha10", "reason": "Told us by phone"}
    for wrong in ({"bill": "NOPE"}, {"code": "NOPE"}, {"reason": ""}, {"nobody": "on"}):
        assert staff.post(url, {**form, **wrong}).status_code == 200
    assert not ManualAttribution.objects.exists()
    assert staff.post(url, form).status_code == 302
    assert credited(enrolment) == 100
    shown = staff.get(page("conversion_change", Conversion.objects.get().pk)).content.decode()
    assert "Told us by phone" in shown
    this = page("conversion_attribute_this", Conversion.objects.get().pk)
    assert staff.post(this, {"nobody": "on", "reason": "A colleague"}).status_code == 302
    assert credited(enrolment) == 0


def test_the_shop_puts_the_ways_in_order(staff: Client) -> None:
    form = {"binding": "1", "click": "2", "code": "3", "claim": "", "cookie": "3"}
    url = page("attributionpolicy_add")
    answer = staff.post(url, {**form, "winner_share": "100"})
    assert "Another way has this place too." in answer.content.decode()
    assert not AttributionPolicy.objects.exists()
    assert staff.post(url, {**form, "cookie": "", "winner_share": "80"}).status_code == 302
    policy = AttributionPolicy.objects.get()
    assert (policy.ladder, policy.winner_share) == (["binding", "click", "code"], 80)
    assert staff.get(page("attributionpolicy_add")).status_code == 403
    shown = staff.get(page("attributionpolicy_changelist")).content.decode()
    assert "Brought the customer before → Click that a shop reported → Code on the bill" in shown
    again = {**form, "claim": "1", "binding": "", "cookie": "", "winner_share": "100"}
    assert staff.post(page("attributionpolicy_change", policy.pk), again).status_code == 302
    policy.refresh_from_db()
    assert policy.ladder == ["claim", "click", "code"]


def test_customers_are_bound_and_freed_with_a_reason(staff: Client, owner: User) -> None:
    ravi, enrolment = make_customer(name="Ravi Rao"), make_enrolment()
    form = {"customer": "Ravi", "code": "ASHA10", "reason": "Said so"}
    assert staff.post(page("binding_bind"), {**form, "customer": "Nobody"}).status_code == 200
    assert not Binding.objects.exists()
    assert staff.post(page("binding_bind"), form).status_code == 302
    binding = Binding.objects.get()
    assert (binding.customer, binding.enrolment, binding.recorded_by) == (ravi, enrolment, owner)
    url = f"{page('binding_end')}?ids={binding.pk}"
    assert "Ravi Rao" in staff.get(url).content.decode()
    assert staff.post(url, {"reason": ""}).status_code == 200
    assert Binding.objects.get().ended_at is None
    assert staff.post(url, {"reason": "Asked us"}).status_code == 302
    assert Binding.objects.get().ended_at is not None
    answer = staff.post(url, {"reason": "Again"}, follow=True)
    assert "Ravi Rao: This customer is no longer bound." in answer.content.decode()


def test_a_cashier_notes_who_sent_a_customer_and_sees_no_list() -> None:
    enrolment, cashier = make_enrolment(), role("cashier")
    url = page("counter")
    assert "Who sent you?" in cashier.get(url).content.decode()
    text = cashier.post(url, {"phone": "+44 7700 900123", "code": "asha10"}).content.decode()
    assert "Noted: Affiliate ASHA10 sent this customer." in text
    assert (Touch.objects.get().enrolment, Touch.objects.get().place) == (enrolment, "counter")
    for wrong in ({"phone": "12"}, {"code": "NOPE"}, {"code": ""}):
        answer = cashier.post(url, {"phone": "+447700900124", "code": "asha10", **wrong})
        assert 'role="alert"' in answer.content.decode()
    assert Touch.objects.count() == 1
    assert cashier.get(page("touch_changelist")).status_code == 403


def upload(browser: Client, text: str | bytes, **fields: str) -> Any:
    content = text.encode() if isinstance(text, str) else text
    file = SimpleUploadedFile("sales.csv", content, content_type="text/csv")
    return browser.post(page("import"), {"system": "web", "file": file, **fields})


def test_a_file_of_sales_is_tried_before_it_is_recorded(staff: Client) -> None:
    enrolment = make_enrolment()
    text = (
        "order_id,amount,code,occurred_at,phone\r\n"
        'W1,"1,000.00",asha10,2026-03-10 14:30,+447700900321\r\n'
        "W2,lots,ASHA10,,\r\n"
        "W3,500,,,\r\n"
        "W5,NaN,ASHA10,,\r\n"
        "W6,1.005,ASHA10,,\r\n"
        "W7,5,ASHA\x0710,,\r\n"
        "W4,500,ASHA10,yesterday,\r\n"
        "W1,1000,ASHA10,2026-03-10 14:30,+447700900321\r\n"
    )
    answer = upload(staff, text)
    shown = [(row["line"], row["is_good"]) for row in answer.context["rows"]]
    assert shown == [(line, line in (2, 9)) for line in range(2, 10)]
    assert "Affiliate ASHA10: ₹100.00" in answer.content.decode()
    assert not Purchase.objects.exists() and not Touch.objects.exists()
    confirmed = {"system": "web", "text": answer.context["form"].initial["text"], "confirm": "yes"}
    for _ in range(2):
        assert staff.post(page("import"), confirmed).status_code == 302
    assert Purchase.objects.get().external_id == "W1"
    assert credited(enrolment) == 100


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("order,amount\n1,2\n", "The column “order_id” is missing."),
        ("order_id,amount,colour\n1,2,red\n", "The column “colour” is not known."),
        ("order_id,amount\n" + "1,2\n" * 1001, "There are more than 1,000 rows."),
        (b"order_id,amount\n\xff,2\n", "Save the file as CSV in UTF-8."),
        ("order_id,amount\n\x00,2\n", "Save the file as CSV in UTF-8."),
        ("", "The submitted file is empty."),
    ],
)
def test_a_file_that_cannot_be_read_is_refused_with_its_reason(
    staff: Client, text: str | bytes, message: str
) -> None:
    assert message in upload(staff, text).content.decode()
    assert not Purchase.objects.exists()


def test_the_empty_file_has_the_columns_that_are_known(staff: Client) -> None:
    empty = staff.get(page("import_template")).content.decode()
    assert upload(staff, empty).context["form"].errors == {}


@pytest.mark.security
@pytest.mark.parametrize("name", ["cashier", "marketer", "support", "finance", "analyst"])
def test_only_who_may_attribute_decides(name: str, owner: User) -> None:
    browser, sale, enrolment = role(name), make_sale(), make_enrolment()
    binding = bind_customer(
        customer=make_customer(), enrolment=enrolment, reason="Said so", acting_user=owner
    )
    form = {"bill": sale.number, "code": "ASHA10", "customer": "Asha", "reason": "Please"}
    for url in (
        page("conversion_attribute"),
        page("binding_bind"),
        f"{page('binding_end')}?ids={binding.pk}",
        page("attributionpolicy_add"),
        page("import"),
    ):
        assert browser.post(url, form).status_code == 403
    assert not ManualAttribution.objects.exists()
    assert Binding.objects.get().ended_at is None


@pytest.mark.performance
@pytest.mark.parametrize("name", ["binding", "touch", "conversion"])
def test_lists_take_the_same_number_of_queries_for_few_and_many_rows(
    staff: Client, owner: User, django_assert_num_queries: Any, name: str
) -> None:
    enrolment = make_enrolment()

    def more(count: int) -> None:
        for _ in range(count):
            customer = make_customer()
            claim(enrolment, customer)
            bind_customer(
                customer=customer, enrolment=enrolment, reason="Said so", acting_user=owner
            )
            settle(make_sale(customer=customer))

    more(1)
    staff.get(page(f"{name}_changelist"))
    with CaptureQueriesContext(connection) as for_few:
        staff.get(page(f"{name}_changelist"))
    more(7)
    with django_assert_num_queries(len(for_few)):
        staff.get(page(f"{name}_changelist"))
