"""Bills, customers and items as LOGIC writes them, with its irregular values.

The vendor's public pages do not show how a return names its sale, how the customer and item tables
read, or which Type a sale has. What this module assumes about that stands in the constants below.
"""

import json
from collections.abc import Mapping
from datetime import date

from sandbox.logic_erp.documents import PREFIXES, Bill, Customer, Item, Line
from sandbox.logic_erp.money import rupees, share
from sandbox.logic_erp.seeds import Dice

RETURN_OF_FIELD = "Remarks1"
"""Assumption: on returns, the full number of the sale (New_Bill_No)."""
SOLD_LINE_FIELD = "Against_SL_Txn_Code"
"""Assumption: on returned lines, the SL_Txn_Code of the sold line."""
AFFILIATE_FIELD = "Remarks2"
"""Assumption: the cashier types an affiliate's code here."""
SALE_TYPE = "SI"
"""Assumption: the Type of a sale; public pages show SR and CR, both of returns."""
CATEGORY_FIELD, DEPARTMENT_FIELD, PRODUCT_TYPE_FIELD, BRAND_FIELD = (
    "Item_Group_Name_1",
    "Item_Group_Name_2",
    "Item_Group_Name_3",
    "Brand_Name",
)
"""Assumption: how the shop has set up its item groups; bill lines carry the first."""

EMPTIES = ("", "", "", None, None, "NIL", "(NIL)", "NIL NIL NIL")
NO_CODE = (-1, -1, "", None)
NO_MOBILE = ("0", "0", "", None, "NIL")
CURRENCIES = ("INR",) * 9 + ("0",)
ACTIONS = ("N",) * 19 + ("M",)
ITEM_CODE_FIELDS = ("LogicUser_Code",) * 8 + ("Logic_UserCode", "LogicUserCode")
LINES_FIELDS = ("LstItems",) * 4 + ("ListItems",)
DATE_PATTERNS = ("%d/%m/%Y",) * 8 + ("%d/%m/%y", "%Y-%m-%d 00:00")
TIME_PATTERNS = ("%d/%m/%Y %I:%M %p",) * 8 + ("%Y-%m-%d %H:%M",)
BIRTH_PATTERNS = ("%d/%m/%Y",) * 5 + ("%Y-%m-%d 00:00",)
"""Four-digit years only: of a birth date, two digits do not tell the century."""
NAME_ENDS = ("",) * 10 + (" ", "   ", "\r\n", "\n")
SALESPEOPLE = ("Anil", "Bharat", "Chitra", "Deepak", "Ganesh", "Jyoti", "Lata", "Mohan", "Rekha")
GENDER = {False: 1, True: 2}
"""Assumption: 1 a man, 2 a woman."""
MARITAL_STATUS = {False: 1, True: 2}
"""Assumption: 1 single, 2 married."""


class Amount(str):
    """A number that goes into the JSON text digit by digit, never through a float."""

    __slots__ = ()


Value = str | int | None
_quoted = json.JSONEncoder().encode


