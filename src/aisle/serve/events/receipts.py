"""Who was erased: receipts that name nobody, and pseudonyms by which an erased user is known again."""

from __future__ import annotations

import hashlib
import secrets
import sqlite3

from aisle.serve.events.protocol import Receipt


def pseudonym(user_id: str, salt: bytes) -> str:
    """Return what stands for an erased user: a keyed hash, so that the store itself does not name them."""
    return hashlib.blake2b(user_id.encode(), key=salt, digest_size=16).hexdigest()


def new_receipt_id() -> str:
    """Return a number for a receipt that no other has."""
    return f"erasure-{secrets.token_hex(8)}"


def erase_user(connection: sqlite3.Connection, user_id: str, known_as: str, time_us: int) -> tuple[Receipt, list[str]]:
    """Remove a user from the tables and write the receipt; return it and the sessions that were theirs."""
    query = (
        "SELECT session_id FROM sessions WHERE user_id = :user UNION "
        "SELECT session_id FROM events WHERE user_id = :user AND session_id IS NOT NULL"
    )
    sessions = [row[0] for row in connection.execute(query, {"user": user_id})]
    served = connection.execute("DELETE FROM served WHERE user_id = ?", (user_id,)).rowcount
    for session in sessions:
        # Nobody else's list goes, even where two people used one session.
        served += connection.execute("DELETE FROM served WHERE session_id = ? AND user_id IS NULL", (session,)).rowcount
    events = connection.execute("DELETE FROM events WHERE user_id = ?", (user_id,)).rowcount
    connection.execute("DELETE FROM sessions WHERE user_id = ?", (user_id,))
    receipt = Receipt(new_receipt_id(), time_us, events, served, len(sessions))
    row = (receipt.receipt_id, known_as, time_us, events, served, len(sessions))
    connection.execute("INSERT INTO receipts VALUES (?, ?, ?, ?, ?, ?, 1)", row)
    return receipt, sessions


def standing(connection: sqlite3.Connection) -> set[str]:
    """Return the pseudonyms of everybody whose erasure stands."""
    return {row[0] for row in connection.execute("SELECT pseudonym FROM receipts WHERE stands")}


def lift(connection: sqlite3.Connection, before_us: int) -> set[str]:
    """Let erasures from before a time no longer stand; return the pseudonyms whose erasure still does."""
    connection.execute("UPDATE receipts SET stands = 0 WHERE time_us < ?", (before_us,))
    return standing(connection)
