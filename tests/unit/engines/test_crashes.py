"""Which statements count as the cause of a crash, and the messages between the gateway and DuckDB's process."""

from __future__ import annotations

import socket
import threading

import pyarrow as pa
import pytest

from icefield_engines.warehouse.duck.crashes import REMEMBERED, Crashes, digest_of
from icefield_engines.warehouse.duck.frames import Kind, PeerGoneError, receive, send

A, B, C = (digest_of(f"SELECT {letter}") for letter in "abc")


def test_a_statement_that_ran_alone_was_the_cause() -> None:
    crashes = Crashes()
    crashes.record([A])
    assert crashes.is_cause(A)
    assert not crashes.is_cause(B)


def test_of_several_each_is_run_once_more() -> None:
    crashes = Crashes()
    crashes.record([A, B])
    assert not crashes.is_cause(A)
    assert not crashes.is_cause(B)
    crashes.record([A, C])
    assert crashes.is_cause(A)
    assert not crashes.is_cause(B)
    assert not crashes.is_cause(C)


def test_the_same_statement_twice_at_once_is_two_that_ran() -> None:
    crashes = Crashes()
    crashes.record([A, A])
    assert crashes.is_cause(A)


def test_an_end_while_nothing_ran_has_no_cause() -> None:
    crashes = Crashes()
    crashes.record([])
    assert not crashes.is_cause(A)


def test_what_is_remembered_is_bounded() -> None:
    crashes = Crashes()
    crashes.record([A])
    for number in range(REMEMBERED):
        crashes.record([digest_of(str(number))])
    assert not crashes.is_cause(A)
    assert crashes.is_cause(digest_of("0"))


@pytest.mark.parametrize("size", [0, 1, 100_000, 3_000_000])
def test_a_message_arrives_whole(size: int) -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        content = bytes(range(256)) * (size // 256) + b"x" * (size % 256)
        sending = threading.Thread(target=send, args=(ours, Kind.BATCH, pa.py_buffer(content)))
        sending.start()
        kind, received = receive(theirs)
        sending.join()
    assert (kind, received.to_pybytes()) == (Kind.BATCH, content)


def test_the_end_of_the_other_process_is_noticed_in_the_middle_of_a_message() -> None:
    ours, theirs = socket.socketpair()
    with theirs:
        with ours:
            ours.sendall(b"B" + (100).to_bytes(8) + b"half")
        with pytest.raises(PeerGoneError):
            receive(theirs)
        with pytest.raises(PeerGoneError):
            for _ in range(2):
                send(theirs, Kind.INTERRUPT)


def test_a_statement_is_the_same_after_a_commit_to_its_table() -> None:
    first, second = (
        f"SELECT * FROM iceberg_scan('s3://b/t/metadata/{name}.metadata.json')" for name in ("00001-a", "00002-b")
    )
    assert digest_of(first) == digest_of(second)
    assert digest_of(first) != digest_of(first.replace("s3://b/t/", "s3://b/u/"))
