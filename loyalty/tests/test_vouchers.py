"""Codes: made, brought in files, used once, ended; each refusal says why."""

from datetime import timedelta
from typing import Any

import pytest
from django.db import DatabaseError, transaction

from customers.tests.factories import make_store
from loyalty.engine.codes import is_well_typed
from loyalty.errors import (
    ImportDecidedError,
    InvalidImportError,
    InvalidPoolError,
    PoolTooLargeError,
    RewardSoldOutError,
    VoucherExpiredError,
    VoucherNotFoundError,
    VoucherNotUsableError,
    VoucherUsedError,
    VoucherWrongStoreError,
)
from loyalty.models import Voucher, VoucherImport, VoucherPool, VoucherStep
from loyalty.selectors import find_voucher, get_voucher, pool_counts
from loyalty.services import (
    apply_import,
    cancel_redemption,
    drop_import,
    expire_vouchers,
    generate_codes,
    make_codes,
    preview_import,
    redeem_reward,
    reserve_reward,
    save_pool,
    use_voucher,
)
from loyalty.services.vouchers import MOST_IN_FILE
from loyalty.tests.factories import (
    NOW,
    TODAY,
    make_account,
    make_pool,
    make_program,
    make_reward,
    wish_for,
)
from loyalty_site.staff.tests.factories import make_user

pytestmark = pytest.mark.django_db


def issue(**fields: Any) -> Voucher:
    account = make_account(balance=1000)
    reward = make_reward(kind="voucher", points=10, **fields)
    return redeem_reward(wish=wish_for(account, reward), now=NOW).vouchers.get()


def bring(content: bytes, pool: VoucherPool | None = None) -> VoucherImport:
    pool = pool or make_pool(name="Cinema", source="imported")
    return preview_import(
        pool=pool, file_name="codes.csv", content=content, acting_user=make_user()
    )


# --- making -------------------------------------------------------------------------------------


def test_few_codes_are_there_at_once_and_all_differ() -> None:
    pool = make_pool(codes=250, prefix="tea")
    codes = list(Voucher.objects.values_list("code", flat=True))
    assert (pool.made, pool.wanted, len(set(codes))) == (250, 250, 250)
    assert all(is_well_typed(code) and code.startswith("TEA-") for code in codes)


def test_many_codes_are_made_in_bites_that_may_be_cut_off() -> None:
    pool = generate_codes(pool=make_pool(), count=4_500)
    assert (pool.made, pool.wanted, Voucher.objects.count()) == (0, 4_500, 0)
    seen = []
    while bite := make_codes():
        seen.append(bite)
    pool.refresh_from_db()
    assert (seen, pool.made) == ([2_000, 2_000, 500], 4_500)
    assert Voucher.objects.count() == 4_500


@pytest.mark.parametrize("count", [0, 100_001])
def test_refuses_too_many_codes_at_once(count: int) -> None:
    pool = make_pool()
    with pytest.raises(PoolTooLargeError):
        generate_codes(pool=pool, count=count)
    pool.refresh_from_db()
    assert pool.wanted == 0


def test_codes_of_files_are_not_made_and_made_ones_not_brought() -> None:
    with pytest.raises(InvalidPoolError):
        generate_codes(pool=make_pool(source="imported"), count=5)
    with pytest.raises(InvalidPoolError):
        bring(b"A-1\n", make_pool(name="Ours"))
    with pytest.raises(InvalidPoolError):
        save_pool(pool=VoucherPool(program=make_program(), name="x", prefix="tea!"))
    assert not Voucher.objects.exists() and not VoucherImport.objects.exists()


# --- files --------------------------------------------------------------------------------------


def test_a_file_is_previewed_and_then_taken_over_once() -> None:
    content = (
        "\ufeffcode;note\nAB-123;x\nab 123;again\n=1+1;formula\nCD-456;\n\n  EF-789 ;\n".encode()
    )
    found = bring(content)
    assert (found.new_count, found.repeated_count, found.faulty_count) == (3, 1, 1)
    assert [problem["row"] for problem in found.problems] == [3, 4]
    assert not Voucher.objects.exists()
    done = apply_import(voucher_import=found)
    assert (done.new_count, done.codes) == (3, [])
    assert set(Voucher.objects.values_list("key", flat=True)) == {"AB123", "CD456", "EF789"}
    with pytest.raises(ImportDecidedError):
        apply_import(voucher_import=found)
    assert Voucher.objects.count() == 3
    found.pool.refresh_from_db()
    assert found.pool.made == 3


def test_codes_that_are_known_are_reported_and_left_out() -> None:
    apply_import(voucher_import=bring(b"A-111\nA-222\n"))
    pool = VoucherPool.objects.get(name="Cinema")
    second = bring(b"A-222\nA-333\n", pool)
    third = bring(b"A-333\nA-444\n", pool)
    assert (second.new_count, second.known_count) == (1, 1)
    assert second.problems[0]["problem"] == "known already"
    apply_import(voucher_import=second)
    late = apply_import(voucher_import=third)
    assert (late.new_count, late.known_count) == (1, 1)
    assert pool_counts([pool.pk]) == {pool.pk: {"available": 4}}


def test_a_dropped_file_changes_nothing() -> None:
    found = bring(b"A-111\n")
    drop_import(voucher_import=found)
    with pytest.raises(ImportDecidedError):
        apply_import(voucher_import=found)
    assert not Voucher.objects.exists()


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"code\n",
        b"\xff\xfe\x00",
        b"A" * 2_000_001,
        b"".join(b"A%07d\n" % n for n in range(MOST_IN_FILE + 1)),
        b"=HYPERLINK(1)\n+1\n-2\n@x\n",
    ],
)
def test_refuses_a_file_without_codes_or_beyond_bounds(content: bytes) -> None:
    with pytest.raises(InvalidImportError):
        bring(content)
    assert not VoucherImport.objects.exists()


