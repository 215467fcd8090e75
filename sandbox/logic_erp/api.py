"""LOGIC's pull calls: reads the request, answers the envelope."""

import json
from datetime import date, datetime

from sandbox.logic_erp.books import Books, Entry, Query, Stream
from sandbox.logic_erp.documents import Bill, Customer
from sandbox.logic_erp.errors import RequestError
from sandbox.logic_erp.shapes import Shapes

METHODS: dict[str, Stream] = {
    "getretailcustomer": "customers",  # Assumption: the public pages show no such call.
    "getitemmaster": "items",
    "getsaleinvoice": "sales",
    "getsalereturninvoice": "returns",
}
"""Compared without regard to case, as IIS does."""


def find_stream(method: str) -> Stream | None:
    """What a method pulls."""
    return METHODS.get(method.lower())


def answer(books: Books, shapes: Shapes, stream: Stream, body: bytes, page_size: int) -> str:
    """Answer one pull with the envelope as JSON text."""
    try:
        query = read_query(body)
    except RequestError as error:
        message = json.dumps(str(error))
        return f'{{"GetData":null,"Status":false,"Message":{message},"LastGlobalModifyCode":0}}'
    entries = books.page(stream, query, page_size)
    last = entries[-1].modify_code if entries else query.after
    records = ",".join(_record(entry, shapes) for entry in entries)
    return f'{{"GetData":[{records}],"Status":true,"Message":"","LastGlobalModifyCode":{last}}}'


def read_query(body: bytes) -> Query:
    """Read a pull request; an empty body asks for everything.

    Raises:
        RequestError: it is not JSON, or a value makes no sense.
    """
    try:
        request = json.loads(body) if body.strip() else {}
    except (ValueError, RecursionError):
        raise RequestError("Request is not valid JSON.") from None
    if not isinstance(request, dict):
        raise RequestError("Request is not a JSON object.")
    return Query(
        after=_number(request.get("GlobalModifyCode"), "GlobalModifyCode"),
        codes=frozenset(_texts(request.get("Doc_Codes"))),
        branches=frozenset(
            _number(code, "Branch_Codes_From") for code in _texts(request.get("Branch_Codes_From"))
        ),
        first_on=_day(request.get("DateFrom"), "DateFrom"),
        last_on=_day(request.get("DateTo"), "DateTo"),
    )


def _record(entry: Entry, shapes: Shapes) -> str:
    if isinstance(entry.record, Bill):
        return shapes.bill(entry.record)
    if isinstance(entry.record, Customer):
        return shapes.customer(entry.record)
    return shapes.item(entry.record)


def _number(value: object, name: str) -> int:
    if value is None or value == "":
        return 0
    if isinstance(value, (int, str)) and not isinstance(value, bool):
        try:
            return int(value)
        except ValueError:
            pass
    raise RequestError(f"{name} is not a number.")


def _texts(value: object) -> list[str]:
    """Codes of a comma-separated text; a single number, 0 and "0" for none, passes too."""
    texts = [text.strip() for text in str("" if value is None else value).split(",")]
    return [text for text in texts if text not in ("", "0")]


def _day(value: object, name: str) -> date | None:
    if value is None or value == "":
        return None
    try:
        return datetime.strptime(str(value), "%d/%m/%Y").date()
    except ValueError:
        raise RequestError(f"{name} is not a date dd/MM/yyyy.") from None
