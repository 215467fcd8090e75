"""A stand-in for LOGIC ERP: a year of shop bills, spoken to as LOGIC is spoken to.

Run it with ``python -m sandbox.logic_erp``; README.md beside this file has the calls.

The data are the baskets of ``sandbox/data``. What they lack is derived by the rules below. Every
choice is a hash of the record's own id (``seeds``), so two starts with the same dates give the same
bytes.

Dates (``history``)
    All baskets move by the same whole number of days, so that the newest falls on ``newest_on``;
    the time of day stays. ``newest_on`` is yesterday (Asia/Kolkata) at the first start and is then
    kept in the state file.
People and branches (``people``)
    Household number *i*, in order of its id, gets an invented Indian name, +44 7700 900000 + *i*,
    an address at example.com and membership number M100001 + *i*. Its id is the customer code.
    Each store becomes a branch; stores of the same households tend to share a city.
Returns (``returns``)
    About 3 % of baskets come back, 1 to 20 days later and never after the newest day, always to the
    branch that sold. Baskets worth nothing, bought on the newest day, or with fuel and other
    measured goods (quantity over 100) never do. One in seven of those comes back in two or three
    parts; of the others, half come back whole. Units *a* to *b* of *q* are worth
    ``share(net, b, q) - share(net, a, q)``, rounded half up to the paisa, so that parts add up to
    the sale and never exceed it.
Affiliate codes (``history``)
    About 6 % of baskets carry ASHA10, RAVI10 or MEERA10.
Numbers (``numbering``)
    Bills count up within financial year (April to March), branch and document type; line codes
    within the financial year. One sequence of modify codes runs over everything: customers, then
    items, then bills in order of their time.
Irregularities (``shapes``)
    Empty values, spellings, signs, dates, blanks and telephone formats vary as they do in LOGIC.
"""
