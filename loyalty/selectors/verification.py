"""Does the ledger hold?"""

from dataclasses import dataclass

from django.db import connection

from loyalty_site.common.append_only import missing_triggers

LEDGER_TABLES = (
    "loyalty_pointsentry",
    "loyalty_allocation",
    "loyalty_tierchange",
    "loyalty_rulegrant",
    "loyalty_ledgerseal",
)


@dataclass(frozen=True, slots=True)
class LedgerFault:
    """A broken promise of the ledger: which one, and on which account (or guard)."""

    promise: str
    subject: str


# Each query names the accounts, lots or entries that break one invariant of DESIGN 5.
_CHECKS = {
    "The balance is the sum of the entries": """
        SELECT a.id FROM loyalty_account a
        LEFT JOIN (SELECT account_id, SUM(points) AS points, COUNT(*) AS count, MAX(seq) AS last
                   FROM loyalty_pointsentry GROUP BY account_id) e ON e.account_id = a.id
        WHERE a.balance <> COALESCE(e.points, 0)""",
    "Entries are numbered without a gap": """
        SELECT a.id FROM loyalty_account a
        LEFT JOIN (SELECT account_id, COUNT(*) AS count, MIN(seq) AS first, MAX(seq) AS last
                   FROM loyalty_pointsentry GROUP BY account_id) e ON e.account_id = a.id
        WHERE a.version <> COALESCE(e.count, 0) OR a.version <> COALESCE(e.last, 0)
           OR COALESCE(e.first, 1) <> 1""",
    "Each entry carries the balance after it": """
        SELECT DISTINCT account_id FROM (
            SELECT account_id, balance_after,
                   SUM(points) OVER (PARTITION BY account_id ORDER BY seq) AS running
            FROM loyalty_pointsentry) e
        WHERE balance_after <> running""",
    "Open lots less debt are the balance": """
        SELECT a.id FROM loyalty_account a
        LEFT JOIN (SELECT account_id, SUM(remaining) AS remaining FROM loyalty_lot
                   GROUP BY account_id) l ON l.account_id = a.id
        WHERE a.balance <> COALESCE(l.remaining, 0) - a.debt""",
    "A lot keeps what was not taken from it": """
        SELECT l.account_id FROM loyalty_lot l
        LEFT JOIN (SELECT lot_id, SUM(points) AS points FROM loyalty_allocation
                   GROUP BY lot_id) t ON t.lot_id = l.id
        WHERE l.remaining <> l.points - COALESCE(t.points, 0)""",
    "A rule's budget counts what the rule gave": """
        SELECT b.rule_id FROM loyalty_rulebudget b
        LEFT JOIN (SELECT rule_id, SUM(points) AS points FROM loyalty_rulegrant
                   GROUP BY rule_id) g ON g.rule_id = b.rule_id
        WHERE b.given <> COALESCE(g.points, 0)""",
    "Points on their way are what was announced": """
        SELECT a.id FROM loyalty_account a
        LEFT JOIN (SELECT account_id, SUM(pending) AS pending FROM loyalty_pointsentry
                   GROUP BY account_id) e ON e.account_id = a.id
        LEFT JOIN (SELECT account_id, SUM(remaining) AS remaining FROM loyalty_pendingpoints
                   GROUP BY account_id) p ON p.account_id = a.id
        WHERE a.pending <> COALESCE(e.pending, 0) OR a.pending <> COALESCE(p.remaining, 0)""",
    "What is held is what open reservations hold": """
        SELECT a.id FROM loyalty_account a
        LEFT JOIN (SELECT account_id, SUM(points) AS points FROM loyalty_hold
                   WHERE state = 'open' GROUP BY account_id) h ON h.account_id = a.id
        WHERE a.held <> COALESCE(h.points, 0)""",
    "In debt only reserved lots are open": """
        SELECT id FROM loyalty_account WHERE debt > 0 AND balance + debt <> held""",
    "Nothing is taken back twice": """
        SELECT r.account_id FROM loyalty_pointsentry r
        JOIN loyalty_pointsentry e ON e.id = r.reverses_id
        WHERE r.kind IN ('reverse', 'give_back') AND e.points < 0
        GROUP BY r.account_id, e.id, e.points HAVING SUM(r.points) > -e.points""",
    "Lots and entries belong to one account": """
        SELECT l.account_id FROM loyalty_lot l JOIN loyalty_pointsentry e ON e.id = l.entry_id
        WHERE e.account_id <> l.account_id
        UNION
        SELECT l.account_id FROM loyalty_allocation t JOIN loyalty_lot l ON l.id = t.lot_id
        JOIN loyalty_pointsentry e ON e.id = t.entry_id WHERE e.account_id <> l.account_id""",
}


def verify_ledger(*, limit: int = 100) -> list[LedgerFault]:
    """What breaks the ledger's promises, at most `limit` a promise; empty when all hold."""
    faults = [
        LedgerFault("The tables refuse changes", name)
        for name in missing_triggers(connection, LEDGER_TABLES)
    ]
    with connection.cursor() as cursor:
        for promise, query in _CHECKS.items():
            cursor.execute(f"{query} LIMIT {int(limit)}")
            faults += [LedgerFault(promise, f"account {row[0]}") for row in cursor.fetchall()]
    return faults
