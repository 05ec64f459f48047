"""People's words at rest: sealed with AES-GCM and bound to their row where a data key is set."""

import os
from collections.abc import Sequence

from sqlalchemy.engine import Connection as Db

PLAIN, SEALED = b"\0", b"\1"


class Sealer:
    """The data keys, newest first: it seals with the first and opens with any. No keys: words stay plain UTF-8."""

    def __init__(self, keys: Sequence[bytes] = ()) -> None:
        if keys:
            from cryptography.hazmat.primitives.ciphers.aead import AESGCM

            self.keys = {key_id(key): AESGCM(key) for key in keys}
        else:
            self.keys = {}

    def seal(self, words: str, about: str) -> bytes:
        """*words* as they are stored; *about* is the row's unique key, without which they cannot be opened."""
        if not self.keys:
            return PLAIN + words.encode()
        first, cipher = next(iter(self.keys.items()))
        nonce = os.urandom(12)
        return SEALED + first + nonce + cipher.encrypt(nonce, words.encode(), about.encode())

    @property
    def mark(self) -> bytes:
        """How everything begins that is sealed now."""
        return SEALED + next(iter(self.keys)) if self.keys else PLAIN

    def opened(self, stored: bytes, about: str) -> str:
        """The words again. Raises KeyError without the right key, InvalidTag where the row was tampered with."""
        if stored[:1] == PLAIN:
            return stored[1:].decode()
        return self.keys[stored[1:5]].decrypt(stored[5:17], stored[17:], about.encode()).decode()


def key_id(key: bytes) -> bytes:
    """Four bytes that tell keys apart without telling anything of them."""
    from hashlib import sha256

    return sha256(b"kiemdiem data key" + key).digest()[:4]


def seal(db: Db, words: str, about: str) -> bytes:
    """*words* sealed with the keys of this database."""
    sealer: Sealer = db.get_execution_options()["sealer"]
    return sealer.seal(words, about)


def opened(db: Db, stored: bytes, about: str) -> str:
    """What ``seal`` stored."""
    sealer: Sealer = db.get_execution_options()["sealer"]
    return sealer.opened(stored, about)


def can_open(db: Db, stored: bytes) -> bool:
    """Whether the keys of this database open what ``seal`` stored; the words are not looked at."""
    sealer: Sealer = db.get_execution_options()["sealer"]
    return stored[:1] == PLAIN or stored[1:5] in sealer.keys


def current_mark(db: Db) -> bytes:
    """How everything begins that this database seals now."""
    sealer: Sealer = db.get_execution_options()["sealer"]
    return sealer.mark
