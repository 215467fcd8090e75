"""Choices that look random and are always the same."""

from collections.abc import Sequence
from hashlib import blake2b
from typing import TypeVar

T = TypeVar("T")


def roll(below: int, *key: str) -> int:
    """Return a number from 0 to below - 1 that depends on the key alone."""
    digest = blake2b("|".join(key).encode(), digest_size=8).digest()
    return int.from_bytes(digest) % below


def choose(options: Sequence[T], *key: str) -> T:
    """Return one of the options, depending on the key alone."""
    return options[roll(len(options), *key)]


class Dice:
    """Choices drawn one after another from the hash of a key, where there are many for one."""

    __slots__ = ("_bits", "_key")

    def __init__(self, key: str) -> None:
        """The same key gives the same throws in the same order."""
        self._key = key
        self._bits = int.from_bytes(blake2b(key.encode()).digest())

    def roll(self, below: int) -> int:
        """Return a number from 0 to below - 1."""
        if self._bits < 1 << 40:
            self._key += "+"
            self._bits = int.from_bytes(blake2b(self._key.encode()).digest())
        self._bits, number = divmod(self._bits, below)
        return number

    def choose(self, options: Sequence[T]) -> T:
        """Return one of the options."""
        return options[self.roll(len(options))]
