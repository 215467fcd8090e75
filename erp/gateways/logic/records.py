"""LOGIC's irregular values made regular, before any mapping sees them.

Empties become null, spellings one, dates ISO 8601, texts tidy, and amounts take their sign from
the type of the document, never from what was received. Derived fields, for mappings to use:

- `Document_Key`: financial year / branch / type / Vouch_Code, LOGIC's only lasting key of a bill
- `Sale_Key`: on returns, the same of the bill that was sold
- `Full_Name`, `Category_Path`
- lines: `Discount_Amt`, `Tax_Amt`
"""

import re
from collections.abc import Callable, Iterable
from datetime import date, datetime
from decimal import Decimal
from functools import lru_cache
from typing import Any

from erp.engine import Fault
from erp.gateways.logic import assumptions
from erp.gateways.source import Record

_EMPTIES = frozenset({"", "NIL", "(NIL)", "NIL NIL NIL"})
_EMPTY_WHERE_ZERO = ("_Mobile_No", "Mobile_No", "Currency_Name")
_SPELLINGS = {
    "ListItems": "LstItems",
    "Logic_UserCode": "LogicUser_Code",
    "LogicUserCode": "LogicUser_Code",
    "PartyUserCode": "Party_User_code",
}
_DATES = frozenset({"Bill_Date", "Bill_Time", "Birth_Date", "Anniversary_Date"})
_DATE_FORMATS = (
    "%d/%m/%Y",
    "%d/%m/%y",
    "%d/%m/%Y %I:%M %p",
    "%d/%m/%y %I:%M %p",
    "%d/%m/%Y %H:%M",
    "%Y-%m-%d %H:%M",
    "%Y-%m-%d",
)
_SIGNED_HEADER = ("Quantity", "Gross_Amount", "Net_Amount", "Total_Tax")
_SIGNED_LINE = (
    "Quantity",
    "Gross_Amt",
    "Net_Amt",
    assumptions.NET_FIELD,
    *assumptions.DISCOUNT_FIELDS,
    *assumptions.TAX_FIELDS,
)
_AMOUNTS = frozenset({*_SIGNED_HEADER, *_SIGNED_LINE, "Item_MRP", "AdjustmentRupees", "Round_Amt"})
_NAMES = frozenset(
    {"Customer_Name", "Retail_Cust_Name", "Account_Name", "First_Name", "Middle_Name", "Last_Name"}
)
_CITY_SUFFIX = re.compile(r"\s+-\s*\w[\w .]*$")
_TITLE = re.compile(r"^(?:mr|mrs|ms|miss|dr|shri|smt)\.?\s+", re.IGNORECASE)
_BILL_NUMBER = re.compile(r"(\d\d-\d\d)/(\w+)/[A-Za-z]+-(\d+)")
_NUMBER = re.compile(r"-?\d{1,15}(?:\.\d{1,10})?", re.ASCII)
_ZERO = Decimal(0)


def read_record(entity: str, payload: dict[str, Any]) -> Record:
    """The key and the regular form of one document; what has none comes with its fault."""
    return _READERS[entity](payload)


def _item(payload: dict[str, Any]) -> Record:
    row = _tidy(payload)
    row["Category_Path"] = _category_path(row)
    return _keyed(row.get("LogicUser_Code"), payload, row)


def _customer(payload: dict[str, Any]) -> Record:
    row = _tidy(payload)
    names = (row.get(name) for name in ("First_Name", "Middle_Name", "Last_Name"))
    row["Full_Name"] = " ".join(name for name in names if isinstance(name, str)) or None
    return _keyed(row.get("Customer_Code"), payload, row)


def _bill(payload: dict[str, Any]) -> Record:
    row = _tidy(payload)
    kind = row.get("Type")
    key = _document_key(row)
    if key is None:
        fault = Fault("no_key", "Vouch_Code, Branch_Code, Type or Bill_Date is missing.")
        return Record("", payload, {}, fault)
    document = assumptions.DOCUMENT_TYPES.get(str(kind))
    if document is None:
        fault = Fault("unknown_document_type", f"Documents of type “{kind}” are not known.")
        return Record(key, payload, {}, fault)
    row["Document_Key"] = key
    if document == "return":
        row["Sale_Key"] = _sale_key(row.get(assumptions.RETURN_OF_FIELD))
    negative = document == "return"
    _sign(row, _SIGNED_HEADER, negative)
    lines = row.get("LstItems")
    if isinstance(lines, list):
        row["LstItems"] = [_line(line, negative) for line in lines]
    return Record(key, payload, row)


