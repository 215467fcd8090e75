"""The mappings a LOGIC connection starts with, over the regular form of `records`."""

from typing import Any

from erp.gateways.logic import assumptions

Written = list[dict[str, Any]]

# A contact that cannot be read must not keep a bill or a customer out.
_PHONE = [{"op": "phone_e164", "on_error": "null"}]
_EMAIL = [{"op": "email", "on_error": "null"}]
_DAY = [{"op": "date", "on_error": "null"}]


def _field(
    source: str, target: str, transformation: Any = None, *, required: bool = False
) -> dict[str, Any]:
    return {
        "source_field": source,
        "target_field": target,
        "transformation": transformation,
        "is_required": required,
    }


_BILL: Written = [
    _field("Document_Key", "erp_id", required=True),
    _field("New_Bill_No || Bill_No", "number", required=True),
    _field("Branch_Code", "store_code", required=True),
    _field("Branch_Name || Branch_Short_Name", "store_name"),
    _field("Bill_Time || Bill_Date", "occurred_at", "datetime", required=True),
    _field("Currency_Name", "currency", [{"op": "default", "value": "INR"}]),
    _field("Net_Amount", "total", "decimal"),
    _field("Customer_Code", "customer_erp_id"),
    _field("Retail_Cust_Name || Customer_Name", "customer_name"),
    _field("Retail_Cust_Mobile_No", "customer_phone", _PHONE),
    _field("Retail_Cust_Email_ID", "customer_email", _EMAIL),
    _field(assumptions.CODES_FIELD, "codes", "split_codes"),
    _field("LstItems[].SL_Txn_Code", "lines[].key", required=True),
    _field("LstItems[].LogicUser_Code", "lines[].sku", required=True),
    _field("LstItems[].ItemName", "lines[].product_name"),
    _field("LstItems[].Quantity", "lines[].quantity", "decimal", required=True),
    _field("LstItems[].Gross_Amt", "lines[].gross", "decimal", required=True),
    _field("LstItems[].Discount_Amt", "lines[].discount", "decimal"),
    _field("LstItems[].Tax_Amt", "lines[].tax", "decimal"),
    _field(f"LstItems[].{assumptions.NET_FIELD}", "lines[].net", "decimal", required=True),
]

DEFAULT_MAPPINGS: dict[str, Written] = {
    "item": [
        _field("LogicUser_Code", "erp_id", required=True),
        _field("ItemName", "name"),
        _field("Category_Path", "category"),
        _field("Brand_Name", "brand"),
    ],
    "customer": [
        _field("Customer_Code", "erp_id", required=True),
        _field("Full_Name", "name"),
        _field("Mobile_No", "phone", _PHONE),
        _field("EMail_ID", "email", _EMAIL),
        _field("Birth_Date", "birth_date", _DAY),
        _field("Anniversary_Date", "anniversary_on", _DAY),
        _field("City_Name", "city"),
        _field("Branch_Code", "home_store_code"),
    ],
    "sale": _BILL,
    "return": [
        *_BILL,
        _field("Sale_Key", "sale_erp_id"),
        _field(f"LstItems[].{assumptions.SOLD_LINE_FIELD}", "lines[].returns_key"),
    ],
}
