"""User administration in the back office."""

import pytest
from django.test import Client
from django.urls import reverse

from loyalty_site.staff.models import RefreshFamily, User
from loyalty_site.staff.roles import Role
from loyalty_site.staff.selectors import roles_of
from loyalty_site.staff.services import start_session
from loyalty_site.staff.tests.factories import PASSWORD, make_client, make_user

pytestmark = [pytest.mark.django_db, pytest.mark.urls("loyalty_site.staff.tests.urls")]
LIST = "/admin/staff/user/"


def _browser(user: User) -> Client:
    browser = Client()
    browser.force_login(user, backend="loyalty_site.staff.authentication.PermissionBackend")
    return browser


def _page(user: User) -> str:
    return reverse("admin:staff_user_change", args=[user.pk])


def test_staff_sign_in_with_their_e_mail_address() -> None:
    make_user(email="user@example.com")
    browser = Client()
    answer = browser.post(
        "/admin/login/?next=/admin/staff/user/",
        {"username": "User@Example.com", "password": PASSWORD},
    )
    assert answer.status_code == 302
    assert browser.get(LIST).status_code == 200


def test_an_owner_adds_a_cashier_who_can_then_sign_in() -> None:
    browser = _browser(make_user())
    assert browser.get(f"{LIST}add/").status_code == 200
    answer = browser.post(
        f"{LIST}add/",
        {
            "email": "Till@example.com",
            "name": "Till 7",
            "is_active": "on",
            "roles": ["cashier"],
            "first_password": "a fine first password",
        },
    )
    assert answer.status_code == 302, answer.content.decode()
    user = User.objects.get(email="till@example.com")
    assert (roles_of(user), user.is_staff) == (frozenset([Role.CASHIER]), True)
    assert user.check_password("a fine first password")


def test_weak_first_passwords_are_refused() -> None:
    browser = _browser(make_user())
    for password in ("short", "1234567890123", "passwordpassword"[:8]):
        form = {"email": "new@example.com", "name": "New", "first_password": password}
        assert browser.post(f"{LIST}add/", form).status_code == 200
    assert not User.objects.filter(email="new@example.com").exists()


def test_a_manager_is_not_offered_and_cannot_post_the_owners_role() -> None:
    manager, cashier = make_user(roles=[Role.MANAGER]), make_user(roles=[Role.CASHIER])
    browser = _browser(manager)
    page = browser.get(_page(cashier)).content.decode()
    assert 'value="support"' in page
    assert 'value="owner"' not in page
    form = {"email": cashier.email, "name": "x", "is_active": "on", "roles": ["owner"]}
    assert browser.post(_page(cashier), form).status_code == 200
    assert roles_of(cashier) == {Role.CASHIER}


def test_a_manager_sees_an_owner_but_cannot_change_him_or_his_password() -> None:
    manager, owner = make_user(roles=[Role.MANAGER]), make_user()
    browser = _browser(manager)
    assert "first_password" not in browser.get(_page(owner)).content.decode()
    form = {"email": "stolen@example.com", "name": "x", "roles": []}
    assert browser.post(_page(owner), form).status_code == 403
    password = reverse("admin:auth_user_password_change", args=[owner.pk])
    form = {"password1": "taken over 12345", "password2": "taken over 12345"}
    assert browser.post(password, form).status_code == 403
    owner.refresh_from_db()
    assert owner.check_password(PASSWORD)
    assert owner.email != "stolen@example.com"


def test_nobody_edits_his_own_roles_there() -> None:
    manager = make_user(roles=[Role.MANAGER])
    browser = _browser(manager)
    form = {"email": manager.email, "name": "New name", "roles": ["cashier"]}
    assert browser.post(_page(manager), form).status_code == 302
    manager.refresh_from_db()
    assert (manager.name, manager.is_active) == ("New name", True)
    assert roles_of(manager) == {Role.MANAGER}


def test_a_taken_address_is_said_on_the_form() -> None:
    owner, other = make_user(), make_user(email="other@example.com")
    form = {"email": "other@example.com", "name": "x", "is_active": "on", "roles": []}
    user = make_user(roles=[Role.CASHIER])
    answer = _browser(owner).post(_page(user), form)
    assert answer.status_code == 200
    user.refresh_from_db()
    assert user.email != other.email


def test_sessions_and_tokens_are_ended_from_the_list() -> None:
    owner, cashier = make_user(), make_user(roles=[Role.CASHIER])
    client, browser = make_client(user=cashier), _browser(cashier)
    start_session(user=cashier)
    form = {"action": "end_all_sessions", "_selected_action": [cashier.pk]}
    answer = _browser(owner).post(LIST, form, follow=True)
    assert "1 people have to sign in again" in answer.content.decode()
    assert client.post("/api/v1/auth/logout").status_code == 401
    assert browser.get("/admin/").status_code == 302


def test_a_manager_cannot_end_an_owners_sessions() -> None:
    owner, manager = make_user(), make_user(roles=[Role.MANAGER])
    form = {"action": "end_all_sessions", "_selected_action": [owner.pk]}
    answer = _browser(manager).post(LIST, form, follow=True)
    assert "whose rights you hold yourself" in answer.content.decode()
    owner.refresh_from_db()
    assert owner.token_version == 0


def test_others_do_not_see_the_people() -> None:
    for role in set(Role) - {Role.OWNER, Role.MANAGER, Role.INTEGRATOR}:
        assert _browser(make_user(roles=[role])).get(LIST).status_code == 403
    assert _browser(make_user(roles=[Role.INTEGRATOR])).get(LIST).status_code == 302


def test_nobody_is_deleted_and_groups_are_not_edited_by_hand() -> None:
    owner, cashier = make_user(), make_user(roles=[Role.CASHIER])
    browser = _browser(owner)
    assert browser.post(f"{LIST}{cashier.pk}/delete/", {"post": "yes"}).status_code == 403
    assert browser.get("/admin/auth/group/").status_code == 404


def test_sign_ins_are_listed_read_only() -> None:
    owner = make_user()
    start_session(user=owner)
    browser = _browser(owner)
    assert browser.get("/admin/staff/refreshfamily/").status_code == 200
    family = RefreshFamily.objects.get()
    assert browser.get(f"/admin/staff/refreshfamily/{family.pk}/change/").status_code == 200
    assert browser.get("/admin/staff/refreshfamily/add/").status_code == 403


def test_the_list_takes_the_same_queries_for_many_people(
    django_assert_max_num_queries: object,
) -> None:
    owner = make_user()
    for _ in range(15):
        make_user(roles=[Role.CASHIER, Role.SUPPORT])
    browser = _browser(owner)
    browser.get(LIST)
    with django_assert_max_num_queries(12):  # type: ignore[operator]
        browser.get(LIST)
