"""The log: one record, one line, whatever is in it."""

import io
import logging
import sys

import pytest

from puna.logs import LineFormatter

FORGED = "x\n2026-01-01 00:00:00,000 INFO puna: all is well\x1b[2K"


@pytest.fixture
def log() -> tuple[logging.Logger, io.StringIO]:
    written = io.StringIO()
    handler = logging.StreamHandler(written)
    handler.setFormatter(LineFormatter("%(levelname)s %(name)s: %(message)s"))
    logger = logging.Logger("door")
    logger.addHandler(handler)
    return logger, written


def test_record_is_one_line(log: tuple[logging.Logger, io.StringIO]) -> None:
    logger, written = log
    logger.warning("unknown fields: %s", FORGED)
    logger.warning("it failed: %s", ValueError(FORGED))
    logger.warning(FORGED)
    lines = written.getvalue().splitlines()
    assert len(lines) == 3
    assert all(line.startswith("WARNING door: ") and line.isprintable() for line in lines)


def test_record_has_an_end(log: tuple[logging.Logger, io.StringIO]) -> None:
    logger, written = log
    logger.warning("%s and %d: %s", "x" * 10_000_000, 5, "y")
    assert len(written.getvalue()) < 2000
    assert written.getvalue().endswith("(10000000 characters) and 5: y\n")


def test_traceback_forges_no_line(log: tuple[logging.Logger, io.StringIO]) -> None:
    logger, written = log
    try:
        raise ValueError(FORGED)
    except ValueError:
        logger.exception("unexpected error")
    first, *rest = written.getvalue().splitlines()
    assert first == "ERROR door: unexpected error"
    assert rest[0] == "  Traceback (most recent call last):"
    assert all(line.startswith("  ") for line in rest)
    assert "\x1b" not in written.getvalue()


def test_passwords_are_not_logged(log: tuple[logging.Logger, io.StringIO]) -> None:
    logger, written = log
    logger.warning("cannot reach %s", "https://bob:hunter2@registry.example/v2/")
    assert written.getvalue() == "WARNING door: cannot reach https://…@registry.example/v2/\n"


def test_record_is_left_as_it_is(log: tuple[logging.Logger, io.StringIO]) -> None:
    record = logging.LogRecord("door", logging.INFO, "", 0, "%s", (FORGED,), sys.exc_info())
    LineFormatter().format(record)
    assert record.args == (FORGED,)
