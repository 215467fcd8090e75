"""Roles, and who may give them to whom."""

import pytest
from django.apps import apps
from django.contrib.auth.models import Group, Permission

from loyalty_site.staff.errors import BeyondOwnAccessError, EmailInUseError, OwnAccessError
from loyalty_site.staff.models import User
from loyalty_site.staff.roles import ROLES, Role, held_by
from loyalty_site.staff.selectors import grantable_roles, permissions_of_roles, roles_of
from loyalty_site.staff.services import apply_roles, end_sessions, save_user
from loyalty_site.staff.tests.factories import make_user

pytestmark = pytest.mark.django_db


def test_every_role_has_its_permissions_after_migrating() -> None:
    assert set(Group.objects.values_list("name", flat=True)) >= set(Role)
    assert "staff.change_user" in permissions_of_roles([Role.OWNER])
    assert "customers.add_customer" in permissions_of_roles([Role.CASHIER])
    for role in Role:
        assert permissions_of_roles([role]), role


def test_least_rights() -> None:
    for role in set(Role) - {Role.OWNER, Role.MANAGER}:
        held = permissions_of_roles([role])
        assert not any(name.startswith("staff.") for name in held)
    assert not permissions_of_roles([Role.CASHIER]) & {
        "loyalty.adjust_points",
        "loyalty.reverse_points",
        "customers.view_contact",
        "customers.change_customer",
    }
    analyst = permissions_of_roles([Role.ANALYST])
    assert all(name.partition(".")[2].startswith("view_") for name in analyst)


def test_every_permission_that_is_named_in_full_exists() -> None:
    names = {
        f"{label}.{codename}"
        for label, codename in Permission.objects.values_list("content_type__app_label", "codename")
    }
    with_models = {config.label for config in apps.get_app_configs() if config.models}
    named = {
        pattern
        for patterns in ROLES.values()
        for pattern in patterns
        if "*" not in pattern and pattern.partition(".")[0] in with_models
    }
    assert named <= names, sorted(named - names)


def test_the_table_is_applied_again_and_what_was_added_by_hand_is_taken_away() -> None:
    cashier = Group.objects.get(name=Role.CASHIER)
    extra = Permission.objects.get(codename="adjust_points")
    cashier.permissions.add(extra)
    cashier.permissions.remove(Permission.objects.get(codename="award_points"))
    apply_roles(app_label="loyalty")
    held = permissions_of_roles([Role.CASHIER])
    assert "loyalty.award_points" in held
    assert "loyalty.adjust_points" not in held


def test_applying_the_table_is_cheap(django_assert_max_num_queries: object) -> None:
    with django_assert_max_num_queries(8):  # type: ignore[operator]
        apply_roles(app_label="loyalty")


def test_a_pattern_holds_what_it_matches() -> None:
    offered = {"customers.view_customer", "customers.delete_customer", "staff.add_user"}
    assert held_by(Role.CASHIER, offered) == {"customers.view_customer"}


def test_the_back_office_follows_from_the_roles() -> None:
    assert make_user(roles=[Role.CASHIER]).is_staff
    assert not make_user(roles=[Role.INTEGRATOR]).is_staff
    assert not make_user(roles=[]).is_staff


def test_nobody_gives_more_than_he_holds() -> None:
    manager = make_user(roles=[Role.MANAGER])
    for roles in ([Role.OWNER], [Role.CASHIER, Role.OWNER]):
        with pytest.raises(BeyondOwnAccessError):
            save_user(user=User(email="new@example.com"), roles=roles, acting_user=manager)
    assert not User.objects.filter(email="new@example.com").exists()
    assert Role.OWNER not in grantable_roles(manager)
    new = save_user(user=User(email="new@example.com"), roles=[Role.CASHIER], acting_user=manager)
    assert roles_of(new) == {Role.CASHIER}


def test_a_manager_cannot_take_over_an_owner_even_one_who_is_switched_off() -> None:
    manager, owner = make_user(roles=[Role.MANAGER]), make_user(is_active=False)
    superuser = User.objects.create_superuser("root@example.com", "a long password")
    for victim in (owner, superuser):
        before = victim.password
        with pytest.raises(BeyondOwnAccessError):
            save_user(user=victim, roles=[], password="taken over now", acting_user=manager)
        with pytest.raises(BeyondOwnAccessError):
            end_sessions(users=[victim], acting_user=manager)
        victim.refresh_from_db()
        assert (victim.password, victim.token_version) == (before, 0)


def test_nobody_changes_his_own_rights() -> None:
    owner = make_user(roles=[Role.OWNER])
    with pytest.raises(OwnAccessError):
        save_user(user=owner, roles=[Role.OWNER, Role.CASHIER], acting_user=owner)
    owner.is_active = False
    with pytest.raises(OwnAccessError):
        save_user(user=owner, roles=[Role.OWNER], acting_user=owner)
    owner.refresh_from_db()
    assert (owner.is_active, roles_of(owner)) == (True, frozenset([Role.OWNER]))


def test_one_may_change_his_own_name() -> None:
    cashier = make_user(roles=[Role.CASHIER])
    cashier.name = "Asha"
    assert save_user(user=cashier, roles=[Role.CASHIER], acting_user=cashier).name == "Asha"


def test_refuses_the_address_of_another_user() -> None:
    make_user(email="user@example.com")
    with pytest.raises(EmailInUseError):
        make_user(email="USER@example.com")
    assert User.objects.count() == 1


def test_a_user_without_a_password_cannot_sign_in_with_one() -> None:
    user = save_user(user=User(email="machine@example.com"), roles=[Role.INTEGRATOR])
    assert not user.has_usable_password()


def test_a_superuser_stays_one_whatever_the_instance_says() -> None:
    user = make_user(roles=[Role.CASHIER])
    user.is_superuser = True
    save_user(user=user, roles=[Role.CASHIER])
    user.refresh_from_db()
    assert not user.is_superuser
