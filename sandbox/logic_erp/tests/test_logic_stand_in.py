"""The stand-in as a caller sees it: a real process on a free port."""

import base64
import csv
import gc
import gzip
import json
import os
import re
import signal
import subprocess
import sys
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import date, datetime, timedelta
from decimal import Decimal
from functools import cache
from http.client import HTTPConnection
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlencode

import pytest

from sandbox.logic_erp.__main__ import KOLKATA
from sandbox.logic_erp.dataset import DATA_DIR, read_baskets
from sandbox.logic_erp.history import History, expected_totals, read_history
from sandbox.logic_erp.returns import plan_returns
from sandbox.logic_erp.shapes import Shapes

pytestmark = pytest.mark.integration

REPOSITORY = Path(__file__).resolve().parents[3]
NEWEST_ON = date(2026, 3, 31)
METHODS = ("GetRetailCustomer", "GetItemMaster", "GetSaleInvoice", "GetSaleReturnInvoice")
EMPTY = ("", None, "NIL", "(NIL)", "NIL NIL NIL")


exact = cache(Decimal)
"""A year of bills has a million amounts, most of them alike."""


class Answer(NamedTuple):
    """Status and text of an answer."""

    status: int
    text: str

    @property
    def data(self) -> Any:
        """The answer's JSON, numbers with a point exact."""
        return json.loads(self.text, parse_float=exact)


class Caller:
    """A client of one running stand-in."""

    def __init__(self, port: int) -> None:
        self._connection = HTTPConnection("127.0.0.1", port, timeout=30)

    def get(self, path: str) -> Answer:
        return self._send("GET", path)

    def post(self, path: str, body: object, **headers: str) -> Answer:
        text = body if isinstance(body, str) else json.dumps(body)
        return self._send("POST", path, text, headers)

    def pull(
        self, method: str, *, user: str = "loyalty:sandbox-erp", text: str = "", **request: object
    ) -> Answer:
        token = base64.b64encode(user.encode()).decode()
        return self.post(f"/api/{method}", text or request, Authorization=f"Basic {token}")

    def pull_all(self, method: str, after: object = 0) -> list[dict[str, Any]]:
        records: list[dict[str, Any]] = []
        while True:
            answer = self.pull(method, GlobalModifyCode=after).data
            assert answer["Status"] is True
            if not answer["GetData"]:
                assert answer["LastGlobalModifyCode"] == int(str(after))
                return records
            assert answer["LastGlobalModifyCode"] > int(str(after))
            records += answer["GetData"]
            after = answer["LastGlobalModifyCode"]

    def totals(self) -> Any:
        return self.get("/_sandbox/totals").data

    def _send(
        self, method: str, path: str, body: str | None = None, headers: dict[str, str] | None = None
    ) -> Answer:
        self._connection.request(method, path, body, headers or {})
        response = self._connection.getresponse()
        return Answer(response.status, response.read().decode())


def command(state_dir: Path, *options: str) -> list[str]:
    return [
        sys.executable,
        *("-m", "sandbox.logic_erp", "--port", "0", "--state-dir", str(state_dir)),
        *options,
    ]


@contextmanager
def running(state_dir: Path, *options: str) -> Iterator[Caller]:
    """Start the stand-in, and see that it ends well."""
    process = subprocess.Popen(
        command(state_dir, *options), cwd=REPOSITORY, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    try:
        line = process.stdout.readline()
        found = re.search(r"http://127\.0\.0\.1:(\d+)/", line)
        assert found, line
        yield Caller(int(found[1]))
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=5) == 0
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


@pytest.fixture(scope="module")
def caller(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Caller]:
    """A stand-in that no test rings up bills at."""
    state_dir = tmp_path_factory.mktemp("logic")
    with running(state_dir, "--newest-on", NEWEST_ON.isoformat()) as caller:
        yield caller


@pytest.fixture(scope="module")
def sales(caller: Caller) -> Iterator[list[dict[str, Any]]]:
    gc.disable()  # Looking for garbage among a million values takes longer than the tests.
    yield caller.pull_all("GetSaleInvoice")
    gc.enable()


@pytest.fixture(scope="module")
def returns(caller: Caller) -> list[dict[str, Any]]:
    return caller.pull_all("GetSaleReturnInvoice")


@pytest.fixture(scope="module")
def history() -> History:
    return read_history(DATA_DIR, NEWEST_ON)


