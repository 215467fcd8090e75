"""Sales out of a spreadsheet file: read, tried, and then recorded like reported ones."""

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal, InvalidOperation

from django.db import transaction
from django.utils import timezone

from affiliates.engine import MINOR_UNIT
from affiliates.errors import InvalidFileError
from affiliates.services.buyers import Buyer
from affiliates.services.tracking import TrackedResult, TrackedSale, track_sales
from loyalty_site.staff.models import User

MOST_ROWS = 1000
REQUIRED = ("order_id", "amount")
COLUMNS = (
    *REQUIRED,
    "occurred_at",
    "code",
    "click_id",
    "phone",
    "email",
    "name",
    "number",
    "store",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class FileRow:
    """A row of a file, by its line; `fault` says why it is no sale."""

    line: int
    order_id: str
    sale: TrackedSale | None = None
    fault: str = ""


def read_sales(*, text: str, source: str) -> list[FileRow]:
    """The sales of a CSV text with a header line; a faulty row does not hinder the others.

    Raises:
        InvalidFileError: a column is missing or unknown, or there are too many rows.
    """
    reader = csv.DictReader(io.StringIO(text.lstrip("\ufeff")))
    header = [name.strip().lower() for name in reader.fieldnames or ()]
    if missing := [name for name in REQUIRED if name not in header]:
        raise InvalidFileError(problem=f"The column “{missing[0]}” is missing.")
    if unknown := [name for name in header if name not in COLUMNS]:
        raise InvalidFileError(problem=f"The column “{unknown[0][:40]}” is not known.")
    reader.fieldnames = header
    rows: list[FileRow] = []
    try:
        for row in reader:
            if len(rows) == MOST_ROWS:
                raise InvalidFileError(problem=f"There are more than {MOST_ROWS:,} rows.")
            cells = {name: (row.get(name) or "").strip() for name in COLUMNS}
            rows.append(_read(reader.line_num, cells, source, is_ragged=None in row))
    except csv.Error as error:
        raise InvalidFileError(problem=f"Line {reader.line_num} cannot be read.") from error
    return rows


def try_sales(*, sales: Sequence[TrackedSale], acting_user: User | None) -> list[TrackedResult]:
    """What `track_sales` would answer; nothing of it stays."""
    with transaction.atomic():
        results = track_sales(sales=sales, acting_user=acting_user)
        transaction.set_rollback(True)
    return results


def _read(line: int, cells: dict[str, str], source: str, *, is_ragged: bool) -> FileRow:
    def refuse(fault: str) -> FileRow:
        return FileRow(line=line, order_id=cells["order_id"], fault=fault)

    if is_ragged:
        return refuse("It has more cells than the header.")
    if not all(cell.isprintable() for cell in cells.values()):
        return refuse("It holds signs that cannot be printed.")
    try:
        given = Decimal(cells["amount"].replace(",", ""))
        amount = given.quantize(MINOR_UNIT)
    except InvalidOperation:
        return refuse("The amount is no number, like 499.00.")
    if amount != given:
        return refuse("The amount has more than two decimals.")
    occurred_at = None
    if cells["occurred_at"]:
        try:
            occurred_at = datetime.fromisoformat(cells["occurred_at"])
        except ValueError:
            return refuse("The time is not written like 2026-03-10 14:30.")
        if timezone.is_naive(occurred_at):
            occurred_at = timezone.make_aware(occurred_at)
    sale = TrackedSale(
        source=source,
        order_id=cells["order_id"],
        amount=amount,
        number=cells["number"],
        occurred_at=occurred_at,
        code=cells["code"],
        click_id=cells["click_id"],
        buyer=Buyer(phone=cells["phone"], email=cells["email"], name=cells["name"]),
        **({"store_code": cells["store"]} if cells["store"] else {}),
    )
    return FileRow(line=line, order_id=sale.order_id, sale=sale)
