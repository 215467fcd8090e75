"""The counters from which bills and their lines take their numbers."""

from collections import Counter
from datetime import datetime

from sandbox.logic_erp.documents import Bill, BillKind, Branch, financial_year


class Numbering:
    """Counts up; a number that was seen is never given again."""

    def __init__(self, last_modify_code: int = 0) -> None:
        """Start empty books after the given modify code."""
        self._modify_code = last_modify_code
        self._vouch_codes: Counter[tuple[str, int, BillKind]] = Counter()
        self._txn_codes: Counter[str] = Counter()

    def next_modify_code(self) -> int:
        """One sequence for everything."""
        self._modify_code += 1
        return self._modify_code

    def next_vouch_code(self, at: datetime, branch: Branch, kind: BillKind) -> int:
        """One sequence for each financial year, branch and kind of bill."""
        series = (financial_year(at.date()), branch.code, kind)
        self._vouch_codes[series] += 1
        return self._vouch_codes[series]

    def next_txn_codes(self, at: datetime, lines: int) -> range:
        """Codes for the lines of one bill, from one sequence for each financial year."""
        year = financial_year(at.date())
        first = self._txn_codes[year] + 1
        self._txn_codes[year] += lines
        return range(first, first + lines)

    def saw(self, bill: Bill) -> None:
        """Go on behind the numbers of a bill that came from elsewhere."""
        year = financial_year(bill.at.date())
        series = (year, bill.branch.code, bill.kind)
        self._modify_code = max(self._modify_code, bill.modify_code)
        self._vouch_codes[series] = max(self._vouch_codes[series], bill.vouch_code)
        last = max(line.txn_code for line in bill.lines)
        self._txn_codes[year] = max(self._txn_codes[year], last)
