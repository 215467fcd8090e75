"""Codes: made or taken over into pools, handed out, used once, ended."""

from loyalty.services.vouchers.ending import (
    expire_vouchers,
    use_voucher,
)
from loyalty.services.vouchers.importing import (
    MOST_IN_FILE,
    apply_import,
    drop_import,
    preview_import,
)
from loyalty.services.vouchers.pools import (
    MAKE_TASK,
    MOST_AT_ONCE,
    generate_codes,
    make_codes,
    save_pool,
)

__all__ = [
    "MAKE_TASK",
    "MOST_AT_ONCE",
    "MOST_IN_FILE",
    "apply_import",
    "drop_import",
    "expire_vouchers",
    "generate_codes",
    "make_codes",
    "preview_import",
    "save_pool",
    "use_voucher",
]