@pytest.mark.performance
def test_a_file_takes_few_queries_whatever_its_length(django_assert_max_num_queries: Any) -> None:
    for number, rows in enumerate((10, 1500)):
        content = b"".join(b"%d-A%05d\n" % (number, n) for n in range(rows))
        pool = make_pool(name=f"P{number}", source="imported")
        user = make_user()
        with django_assert_max_num_queries(5):
            found = preview_import(pool=pool, file_name="f", content=content, acting_user=user)
        with django_assert_max_num_queries(11):
            apply_import(voucher_import=found)


# --- at the till --------------------------------------------------------------------------------


def test_a_voucher_is_used_once_and_then_says_where() -> None:
    voucher, store, user = issue(), make_store(name="High Street"), make_user()
    use_voucher(voucher=voucher, store=store, bill="B-7", acting_user=user)
    with pytest.raises(VoucherUsedError, match=r"used on .*, High Street, bill B-7\."):
        use_voucher(voucher=voucher, store=store, bill="B-8")
    voucher.refresh_from_db()
    assert (voucher.state, voucher.used_bill) == (Voucher.State.USED, "B-7")
    last = VoucherStep.objects.latest("pk")
    assert (last.state, last.reason, last.actor) == ("used", "B-7", user)


def test_the_same_bill_again_is_no_second_use() -> None:
    voucher, store = issue(), make_store()
    first = use_voucher(voucher=voucher, store=store, bill="B-7")
    assert use_voucher(voucher=voucher, store=store, bill="B-7").used_at == first.used_at
    with pytest.raises(VoucherUsedError):
        use_voucher(voucher=voucher, store=make_store(), bill="B-7")
    assert VoucherStep.objects.filter(state="used").count() == 1


def test_a_voucher_lives_until_the_end_of_its_last_day_in_the_programmes_zone() -> None:
    voucher = issue(valid_days=10)
    assert voucher.expires_on == TODAY + timedelta(days=10)
    midnight = NOW.replace(hour=18, minute=30) + timedelta(days=10)  # in Kolkata
    with pytest.raises(VoucherExpiredError):
        use_voucher(voucher=voucher, now=midnight)
    use_voucher(voucher=voucher, now=midnight - timedelta(seconds=1))


def test_expired_vouchers_are_ended_once() -> None:
    voucher = issue(valid_days=10)
    program = make_program()
    on = TODAY + timedelta(days=11)
    assert expire_vouchers(on=on - timedelta(days=1), program_id=program.pk) == 0
    assert expire_vouchers(on=on, program_id=program.pk) == 1
    assert expire_vouchers(on=on, program_id=program.pk) == 0
    with pytest.raises(VoucherExpiredError):
        use_voucher(voucher=voucher)
    voucher.refresh_from_db()
    assert voucher.state == Voucher.State.EXPIRED


def test_a_cancelled_voucher_and_one_for_other_stores_are_refused() -> None:
    here, there = make_store(name="Here"), make_store(name="There")
    voucher = issue(stores=[here])
    with pytest.raises(VoucherWrongStoreError, match="it is for Here"):
        use_voucher(voucher=voucher, store=there)
    assert voucher.redemption
    cancel_redemption(redemption=voucher.redemption, reason="wrong")
    with pytest.raises(VoucherNotUsableError, match="cancelled"):
        use_voucher(voucher=voucher, store=here)
    assert not VoucherStep.objects.filter(state="used").exists()


def test_codes_are_found_in_any_spelling_and_hidden_until_given() -> None:
    voucher = issue()
    for spelling in (voucher.code.lower(), voucher.key, f" {voucher.code} "):
        assert find_voucher(spelling) == voucher
    make_pool(name="More", codes=1)
    waiting = Voucher.objects.get(pool__name="More")
    with pytest.raises(VoucherNotFoundError):
        get_voucher(waiting.code)
    account = make_account(balance=100)
    reserved = reserve_reward(wish=wish_for(account, make_reward(kind="voucher", points=1)))
    with pytest.raises(VoucherNotFoundError):
        get_voucher(reserved.vouchers.get().code)


def test_a_slip_of_the_finger_is_told_apart_from_a_strange_code() -> None:
    code = issue().code
    wrong = code[:-1] + ("2" if code[-1] != "2" else "3")
    with pytest.raises(VoucherNotFoundError, match="check each sign"):
        get_voucher(wrong)
    with pytest.raises(VoucherNotFoundError):
        get_voucher("\x00" * 100)


def test_the_history_of_vouchers_and_redemptions_cannot_be_rewritten() -> None:
    issue()
    for attempt in (
        lambda: VoucherStep.objects.update(reason="x"),
        lambda: VoucherStep.objects.all().delete(),
    ):
        with pytest.raises(DatabaseError), transaction.atomic():
            attempt()


def test_a_pool_that_is_over_gives_no_more_codes() -> None:
    pool = make_pool(codes=3, ends_on=TODAY)
    reward = make_reward(kind="voucher", points=10, pool=pool, valid_days=30)
    account = make_account(balance=100)
    made = redeem_reward(wish=wish_for(account, reward), now=NOW)
    assert made.vouchers.get().expires_on == TODAY
    with pytest.raises(RewardSoldOutError):
        redeem_reward(wish=wish_for(account, reward), now=NOW + timedelta(days=1))
    account.refresh_from_db()
    assert account.balance == 90
