"""Ollama's objects out of events: each figure stands under its own name."""

from puna.api.ollama.translate import finished_body
from puna.inference.events import Finished, Truncation


def test_end_of_an_answer_names_each_figure() -> None:
    end = Finished("stop", 1, 2, 3, 4)
    assert finished_body(end, 5, 6) == {
        "done": True,
        "done_reason": "stop",
        "total_duration": 5,
        "load_duration": 6,
        "prompt_eval_count": 1,
        "prompt_eval_duration": 2,
        "eval_count": 3,
        "eval_duration": 4,
    }


def test_end_of_an_answer_names_what_was_left_out() -> None:
    left_out = finished_body(Finished("stop", 1, 2, 3, 4, truncation=Truncation(7, 8, 9)), 5, 6)
    told = {"prompt_truncated": True, "dropped_messages": 7, "dropped_tokens": 8, "context_length": 9}
    assert left_out == finished_body(Finished("stop", 1, 2, 3, 4), 5, 6) | told
