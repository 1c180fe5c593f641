"""Whatever crosses the seam between the dialects and what answers them is plain data: it crosses to other processes."""

import pickle

import pytest

from puna.engine.errors import ContextExceededError, ModelLoadError, RunnerCrashedError
from puna.errors import BadRequestError, ModelNotFoundError, PunaError, UnavailableError
from puna.inference import events
from puna.inference.generate import Rendered
from puna.inference.options import Options
from puna.inference.requests import Conversation, Message, Script, ToolCall, ToolChoice
from puna.scheduler.admission import RequestState
from puna.scheduler.lease import Caller, RequestCanceledError, RunnerTooLargeError
from puna.scheduler.options import RunnerOptions
from puna.scheduler.queue import QueueFullError
from puna.scheduler.residency import LoadState
from puna.service import Activity, Service
from puna.service.local import LocalService

CONVERSATION = Conversation(
    messages=(
        Message(role="user", content="Look.", images=(b"\x89PNG",), places=(5,)),
        Message(
            role="assistant", tool_calls=(ToolCall(name="add", arguments={"a": [1, None]}, raw='{"a": [1,null]}'),)
        ),
    ),
    tools=({"type": "function", "function": {"name": "add", "parameters": {}}},),
    tool_choice=ToolChoice("required", ("add",), parallel=False),
)
LOGPROB = events.Logprob(events.TokenLogprob("a", -0.5, (97,)), (events.TokenLogprob("b", -1.5, (98,)),))
CROSSING = [
    CONVERSATION,
    Options.merge({"temperature": 0, "num_ctx": 512, "stop": ["x"]}),
    RunnerOptions(),
    Caller("somebody", "id", batch=True, conversation="c"),
    Script(content="yes"),
    [events.Started(5), events.Reading(9, 4, 9), events.Text("a", (LOGPROB,)), events.Thought("b")],
    [events.CallStarted(0, "id", "add"), events.CallArguments(0, "{}")],
    [events.Finished("stop", 9, 1, 2, 3, truncation=events.Truncation(1, 5, 64), context=(1, 2))],
    Rendered("prompt", 1),
    Activity((RequestState("id", "cria", "somebody", False, "waiting", 0.5, 2),), (LoadState("cria", 1.0),)),
]


@pytest.mark.parametrize("value", CROSSING, ids=lambda value: type(value).__name__)
def test_plain_data_crosses_to_another_process(value: object) -> None:
    assert pickle.loads(pickle.dumps(value)) == value


def _crashed() -> RunnerCrashedError:
    error = RunnerCrashedError("the runner has gone")
    error.signal, error.suspect = 11, True
    return error


@pytest.mark.parametrize(
    "error",
    [
        BadRequestError("no", param="model"),
        ModelNotFoundError("nobody"),
        UnavailableError("later", 7),
        ContextExceededError(20, 10),
        ModelLoadError("bad", files_at_fault=True),
        RunnerTooLargeError("cria", 5 << 20),
        RequestCanceledError(),
        QueueFullError(3),
        _crashed(),
    ],
    ids=lambda error: type(error).__name__,
)
def test_an_error_is_the_same_on_the_other_side(error: PunaError) -> None:
    found = pickle.loads(pickle.dumps(error))
    assert type(found) is type(error)
    assert (str(found), found.status, found.headers, vars(found)) == (
        str(error),
        error.status,
        error.headers,
        vars(error),
    )


def test_one_process_answers_all_of_it() -> None:
    asked = {name for name in vars(Service) if not name.startswith("_")}
    assert asked <= set(dir(LocalService))