class Shapes:
    """Writes records as JSON text; every call with the same record gives the same text.

    The choices of one record are drawn from its key in the order of the fields, so a new
    irregularity belongs at the end.
    """

    def __init__(self, items: Mapping[str, Item]) -> None:
        """Take the items that bill lines refer to."""
        self._items = items
        self._line_parts: dict[str, str] = {}

    def bill(self, bill: Bill) -> str:
        """A sale or return invoice with its lines."""
        customer, branch, lines, dice = bill.customer, bill.branch, bill.lines, Dice(bill.key)
        is_challan = dice.roll(5) == 0 and bill.kind == "return"
        sign = -1 if is_challan else 1
        header: dict[str, Value] = {
            "Vouch_Code": bill.vouch_code,
            "Bill_No": bill.bill_no,
            "New_Bill_No": bill.number,
            "Bill_Date": bill.at.strftime(dice.choose(DATE_PATTERNS)),
            "Bill_Time": bill.at.strftime(dice.choose(TIME_PATTERNS)),
            "Account_Code": 5000 + branch.code if dice.roll(10) else -1,
            "Account_Name": _untidy("CASH SALE", branch.city, dice),
            "Customer_Code": customer.code,
            "Customer_Name": _untidy(customer.name, customer.home_branch.city, dice),
            "Agent_Name": _or_empty(dice.choose(SALESPEOPLE), 3, dice),
            "Quantity": sign * sum(line.quantity for line in lines),
            "Gross_Amount": Amount(rupees(sign * sum(line.gross for line in lines))),
            "Net_Amount": Amount(rupees(sign * bill.net)),
            "Total_Tax": "0.00",
            "Branch_Name": _untidy(branch.name, "", dice),
            "Branch_Code": branch.code,
            "Branch_Short_Name": branch.short_name,
            "Currency_Name": dice.choose(CURRENCIES),
            "Tax_Region_Name": _or_empty("LOCAL", 4, dice),
            "Action_Code": dice.choose(ACTIONS),
            "Type": SALE_TYPE if bill.kind == "sale" else "CR" if is_challan else "SR",
            "Doc_Prefix": PREFIXES[bill.kind],
            "Doc_Number": bill.vouch_code,
            "RCU_Membership_Series": _or_empty("LM", 5, dice),
            "RCU_Membership_Number": customer.membership_number,
            "Retail_Cust_Name": _or_empty(
                _untidy(customer.name, customer.home_branch.city, dice), 5, dice
            ),
            "Retail_Cust_Mobile_No": _mobile(customer.mobile, dice),
            "Retail_Cust_Email_ID": _or_empty(customer.email, 3, dice),
            "SO_Order_No": dice.choose(NO_CODE),
            "SO_Party_Order_No": dice.choose(EMPTIES),
            "Remarks1": dice.choose(EMPTIES),
            "Remarks2": dice.choose(EMPTIES),
            "Remarks3": dice.choose(EMPTIES),
        }
        if bill.return_of:
            header[RETURN_OF_FIELD] = bill.return_of
        if bill.affiliate_code:
            header[AFFILIATE_FIELD] = _as_typed(bill.affiliate_code, dice)
        code_field = dice.choose(ITEM_CODE_FIELDS)
        lines_field = dice.choose(LINES_FIELDS)
        lines_text = ",".join([self._line(line, sign, code_field) for line in lines])
        return f'{{{_members(header)},"{lines_field}":[{lines_text}]}}'

    def customer(self, customer: Customer) -> str:
        """A retail customer, in the fields of SaveRetailCustomer and its code (assumption)."""
        home, dice = customer.home_branch, Dice(f"customer {customer.code}")
        return _object(
            {
                "Customer_Code": customer.code,
                "MemberShip_Series": _or_empty("LM", 5, dice),
                "Membership_Number": customer.membership_number,
                "Title": customer.title,
                "First_Name": _untidy(customer.first_name, "", dice),
                "Middle_Name": dice.choose(EMPTIES),
                "Last_Name": _untidy(customer.last_name, home.city, dice),
                "EMail_ID": customer.email,
                "Mobile_No": _mobile(customer.mobile, dice),
                "Birth_Date": _day_or_empty(customer.birth_on, dice),
                "Gender": GENDER[customer.is_woman],
                "Marital_Status": MARITAL_STATUS[customer.anniversary_on is not None],
                "House_No": _or_empty(str(1 + dice.roll(400)), 2, dice),
                "City_Name": _untidy(home.city, "", dice),
                "State_Name": home.state,
                "Country_Name": _or_empty("India", 5, dice),
                "Pin_Code": _or_empty(customer.pin_code, 6, dice),
                "Branch_Code": home.code,
                "Spouse_Name": dice.choose(EMPTIES),
                "Spouse_Mobile_No": dice.choose(NO_MOBILE),
                "Kid_1_Name": dice.choose(EMPTIES),
                "Kid_1_DOB": dice.choose(EMPTIES),
                "Anniversary_Date": _day_or_empty(customer.anniversary_on, dice),
                "Gst_Number": dice.choose(EMPTIES),
                "Discount_Card_No": dice.choose(EMPTIES),
                "Remarks": dice.choose(EMPTIES),
            }
        )

    def item(self, item: Item) -> str:
        """An item of the item master; its field names are an assumption."""
        code_field = Dice(f"item {item.code}").choose(ITEM_CODE_FIELDS)
        return _object({code_field: item.code, **_item_fields(item)})

    def _line(self, line: Line, sign: int, code_field: str) -> str:
        """One line; written as text at once, since nine tenths of all fields are in lines."""
        sold_as = "" if line.sold_as is None else f',"{SOLD_LINE_FIELD}":{line.sold_as}'
        net, gross = rupees(sign * line.net), rupees(sign * line.gross)
        return (
            f'{{"SL_Txn_Code":{line.txn_code},"{code_field}":"{line.item}",'
            f"{self._line_part(line.item)},"
            f'"Quantity":{sign * line.quantity},'
            f'"Item_MRP":{rupees(share(line.gross, 1, line.quantity))},"Gross_Amt":{gross},'
            f'"CD":{rupees(sign * line.coupon_discount)},"TD":0.00,'
            f'"SPDiscount":{rupees(sign * line.retail_discount)},'
            f'"Scheme_Rs":{rupees(sign * line.match_discount)},"Scheme_Unit":0,'
            f'"Sale_Amt":{net},"Tax_1":0.00,"Tax_2":0.00,"Tax_3":0.00,'
            '"Tax_Amt_1":0.00,"Tax_Amt_2":0.00,"Tax_Amt_3":0.00,'
            f'"AdjustmentRupees":0.00,"Round_Amt":0.00,"Net_Amt":{net}{sold_as}}}'
        )

    def _line_part(self, code: str) -> str:
        """What every line of an item says alike."""
        part = self._line_parts.get(code)
        if part is None:
            fields = _item_fields(self._items[code])
            for name in (DEPARTMENT_FIELD, PRODUCT_TYPE_FIELD, BRAND_FIELD):
                del fields[name]
            part = self._line_parts[code] = _members(fields)
        return part


