"""Everything that LOGIC's public reference leaves open, and what we take it to be.

Ask the vendor, then change it here and nowhere else. docs/erp.md shows this list to the shop.
"""

METHODS = {
    "item": "GetItemMaster",
    # No public page shows how retail customers are read; SaveRetailCustomer is how they are
    # written, and the answer is taken to have its fields plus Customer_Code.
    "customer": "GetRetailCustomer",
    "sale": "GetSaleInvoice",
    "return": "GetSaleReturnInvoice",
}

# Public pages show SR and CR, both of returns. A document of any other type is set aside with
# its reason: stock transfers, for one, are known to sit among the sale bills.
DOCUMENT_TYPES = {"SI": "sale", "SR": "return", "CR": "return"}
SALE_TYPE = "SI"

# A return is taken to name its bill by that bill's New_Bill_No ("24-25/2/ESI-1") in Remarks1,
# and the tail of a bill's number to be its Vouch_Code.
RETURN_OF_FIELD = "Remarks1"
# A returned line is taken to name the sold line's SL_Txn_Code here.
SOLD_LINE_FIELD = "Against_SL_Txn_Code"
# The cashier is taken to type coupon and affiliate codes here.
CODES_FIELD = "Remarks2"

# Item groups are what the shop has set up; these are taken to run from wide to narrow.
CATEGORY_FIELDS = ("Item_Group_Name_2", "Item_Group_Name_1", "Item_Group_Name_3")

# Sale_Amt is taken to be the line after its discounts, before tax and before rounding.
NET_FIELD = "Sale_Amt"
DISCOUNT_FIELDS = ("CD", "TD", "SPDiscount", "Scheme_Rs")
TAX_FIELDS = ("Tax_Amt_1", "Tax_Amt_2", "Tax_Amt_3")

# GlobalModifyCode is taken to rise over the whole database, not per branch.
# Action_Code only advises (the code of a cancellation is unknown): the content decides.
