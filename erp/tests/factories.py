"""Connections, and a scripted ERP to read: `Shelf` keeps documents and serves them by pages."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler
from typing import Any

from erp.gateways.logic.assumptions import METHODS
from erp.models import Connection, Stream
from erp.services import connect_erp
from erp.tests.fault_server import Answer, FaultServer, reply, serving

_ENTITY_OF = {method: entity for entity, method in METHODS.items()}


class Shelf:
    """What the scripted ERP holds, in order of modify codes; `fault` answers instead, once."""

    def __init__(self, server: FaultServer) -> None:
        self.server = server
        self.page_size = 100
        self.fault: Answer | None = None
        self._rows: list[tuple[int, str, dict[str, Any]]] = []
        self._code = 0
        server.answer(self._answer)

    @property
    def url(self) -> str:
        return self.server.url

    def put(self, entity: str, *rows: dict[str, Any]) -> None:
        """Add documents, or newer states of them."""
        for row in rows:
            self._code += 1
            self._rows.append((self._code, entity, row))

    def _answer(self, handler: BaseHTTPRequestHandler, body: dict[str, Any]) -> None:
        if self.fault is not None:
            fault, self.fault = self.fault, None
            fault(handler, body)
            return
        entity = _ENTITY_OF[handler.path.rsplit("/", 1)[1]]
        behind = [
            (code, row)
            for code, kind, row in self._rows
            if kind == entity and code > body["GlobalModifyCode"]
        ][: self.page_size]
        last = behind[-1][0] if behind else body["GlobalModifyCode"]
        data = {
            "GetData": [row for _, row in behind],
            "Status": True,
            "Message": "",
            "LastGlobalModifyCode": last,
        }
        reply(json.dumps(data))(handler, body)


@contextmanager
def shelf() -> Iterator[Shelf]:
    with serving() as server:
        yield Shelf(server)


def make_connection(
    *, url: str = "http://127.0.0.1:9/api", credentials: str = "loyalty:s3cret-word"
) -> Connection:
    """A LOGIC connection with its four streams."""
    return connect_erp(
        name=f"LOGIC at {url}", base_url=url, credentials=credentials, allows_plain_http=False
    )


def stream_of(connection: Connection, entity: str) -> Stream:
    return Stream.objects.select_related("connection").get(connection=connection, entity=entity)


def make_item(*, code: str = "5001", **changes: Any) -> dict[str, Any]:
    return {
        "LogicUser_Code": code,
        "ItemName": f"Soap {code}",
        "Item_Group_Name_1": "SOAP/BATH",
        "Item_Group_Name_2": "CARE",
        "Brand_Name": "NIL",
    } | changes


def make_customer(*, code: int = 1, mobile: str | None = None, **changes: Any) -> dict[str, Any]:
    return {
        "Customer_Code": code,
        "First_Name": "Asha",
        "Last_Name": "Patel -Pune\r\n",
        "Mobile_No": f"+44 7700 {900000 + code}" if mobile is None else mobile,
        "EMail_ID": f"asha{code}@example.com",
        "Birth_Date": "01/04/1980",
        "City_Name": "Pune ",
        "Branch_Code": 7,
    } | changes


def make_bill(
    *,
    code: int = 1,
    customer: int = 1,
    mobile: str | None = None,
    net: str = "100.00",
    lines: int = 1,
    **changes: Any,
) -> dict[str, Any]:
    """A sale of some equal lines that come to `net`."""
    share = f"{float(net) / lines:.2f}"
    return {
        "Vouch_Code": code,
        "Bill_No": f"ESI-{code}",
        "New_Bill_No": f"25-26/7/ESI-{code}",
        "Bill_Date": "01/11/2025",
        "Bill_Time": "01/11/2025 06:15 PM",
        "Customer_Code": customer,
        "Customer_Name": "Mrs Asha Patel",
        "Retail_Cust_Mobile_No": f"+44 7700 {900000 + customer}" if mobile is None else mobile,
        "Net_Amount": net,
        "Branch_Code": 7,
        "Branch_Name": "Pune Camp ",
        "Currency_Name": "0",
        "Type": "SI",
        "LstItems": [
            {
                "SL_Txn_Code": 1000 * code + number,
                "Logic_UserCode": "5001",
                "ItemName": "Soap 5001",
                "Quantity": 1,
                "Gross_Amt": share,
                "Sale_Amt": share,
            }
            for number in range(1, lines + 1)
        ],
    } | changes


def make_return(
    *, code: int = 1, of: int = 1, net: str = "40.00", **changes: Any
) -> dict[str, Any]:
    """A return of part of a sale, shown with positive amounts as GetSaleReturnInvoice does."""
    bill = make_bill(code=code, net=net)
    bill["LstItems"][0]["Against_SL_Txn_Code"] = 1000 * of + 1
    return (
        bill
        | {
            "Bill_No": f"ESR-{code}",
            "New_Bill_No": f"25-26/7/ESR-{code}",
            "Type": "SR",
            "Remarks1": f"25-26/7/ESI-{of}",
        }
        | changes
    )