_READERS: dict[str, Callable[[dict[str, Any]], Record]] = {
    "item": _item,
    "customer": _customer,
    "sale": _bill,
    "return": _bill,
}


def _line(line: Any, negative: bool) -> Any:
    if not isinstance(line, dict):
        return line
    row = _tidy(line)
    _sign(row, _SIGNED_LINE, negative)
    row["Discount_Amt"] = _sum(row, assumptions.DISCOUNT_FIELDS)
    row["Tax_Amt"] = _sum(row, assumptions.TAX_FIELDS)
    return row


def _keyed(code: Any, payload: dict[str, Any], row: dict[str, Any]) -> Record:
    if not isinstance(code, int | str):
        return Record("", payload, {}, Fault("no_key", "The record has no code."))
    return Record(str(code)[:120], payload, row)


def _tidy(payload: dict[str, Any]) -> dict[str, Any]:
    """Spellings, empties, blanks, names and dates of one object; lists pass through."""
    if not payload.keys().isdisjoint(_SPELLINGS):
        payload = _respelled(payload)
    return {
        name: (value if name in _AMOUNTS else _tidy_text(name, value))
        if value.__class__ is str
        else (None if value == -1 and name.endswith(("_Code", "_No")) else value)
        for name, value in payload.items()
    }


def _respelled(payload: dict[str, Any]) -> dict[str, Any]:
    """One spelling a name; of two in one record, the one that says something wins."""
    row: dict[str, Any] = {}
    for name, value in payload.items():
        name = _SPELLINGS.get(name, name)
        if row.get(name) in (None, ""):
            row[name] = value
    return row


@lru_cache(maxsize=65536)
def _tidy_text(name: str, text: str) -> str | None:
    text = " ".join(text.split())
    if text.upper() in _EMPTIES or (text == "0" and name.endswith(_EMPTY_WHERE_ZERO)):
        return None
    if name in _DATES:
        return _iso(text)
    if name in _NAMES:
        return _TITLE.sub("", _CITY_SUFFIX.sub("", text)) or None
    return text


def _iso(text: str) -> str:
    """ISO 8601 without zone; what is no date stays as it is, for the mapping to refuse."""
    for pattern in _DATE_FORMATS:
        try:
            return datetime.strptime(text, pattern).isoformat()
        except ValueError:
            continue
    return text


def _sign(row: dict[str, Any], names: Iterable[str], negative: bool) -> None:
    """Amounts as exact numbers with the document's sign; what is no number stays as it is."""
    for name in names:
        value = row.get(name)
        if value is not None and (amount := _amount(value)) is not None:
            row[name] = amount.copy_negate() if negative else amount


@lru_cache(maxsize=65536)
def _amount(value: Any) -> Decimal | None:
    """The absolute amount."""
    if isinstance(value, int) or (isinstance(value, str) and _NUMBER.fullmatch(value)):
        return Decimal(value).copy_abs()
    return None


def _sum(row: dict[str, Any], names: Iterable[str]) -> Decimal:
    amounts = [value for name in names if (value := row.get(name)) and isinstance(value, Decimal)]
    return sum(amounts, _ZERO)


def _category_path(row: dict[str, Any]) -> str | None:
    groups = [row.get(name) for name in assumptions.CATEGORY_FIELDS]
    return "/".join(_group_name(group) for group in groups if isinstance(group, str)) or None


@lru_cache(maxsize=4096)
def _group_name(group: str) -> str:
    return ", ".join(part.strip() for part in group.split("/"))


def _document_key(row: dict[str, Any]) -> str | None:
    code, branch, kind = row.get("Vouch_Code"), row.get("Branch_Code"), row.get("Type")
    try:
        day = date.fromisoformat(str(row.get("Bill_Date"))[:10])
    except ValueError:
        return None
    if not isinstance(code, int | str) or not isinstance(branch, int | str) or not kind:
        return None
    return _key(financial_year(day), branch, kind, code)


def _sale_key(number: Any) -> str | None:
    found = _BILL_NUMBER.fullmatch(number) if isinstance(number, str) else None
    return _key(found[1], found[2], assumptions.SALE_TYPE, found[3]) if found else None


def _key(year: str, branch: Any, kind: Any, code: Any) -> str:
    return f"{year}/{branch}/{kind}/{code}"[:120]


def financial_year(day: date) -> str:
    """The Indian financial year, April to March, as "24-25"; LOGIC keeps one table for each."""
    first = day.year if day.month >= 4 else day.year - 1
    return f"{first % 100:02d}-{(first + 1) % 100:02d}"
