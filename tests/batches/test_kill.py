"""A batch goes on after ``kill -9``: each request has one answer, and what was written stays as it was."""

from tests.batches.killing import KILL, STOP, survive
from tests.conftest import Serve


def test_each_request_is_answered_once_however_often_the_server_ends(serve: Serve) -> None:
    survive(lambda world: serve(world=world), 40, (KILL, STOP, KILL))
