"""Voucher codes that nobody guesses and that a slip of the finger cannot turn into another.

The last sign of a code we make is a check character over all the signs before it: the system
"MOD 37-2" of ISO 7064, whose weights are the powers of two modulo the prime 37. A wrong sign, or
two neighbours in the wrong order, always breaks the sum.
"""

import secrets
from collections.abc import Iterator

READABLE = "23456789ABCDEFGHJKMNPQRSTUVWXYZ"
"""Signs that are not mistaken for each other on paper or by ear: no 0, O, 1, I, L."""
SHORTEST = 8
LONGEST = 24
LONGEST_PREFIX = 12
_VALUES = {sign: value for value, sign in enumerate("0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ")}
_SIGNS = "".join(_VALUES)
_PRIME = 37
_GROUP = 4
_IGNORED = str.maketrans("", "", " -\t")


def code_key(text: str) -> str:
    """The form in which codes are compared: capitals, without blanks and dashes."""
    return text.translate(_IGNORED).upper()


def check_sign(body: str) -> str | None:
    """The check character of a body of digits and capitals; None if it would be no such sign."""
    total = 0
    for sign in body:
        total = (total + _VALUES[sign]) * 2 % _PRIME
    value = (1 - total) % _PRIME
    return _SIGNS[value] if value < len(_SIGNS) else None


def is_well_typed(text: str) -> bool:
    """Whether the check character agrees with the signs before it."""
    key = code_key(text)
    if len(key) < 2 or any(sign not in _VALUES for sign in key):
        return False
    return check_sign(key[:-1]) == key[-1]


def random_code(*, prefix: str = "", length: int) -> str:
    """A new code: the prefix, `length` random signs and the check character, in groups of four.

    Each random sign is worth almost five bits.
    """
    head = code_key(prefix)
    while True:
        body = "".join(secrets.choice(READABLE) for _ in range(length))
        sign = check_sign(head + body)
        # A check character outside the readable signs is not used; another body is drawn.
        if sign is not None and sign in READABLE:
            tail = body + sign
            groups = [tail[start : start + _GROUP] for start in range(0, len(tail), _GROUP)]
            return "-".join([head, *groups] if head else groups)


def masked_code(code: str) -> str:
    """A code as people see it who may not use it: its last four signs."""
    return f"••••{code_key(code)[-4:]}"


# --- bars ---------------------------------------------------------------------------------------

# Widths of bars and gaps in modules, by symbol value; ISO/IEC 15417.
_PATTERNS = [
    "212222",
    "222122",
    "222221",
    "121223",
    "121322",
    "131222",
    "122213",
    "122312",
    "132212",
    "221213",
    "221312",
    "231212",
    "112232",
    "122132",
    "122231",
    "113222",
    "123122",
    "123221",
    "223211",
    "221132",
    "221231",
    "213212",
    "223112",
    "312131",
    "311222",
    "321122",
    "321221",
    "312212",
    "322112",
    "322211",
    "212123",
    "212321",
    "232121",
    "111323",
    "131123",
    "131321",
    "112313",
    "132113",
    "132311",
    "211313",
    "231113",
    "231311",
    "112133",
    "112331",
    "132131",
    "113123",
    "113321",
    "133121",
    "313121",
    "211331",
    "231131",
    "213113",
    "213311",
    "213131",
    "311123",
    "311321",
    "331121",
    "312113",
    "312311",
    "332111",
    "314111",
    "221411",
    "431111",
    "111224",
    "111422",
    "121124",
    "121421",
    "141122",
    "141221",
    "112214",
    "112412",
    "122114",
    "122411",
    "142112",
    "142211",
    "241211",
    "221114",
    "413111",
    "241112",
    "134111",
    "111242",
    "121142",
    "121241",
    "114212",
    "124112",
    "124211",
    "411212",
    "421112",
    "421211",
    "212141",
    "214121",
    "412121",
    "111143",
    "111341",
    "131141",
    "114113",
    "114311",
    "411113",
    "411311",
    "113141",
    "114131",
    "311141",
    "411131",
    "211412",
    "211214",
    "211232",
    "2331112",
]
_START_B = 104
_STOP = 106
_QUIET = 10


def code_128_symbols(text: str) -> list[int]:
    """The symbol values of a text of printable ASCII in code set B, with check and stop."""
    values = [_START_B, *(ord(sign) - 32 for sign in text)]
    check = values[0] + sum(place * value for place, value in enumerate(values[1:], start=1))
    return [*values, check % 103, _STOP]


def code_128_bars(text: str) -> Iterator[tuple[int, int]]:
    """Where the bars begin and how wide they are, in modules, after the quiet zone."""
    at = _QUIET
    for symbol in code_128_symbols(text):
        for place, width in enumerate(map(int, _PATTERNS[symbol])):
            if place % 2 == 0:
                yield at, width
            at += width


def code_128_width(text: str) -> int:
    """How wide the whole picture is, in modules, quiet zones included."""
    return 2 * _QUIET + sum(
        int(width) for symbol in code_128_symbols(text) for width in _PATTERNS[symbol]
    )


def code_128_svg(text: str, *, height: int = 60) -> str:
    """A bar code as SVG, for scanners that read no QR codes; `text` is printable ASCII.

    Raises:
        ValueError: the text holds other signs.
    """
    if not text or any(not 32 <= ord(sign) < 127 for sign in text):
        raise ValueError("only printable ASCII has a Code 128 in set B")
    width = code_128_width(text)
    path = "".join(f"M{at} 0h{wide}v{height}h-{wide}z" for at, wide in code_128_bars(text))
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}"'
        f' width="{width * 2}" height="{height}" preserveAspectRatio="none">'
        f'<path fill="#fff" d="M0 0h{width}v{height}H0z"/><path d="{path}"/></svg>'
    )