@pytest.fixture
def till(tmp_path: Path) -> Iterator[Caller]:
    """A fresh stand-in to ring up bills at."""
    with running(tmp_path, "--newest-on", NEWEST_ON.isoformat()) as caller:
        yield caller


def lines_of(bill: dict[str, Any]) -> list[dict[str, Any]]:
    lines = bill.get("LstItems", bill.get("ListItems"))
    assert isinstance(lines, list)
    return lines


def csv_rows(name: str) -> list[dict[str, str]]:
    with gzip.open(DATA_DIR / name, "rt", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_paging_brings_every_document_once(
    caller: Caller, sales: list[dict[str, Any]], returns: list[dict[str, Any]]
) -> None:
    numbers = [bill["New_Bill_No"] for bill in sales + returns]
    people = [customer["Customer_Code"] for customer in caller.pull_all("GetRetailCustomer")]
    items = caller.pull_all("GetItemMaster")
    assert (len(sales), len(people), len(items)) == (14_301, 240, 25_630)
    assert len(set(numbers)) == len(numbers)
    assert len(set(people)) == len(people)
    first = caller.pull("GetSaleInvoice", GlobalModifyCode=0).data
    assert len(first["GetData"]) == 500
    assert caller.pull("GetSaleInvoice", GlobalModifyCode="0", Doc_Codes="").data == first


def test_sales_equal_a_plain_sum_of_the_csv_file(sales: list[dict[str, Any]]) -> None:
    rows = csv_rows("lines.csv.gz")
    in_csv = sum(Decimal(row["sales_value"]) for row in rows)
    assert sum(bill["Net_Amount"] for bill in sales) == in_csv
    assert sum(line["Net_Amt"] for bill in sales for line in lines_of(bill)) == in_csv
    assert sum(len(lines_of(bill)) for bill in sales) == len(rows)


def test_totals_of_all_three_ways_agree(
    caller: Caller, sales: list[dict[str, Any]], returns: list[dict[str, Any]]
) -> None:
    expected = expected_totals(DATA_DIR, NEWEST_ON)
    served, returned = caller.totals(), sum(abs(bill["Net_Amount"]) for bill in returns)
    assert served["sales"] == {
        "count": expected.sales,
        "lines": expected.sale_lines,
        "net": str(expected.net_sales),
    }
    assert served["returns"] == {
        "count": expected.returns,
        "lines": expected.return_lines,
        "net": str(expected.net_returns),
    }
    assert (len(returns), returned) == (expected.returns, expected.net_returns)
    assert sum(len(lines_of(bill)) for bill in returns) == expected.return_lines
    assert (served["customers"], served["items"]) == (expected.customers, expected.items)


def test_detailed_totals_list_every_bill(
    caller: Caller, sales: list[dict[str, Any]], returns: list[dict[str, Any]]
) -> None:
    rows = caller.get("/_sandbox/totals?detail=1").data["bills"]
    assert {row["number"]: Decimal(row["net"]) for row in rows} == {
        bill["New_Bill_No"]: abs(bill["Net_Amount"]) for bill in sales + returns
    }
    assert [row["modify_code"] for row in rows] == sorted(row["modify_code"] for row in rows)


def test_each_line_adds_up(sales: list[dict[str, Any]], returns: list[dict[str, Any]]) -> None:
    for bill in sales + returns:
        lines = lines_of(bill)
        for line in lines:
            discounts = line["CD"] + line["TD"] + line["SPDiscount"] + line["Scheme_Rs"]
            assert line["Gross_Amt"] - discounts == line["Net_Amt"] == line["Sale_Amt"]
        assert bill["Net_Amount"] == sum(line["Net_Amt"] for line in lines)
        assert bill["Quantity"] == sum(line["Quantity"] for line in lines)


def test_amounts_have_two_decimals_and_no_noise(caller: Caller) -> None:
    text = caller.pull("GetSaleInvoice", GlobalModifyCode=0).text
    amounts = re.findall(r'"(?:Net_Amount|Gross_Amount|Net_Amt|Gross_Amt)":([^,}]+)', text)
    assert amounts
    assert all(re.fullmatch(r"-?\d+\.\d\d", amount) for amount in amounts)


def test_returns_never_exceed_their_sale(
    sales: list[dict[str, Any]], returns: list[dict[str, Any]]
) -> None:
    sold = {bill["New_Bill_No"]: bill for bill in sales}
    quantity: Counter[tuple[str, int]] = Counter()
    amount: defaultdict[tuple[str, int], Decimal] = defaultdict(Decimal)
    for bill in returns:
        sale = sold[bill["Remarks1"]]
        assert sale["Customer_Code"] == bill["Customer_Code"]
        for line in lines_of(bill):
            key = (sale["New_Bill_No"], line["Against_SL_Txn_Code"])
            quantity[key] += abs(line["Quantity"])
            amount[key] += abs(line["Net_Amt"])
    sold_lines = {
        (number, line["SL_Txn_Code"]): line
        for number, bill in sold.items()
        for line in lines_of(bill)
    }
    for key, units in quantity.items():
        assert 0 < units <= sold_lines[key]["Quantity"]
        assert amount[key] <= sold_lines[key]["Net_Amt"]
        if units == sold_lines[key]["Quantity"]:
            assert amount[key] == sold_lines[key]["Net_Amt"]


def test_about_three_percent_come_back_and_half_of_those_whole(
    sales: list[dict[str, Any]], returns: list[dict[str, Any]]
) -> None:
    sold = {bill["New_Bill_No"]: bill for bill in sales}
    times = Counter(bill["Remarks1"] for bill in returns)
    whole = [
        bill for bill in returns if abs(bill["Quantity"]) == sold[bill["Remarks1"]]["Quantity"]
    ]
    assert 0.025 < len(times) / len(sales) < 0.035
    assert 0.4 < len(whole) / len(times) < 0.6
    assert {1, 2, 3} == set(times.values())


def test_returns_come_one_to_twenty_days_later_and_not_after_the_newest_day(
    history: History,
) -> None:
    bills = history.bills
    by_number = {bill.number: bill for bill in bills}
    gaps = [
        (bill.at.date() - by_number[bill.return_of].at.date()).days
        for bill in bills
        if bill.return_of
    ]
    assert (min(gaps), max(gaps)) == (1, 20)
    assert max(bill.at.date() for bill in bills) == NEWEST_ON


def test_two_starts_with_the_same_date_give_the_same_bytes(history: History) -> None:
    again = read_history(DATA_DIR, NEWEST_ON)
    assert again == history
    one, other = Shapes(history.items), Shapes(again.items)
    for bill, twin in zip(history.bills[::10], again.bills[::10], strict=True):
        assert one.bill(bill) == other.bill(twin)


def test_another_day_moves_the_dates_and_nothing_else(history: History) -> None:
    later = read_history(DATA_DIR, NEWEST_ON + timedelta(days=400))
    for bill, moved in zip(history.bills, later.bills, strict=True):
        assert moved.at - bill.at == timedelta(days=400)
        assert (moved.key, moved.customer, moved.net) == (bill.key, bill.customer, bill.net)


def test_no_rule_takes_a_unit_back_twice() -> None:
    baskets = read_baskets()
    for basket in baskets:
        units = Counter(
            (take.line, unit)
            for plan in plan_returns(basket, baskets[-1].at.date())
            for take in plan.takes
            for unit in range(take.first, take.last)
        )
        assert all(times == 1 for times in units.values())


def test_bill_numbers_repeat_only_across_year_branch_and_type(
    sales: list[dict[str, Any]], returns: list[dict[str, Any]]
) -> None:
    def key(bill: dict[str, Any]) -> tuple[str, int, str, int]:
        year = bill["New_Bill_No"].split("/")[0]
        return (year, bill["Branch_Code"], bill["Doc_Prefix"], bill["Vouch_Code"])

    bills = sales + returns
    assert len({key(bill) for bill in bills}) == len(bills)
    assert len({bill["Vouch_Code"] for bill in bills}) < len(bills) / 10
    line_codes = [(key(bill)[0], line["SL_Txn_Code"]) for bill in bills for line in lines_of(bill)]
    assert len(set(line_codes)) == len(line_codes)


def test_the_financial_year_turns_in_april(caller: Caller) -> None:
    with_dates = [
        (row["number"][:5], row["at"][:10])
        for row in caller.get("/_sandbox/totals?detail=1").data["bills"]
    ]
    assert all(day >= "2025-04-01" for year, day in with_dates if year == "25-26")
    assert all(day <= "2025-03-31" for year, day in with_dates if year == "24-25")
    assert {year for year, _ in with_dates} == {"24-25", "25-26"}


def test_irregular_values_of_logic_occur(
    caller: Caller, sales: list[dict[str, Any]], returns: list[dict[str, Any]]
) -> None:
    bills = sales + returns
    lines = [line for bill in bills[:1_000] for line in lines_of(bill)]
    people = caller.pull_all("GetRetailCustomer")
    assert {bill["Retail_Cust_Email_ID"] for bill in bills} > set(EMPTY)
    assert {person["Spouse_Mobile_No"] for person in people} >= {"0", "NIL", "", None}
    assert {bill["Account_Code"] for bill in bills} >= {-1}
    assert {bill["Currency_Name"] for bill in bills} == {"INR", "0"}
    assert {bill["Total_Tax"] for bill in bills} == {"0.00"}
    assert {name for bill in bills for name in bill if "Items" in name} == {"LstItems", "ListItems"}
    assert {name for line in lines for name in line if "User" in name} == {
        "LogicUser_Code",
        "Logic_UserCode",
        "LogicUserCode",
    }
    assert {shape_of(bill["Bill_Date"]) for bill in bills} == {
        "00/00/0000",
        "00/00/00",
        "0000-00-00 00:00",
    }
    assert {shape_of(bill["Bill_Time"])[:16] for bill in bills} == {
        "00/00/0000 00:00",
        "0000-00-00 00:00",
    }
    assert {shape_of(bill["Retail_Cust_Mobile_No"]) for bill in bills} == {
        "+00 0000 000000",
        "00000000000000",
        "+000000000000",
    }
    names = [bill["Customer_Name"] for bill in bills]
    assert any(name.endswith(" ") for name in names)
    assert any(name.endswith("\r\n") for name in names)
    assert any(re.search(r" -[A-Z][a-z]+\s*$", name) for name in names)
    assert {bill["Action_Code"] for bill in bills} == {"N", "M"}


def shape_of(text: str) -> str:
    return re.sub(r"\d", "0", text)


def test_returns_are_positive_with_sr_and_negative_with_cr(returns: list[dict[str, Any]]) -> None:
    assert {bill["Type"] for bill in returns} == {"SR", "CR"}
    for bill in returns:
        sign = 1 if bill["Type"] == "SR" else -1
        assert sign * bill["Quantity"] > 0
        assert all(sign * line["Net_Amt"] >= 0 for line in lines_of(bill))


def test_about_six_percent_of_sales_carry_an_affiliate_code(sales: list[dict[str, Any]]) -> None:
    typed = [bill["Remarks2"] for bill in sales if bill["Remarks2"] not in EMPTY]
    assert {code.strip().upper() for code in typed} == {"ASHA10", "RAVI10", "MEERA10"}
    assert 0.05 < len(typed) / len(sales) < 0.07
    assert any(code != code.strip() for code in typed)
    assert any(code != code.upper() for code in typed)


def test_every_basket_belongs_to_its_household(caller: Caller, sales: list[dict[str, Any]]) -> None:
    households = Counter(int(row["household_id"]) for row in csv_rows("baskets.csv.gz"))
    assert Counter(bill["Customer_Code"] for bill in sales) == households
    mobiles = {
        person["Customer_Code"]: person["Mobile_No"].replace(" ", "")[-10:]
        for person in caller.pull_all("GetRetailCustomer")
    }
    for bill in sales:
        mobile = bill["Retail_Cust_Mobile_No"].replace(" ", "")
        assert mobile[-10:] == mobiles[bill["Customer_Code"]]


def test_people_are_invented_and_their_numbers_reserved_for_fiction(
    caller: Caller, history: History
) -> None:
    people = caller.pull_all("GetRetailCustomer")
    for person in people:
        digits = re.sub(r"\D", "", person["Mobile_No"]).removeprefix("00")
        assert 447700900000 <= int(digits) <= 447700900999
        assert person["EMail_ID"].endswith("@example.com")
        assert re.fullmatch(r"M\d{6}", person["Membership_Number"])
    for field in ("EMail_ID", "Membership_Number"):
        assert len({person[field] for person in people}) == len(people)
    names = {branch.name for branch in history.branches.values()}
    assert len(names) == len(history.branches) == 168


def test_bills_name_items_of_the_item_master(caller: Caller, sales: list[dict[str, Any]]) -> None:
    def code(record: dict[str, Any]) -> str:
        return next(str(value) for name, value in record.items() if "User" in name)

    items = {code(item): item for item in caller.pull_all("GetItemMaster")}
    assert any(item["Item_Group_Name_1"] in EMPTY for item in items.values())
    for bill in sales[:1_000]:
        for line in lines_of(bill):
            assert line["Item_Group_Name_1"] == items[code(line)]["Item_Group_Name_1"]


@pytest.mark.parametrize("method", METHODS)
def test_a_wrong_password_is_refused(caller: Caller, method: str) -> None:
    answer = caller.pull(method, user="loyalty:guess", GlobalModifyCode=0)
    assert answer.status == 401
    assert "GetData" not in answer.text


@pytest.mark.parametrize(
    "header", [{}, {"Authorization": "Basic %%"}, {"Authorization": "Bearer x"}]
)
def test_a_missing_or_garbled_password_is_refused(caller: Caller, header: dict[str, str]) -> None:
    assert caller.post("/api/GetSaleInvoice", {}, **header).status == 401


def test_an_unknown_method_answers_an_html_page(caller: Caller) -> None:
    answer = caller.pull("GetEverything")
    assert answer.status == 404
    assert answer.text.startswith("<!DOCTYPE html")


@pytest.mark.parametrize(
    "body",
    [
        "{",
        "[]",
        '"x"',
        "[" * 100_000,
        '{"GlobalModifyCode": "many"}',
        '{"GlobalModifyCode": true}',
        '{"GlobalModifyCode": 1.5}',
        '{"GlobalModifyCode": 0, "DateFrom": "2026-01-01"}',
        '{"GlobalModifyCode": 0, "Branch_Codes_From": "Pune"}',
    ],
)
def test_a_bad_request_answers_status_false(caller: Caller, body: str) -> None:
    answer = caller.pull("GetSaleInvoice", text=body)
    assert answer.status == 200
    assert answer.data["GetData"] is None
    assert answer.data["Status"] is False
    assert answer.data["Message"]


def test_filters_by_day_branch_and_code(caller: Caller) -> None:
    day = NEWEST_ON.strftime("%d/%m/%Y")
    rows = caller.get("/_sandbox/totals?detail=1").data["bills"]
    wanted = [row for row in rows if row["kind"] == "sale" and row["at"].startswith(str(NEWEST_ON))]
    found = caller.pull("GetSaleInvoice", GlobalModifyCode=0, DateFrom=day, DateTo=day).data
    assert [bill["New_Bill_No"] for bill in found["GetData"]] == [row["number"] for row in wanted]
    branch = rows[0]["branch"]
    for value in (branch, str(branch), f"{branch}, 9999"):
        at_branch = caller.pull("GetSaleInvoice", GlobalModifyCode=0, Branch_Codes_From=value).data
        assert {bill["Branch_Code"] for bill in at_branch["GetData"]} == {branch}
    first = caller.pull(
        "GetSaleInvoice", GlobalModifyCode=0, Branch_Codes_From=branch, Doc_Codes="1"
    ).data
    assert {bill["Vouch_Code"] for bill in first["GetData"]} == {1}


def test_a_new_bill_is_pulled_from_the_last_modify_code(till: Caller) -> None:
    before = till.totals()
    made = till.post("/_sandbox/bill", {"household": 850, "affiliate_code": "RAVI10"}).data
    (bill,) = till.pull_all("GetSaleInvoice", after=before["last_modify_code"])
    assert bill["New_Bill_No"] == made["number"]
    assert bill["Net_Amount"] == Decimal(made["net"])
    assert bill["Customer_Code"] == 850
    assert bill["Remarks2"].strip().upper() == "RAVI10"
    after = till.totals()
    assert after["sales"]["count"] == before["sales"]["count"] + 1
    assert Decimal(after["sales"]["net"]) == Decimal(before["sales"]["net"]) + Decimal(made["net"])


def test_goods_come_back_in_parts_until_nothing_is_left(till: Caller) -> None:
    line = {"item": "995242", "quantity": 3, "net": "100.00", "discount": "0.05"}
    sale = till.post("/_sandbox/bill", {"household": 850, "lines": [line]}).data
    code = sale["lines"][0]["txn_code"]
    one = {"return_of": sale["number"], "lines": [{"txn_code": code, "quantity": 1}]}
    rest = {"return_of": sale["number"]}
    nets = [till.post("/_sandbox/bill", order).data["net"] for order in (one, one, rest)]
    assert nets == ["33.33", "33.34", "33.33"]
    before = till.totals()
    for order in (one, rest):
        refused = till.post("/_sandbox/bill", order)
        assert refused.status == 400
        assert refused.data["error"]
    assert till.totals() == before


@pytest.mark.parametrize(
    "order",
    [
        {},
        [],
        {"household": 1},
        {"household": True},
        {"household": 850, "branch": 999},
        {"household": 850, "amount": "1.005"},
        {"household": 850, "amount": "-1"},
        {"household": 850, "amount": "NaN"},
        {"household": 850, "amount": "1e400"},
        {"household": 850, "lines": [{"item": "nothing", "net": "1"}]},
        {"household": 850, "lines": [{"item": "995242", "net": "1", "quantity": 0}]},
        {"household": 850, "surprise": 1},
        {"return_of": "24-25/1/ESI-999999"},
    ],
)
def test_a_bill_that_makes_no_sense_is_refused_and_leaves_nothing(
    caller: Caller, order: object
) -> None:
    before = caller.totals()
    answer = caller.post("/_sandbox/bill", order)
    assert answer.status == 400
    assert answer.data["error"]
    assert caller.totals() == before


def test_pages_of_other_sites_cannot_use_the_till(caller: Caller) -> None:
    before = caller.totals()
    answer = caller.post("/_sandbox/bill", {"household": 850}, Origin="https://evil.example")
    assert answer.status == 403
    assert caller.totals() == before


def test_the_page_rings_up_and_takes_back(till: Caller) -> None:
    form = {"household": "850", "branch": "", "amount": "250.50", "affiliate_code": "<b>"}
    assert till.post("/ring-up", urlencode(form)).status == 303
    page = till.get("/").text
    assert "250.50" in page
    assert "&lt;b&gt;" in page
    assert "<b>" not in page
    (sale,) = till.pull_all("GetSaleInvoice", after=till.totals()["last_modify_code"] - 1)
    assert till.post("/take-back", urlencode({"return_of": sale["New_Bill_No"]})).status == 303
    refused = till.post("/take-back", urlencode({"return_of": sale["New_Bill_No"]}))
    assert refused.status == 400
    assert "come back already" in refused.text


def test_a_restart_keeps_the_dates_and_the_live_bills(tmp_path: Path) -> None:
    with running(tmp_path, "--newest-on", NEWEST_ON.isoformat()) as caller:
        code = caller.totals()["last_modify_code"]
        made = caller.post("/_sandbox/bill", {"household": 850}).data
        caller.post("/_sandbox/bill", {"return_of": made["number"]})
        before = [caller.pull(method, GlobalModifyCode=code).text for method in METHODS]
        totals = caller.totals()
        history = caller.pull("GetSaleInvoice", GlobalModifyCode=0).text
    with running(tmp_path) as caller:
        assert caller.totals() == totals
        assert [caller.pull(m, GlobalModifyCode=code).text for m in METHODS] == before
        assert caller.pull("GetSaleInvoice", GlobalModifyCode=0).text == history
        another = caller.post("/_sandbox/bill", {"household": 850}).data
        assert another["modify_code"] == totals["last_modify_code"] + 1
        assert another["number"] != made["number"]


def test_the_first_start_ends_the_history_yesterday(tmp_path: Path) -> None:
    today = datetime.now(KOLKATA).date()
    with running(tmp_path) as caller:
        newest = date.fromisoformat(caller.totals()["newest_on"])
    assert (today - newest).days in (0, 1)  # 0 if midnight passed between the two clocks.


def refusal(run: Callable[[], subprocess.CompletedProcess[str]]) -> str:
    ended = run()
    assert ended.returncode == 2
    assert ended.stderr.count("\n") == 1
    return ended.stderr


def start_and_end(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        arguments, cwd=REPOSITORY, capture_output=True, text=True, timeout=30, check=False
    )


def test_a_taken_port_ends_with_one_line(tmp_path: Path, caller: Caller) -> None:
    port = str(caller._connection.port)
    said = refusal(lambda: start_and_end(*command(tmp_path), "--port", port))
    assert f"Port {port} is taken" in said
    assert not os.listdir(tmp_path)


def test_a_damaged_state_file_ends_with_one_line_and_is_kept(tmp_path: Path) -> None:
    state = tmp_path / "logic_erp.json"
    state.write_text("{", encoding="utf-8")
    assert str(state) in refusal(lambda: start_and_end(*command(tmp_path)))
    assert state.read_text(encoding="utf-8") == "{"


def test_another_date_is_refused_once_bills_were_rung_up(tmp_path: Path) -> None:
    with running(tmp_path, "--newest-on", NEWEST_ON.isoformat()) as caller:
        caller.post("/_sandbox/bill", {"household": 850})
    said = refusal(lambda: start_and_end(*command(tmp_path, "--newest-on", "2026-04-01")))
    assert "--newest-on" in said
    with running(tmp_path) as caller:
        assert caller.totals()["live_bills"] == 1
