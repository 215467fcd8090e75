"""The one page for people: what the books hold, and a till."""

from html import escape

from sandbox.logic_erp.books import Books
from sandbox.logic_erp.documents import Bill
from sandbox.logic_erp.history import AFFILIATE_CODES
from sandbox.logic_erp.money import rupees
from sandbox.logic_erp.totals import totals

NEWEST = 15

_STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; color: #1c2430; background: #f5f6f8; margin: 0; }
main { max-width: 62rem; margin: 0 auto; padding: 1.5rem 1rem 3rem; }
h1 { margin: 0; } h2 { font-size: 1.15rem; margin: 0 0 .75rem; }
section { background: #fff; border: 1px solid #dde1e7; border-radius: 8px;
  padding: 1rem 1.25rem; margin-top: 1rem; overflow-x: auto; }
dl { display: flex; flex-wrap: wrap; gap: .5rem 2rem; margin: 0; }
dt { color: #5b6676; font-size: .85rem; } dd { margin: 0; font-size: 1.2rem; font-weight: 600; }
form.till { display: grid; grid-template-columns: repeat(auto-fit, minmax(13rem, 1fr));
  gap: .75rem 1rem; align-items: end; }
label { display: block; font-size: .85rem; color: #5b6676; }
input, select { font: inherit; width: 100%; box-sizing: border-box; padding: .35rem .5rem;
  border: 1px solid #9aa4b2; border-radius: 5px; background: #fff; }
button { font: inherit; padding: .4rem .9rem; border: 1px solid #1f5fbf; border-radius: 5px;
  background: #1f5fbf; color: #fff; cursor: pointer; }
td button { padding: .1rem .6rem; background: #fff; color: #1f5fbf; }
table { border-collapse: collapse; width: 100%; font-size: .92rem; }
th { text-align: left; color: #5b6676; font-weight: 600; }
th, td { padding: .35rem .6rem .35rem 0; border-bottom: 1px solid #edf0f3; white-space: nowrap; }
.amount { text-align: right; font-variant-numeric: tabular-nums; }
.note { padding: .6rem 1rem; border-radius: 6px; margin: 1rem 0 0; background: #e3f3e6; }
.note.refused { background: #fdeaea; }
p.small { color: #5b6676; margin: .2rem 0 0; }
"""


def home_page(books: Books, *, done: str = "", refused: str = "") -> str:
    """Counts, a form for a new sale, the newest bills with a button to take goods back.

    `done` is the number of a bill just made, `refused` why there is none.
    """
    sums = totals(books)
    facts = (
        ("Customers", sums["customers"]),
        ("Branches", sums["branches"]),
        ("Items", sums["items"]),
        ("Sales", f"{sums['sales']['count']} / ₹ {sums['sales']['net']}"),
        ("Returns", f"{sums['returns']['count']} / ₹ {sums['returns']['net']}"),
        ("Rung up here", sums["live_bills"]),
    )
    newest = sorted(books.bills(), key=lambda bill: bill.modify_code)[: -NEWEST - 1 : -1]
    rows = "".join(_row(books, bill) for bill in newest)
    return f"""<!doctype html>
<html lang="en">
<head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>LOGIC ERP stand-in</title><style>{_STYLE}</style></head>
<body><main>
<h1>LOGIC ERP stand-in</h1>
<p class="small">Invented people and branches, bills up to {sums["newest_on"]}. Ring up a bill here
and the next synchronisation brings it into the loyalty system.</p>
{_note(books, done, refused)}
<section><dl>{"".join(f"<div><dt>{name}</dt><dd>{value}</dd></div>" for name, value in facts)}</dl>
</section>
<section><h2>Ring up a bill</h2>
<form class="till" method="post" action="/ring-up">
<label>Customer<select name="household">{_customer_options(books)}</select></label>
<label>Branch<select name="branch"><option value="">Home branch of the customer</option>
{_branch_options(books)}</select></label>
<label>Amount in rupees<input name="amount" inputmode="decimal"
placeholder="empty: repeat one of their baskets"></label>
<label>Affiliate code<input name="affiliate_code" maxlength="40" list="codes"
placeholder="none"></label>
<datalist id="codes">{"".join(f'<option value="{code}">' for code in AFFILIATE_CODES)}</datalist>
<div><button>Ring up</button></div>
</form></section>
<section><h2>Newest bills</h2>
<table><thead><tr><th>Bill</th><th>Time</th><th>Customer</th><th>Branch</th><th>Code</th>
<th class="amount">Net ₹</th><th></th></tr></thead><tbody>{rows}</tbody></table></section>
</main></body></html>
"""


def _note(books: Books, done: str, refused: str) -> str:
    if refused:
        return f'<p class="note refused" role="alert">{escape(refused)}</p>'
    bill = books.find_bill(done)
    if bill is None:
        return ""
    what = "Rung up" if bill.kind == "sale" else "Taken back"
    return (
        f'<p class="note" role="status">{what}: bill {escape(bill.number)} for '
        f"{escape(bill.customer.name)}, ₹ {rupees(bill.net)}.</p>"
    )


def _customer_options(books: Books) -> str:
    customers = sorted(
        books.history.customers.values(), key=lambda person: (person.first_name, person.last_name)
    )
    return "".join(
        f'<option value="{person.code}">{escape(person.first_name)} {escape(person.last_name)}, '
        f"{escape(person.home_branch.city)}, {person.mobile}</option>"
        for person in customers
    )


def _branch_options(books: Books) -> str:
    branches = sorted(books.history.branches.values(), key=lambda branch: branch.name)
    return "".join(
        f'<option value="{branch.code}">{escape(branch.name)}</option>' for branch in branches
    )


def _row(books: Books, bill: Bill) -> str:
    action = ""
    if bill.kind == "sale":
        back = books.returned_units(bill)
        left = any(line.quantity > back[line.txn_code] for line in bill.lines)
        action = (
            f'<form method="post" action="/take-back"><input type="hidden" name="return_of" '
            f'value="{escape(bill.number)}"><button>Take back</button></form>'
            if left
            else "taken back"
        )
    net = bill.net if bill.kind == "sale" else -bill.net
    return (
        f"<tr><td>{escape(bill.number)}</td><td>{bill.at:%d %b %Y %H:%M}</td>"
        f"<td>{escape(bill.customer.name)}</td><td>{escape(bill.branch.name)}</td>"
        f"<td>{escape(bill.affiliate_code)}</td>"
        f'<td class="amount">{rupees(net)}</td><td>{action}</td></tr>'
    )