def _item_fields(item: Item) -> dict[str, Value]:
    dice = Dice(item.code)
    name = item.product_type or item.category or item.department or "ITEM"
    return {
        "AddlItemCode": dice.choose(EMPTIES),
        "Lot_Code": dice.choose(NO_CODE),
        "Lot_Number": dice.choose(EMPTIES),
        "ItemName": _untidy(f"{name} {item.code}", "", dice),
        "ColorName": dice.choose(EMPTIES),
        "PackName": dice.choose(EMPTIES),
        "HSN_Code": dice.choose(EMPTIES),
        CATEGORY_FIELD: item.category or dice.choose(EMPTIES),
        DEPARTMENT_FIELD: item.department or dice.choose(EMPTIES),
        PRODUCT_TYPE_FIELD: item.product_type or dice.choose(EMPTIES),
        BRAND_FIELD: item.brand or dice.choose(EMPTIES),
    }


def _object(record: Mapping[str, Value]) -> str:
    return f"{{{_members(record)}}}"


def _members(record: Mapping[str, Value]) -> str:
    return ",".join([f'"{name}":{_text(value)}' for name, value in record.items()])


def _text(value: Value) -> str:
    if isinstance(value, Amount):
        return value
    if isinstance(value, int):
        return str(value)
    return "null" if value is None else _quoted(value)


def _or_empty(value: str, one_in: int, dice: Dice) -> str | None:
    """The value, or once in so many times an empty."""
    return value if dice.roll(one_in) else dice.choose(EMPTIES)


def _untidy(name: str, city: str, dice: Dice) -> str:
    """A name as typed: with a city suffix, trailing blanks or a stray line end, mostly plain."""
    suffix = f" -{city}" if dice.roll(6) == 0 and city else ""
    return f"{name}{suffix}{dice.choose(NAME_ENDS)}"


def _as_typed(code: str, dice: Dice) -> str:
    """A code as the cashier typed it."""
    lower = code.lower()
    return dice.choose((code, code, code, lower, f" {code}", f"{code} ", f" {lower} "))


def _mobile(number: str, dice: Dice) -> str:
    """+447700900123 in one of three spellings."""
    spaced = f"{number[:3]} {number[3:7]} {number[7:]}"
    return dice.choose((spaced, f"00{number[1:]}", number))


def _day_or_empty(day: date | None, dice: Dice) -> str | None:
    return dice.choose(EMPTIES) if day is None else day.strftime(dice.choose(BIRTH_PATTERNS))
