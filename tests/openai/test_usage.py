"""What an answer cost, counted once for each prompt."""

from dataclasses import replace

from puna.api.openai.usage import usage_of
from puna.inference.events import Finished


def end(choice: int, *, prompt: int, cached: int, generated: int, thinking: int = 0) -> Finished:
    return Finished("stop", prompt, 1, generated, 1, cached_tokens=cached, thinking_tokens=thinking, choice=choice)


def test_choices_of_a_prompt_share_its_tokens() -> None:
    ends = [
        end(1, prompt=10, cached=10, generated=4),
        end(3, prompt=20, cached=20, generated=6, thinking=5),
        end(0, prompt=10, cached=2, generated=3, thinking=1),
        end(2, prompt=20, cached=7, generated=5),
    ]
    usage = usage_of(ends, per_prompt=2)
    assert (usage["prompt_tokens"], usage["completion_tokens"], usage["total_tokens"]) == (30, 18, 48)
    assert usage["prompt_tokens_details"]["cached_tokens"] == 2 + 7
    assert usage["completion_tokens_details"]["reasoning_tokens"] == 6


def test_guesses_are_told_where_they_were_of_a_prediction() -> None:
    ends = [
        replace(end(0, prompt=10, cached=4, generated=9), drafted_tokens=8, accepted_tokens=5),
        # A stop string ended the answer amid what was right.
        replace(end(1, prompt=10, cached=10, generated=2), drafted_tokens=8, accepted_tokens=8),
    ]
    for predicted, counts in ((True, (5 + 2, 3 + 6)), (False, (0, 0))):
        details = usage_of(ends, 2, predicted=predicted)["completion_tokens_details"]
        assert (details["accepted_prediction_tokens"], details["rejected_prediction_tokens"]) == counts


def test_one_prompt_and_one_answer() -> None:
    usage = usage_of([end(0, prompt=10, cached=4, generated=3)])
    assert (usage["prompt_tokens"], usage["completion_tokens"], usage["total_tokens"]) == (10, 3, 13)
