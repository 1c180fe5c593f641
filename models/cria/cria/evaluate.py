"""Evaluation at temperature 0 on test cases whose words, names and values training never used.

``python -m cria.evaluate --url http://127.0.0.1:11434`` asks a running Puna; ``--engine cria.gguf`` asks
llama.cpp directly, through ``xllamacpp``.
"""

import argparse
import json
import random
import urllib.error
import urllib.request
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from cria.checks import Answer, passes
from cria.data import mixture
from cria.examples import Case, Example, Fim, Message

LONGEST = 300
GOALS: Sequence[tuple[str, int, tuple[str, ...]]] = (
    ("tool calls exact, known functions, unseen values", 95, ("tools/known",)),
    ("tool calls exact, unseen function and argument names", 80, ("tools/new",)),
    ("no call where no function fits", 95, ("tools/none",)),
    ("JSON exact, known wordings, unseen values", 90, ("json/fields", "json/schema", "json/free")),
    ("questions in wordings kept from training", 90, ("qa/en", "qa/zh", "puna/en", "puna/zh")),
    ("questions in wordings written blind", 90, ("fresh/en", "fresh/zh")),
    ("recall of what was said earlier, known wordings, unseen values", 90, ("recall/en", "recall/zh")),
)
"""What cria is meant to reach: the row, per cent, and the kinds of cases that count in it."""
Ask = Callable[[Case], Answer]
Record = dict[str, Any]


def post(url: str, body: dict[str, Any]) -> dict[str, Any]:
    """POST JSON, return JSON; what goes wrong ends the program with the server's own words."""
    headers = {"Content-Type": "application/json"}
    request = urllib.request.Request(url, json.dumps(body).encode(), headers)
    try:
        with urllib.request.urlopen(request, timeout=120) as answer:
            found: dict[str, Any] = json.load(answer)
            return found
    except urllib.error.HTTPError as error:
        raise SystemExit(f"{url} answered {error.code}: {error.read().decode()}") from error
    except urllib.error.URLError as error:
        raise SystemExit(f"{url} cannot be reached: {error.reason}") from error


def puna_message(message: Message) -> dict[str, Any]:
    """A message as Ollama's API takes it."""
    converted: dict[str, Any] = {"role": message["role"], "content": message["content"]}
    if "tool_calls" in message:
        converted["tool_calls"] = [{"function": dict(call)} for call in message["tool_calls"]]
    if "reasoning" in message:
        converted["thinking"] = message["reasoning"]
    if "name" in message:
        converted["tool_name"] = message["name"]
    return converted


def puna(url: str, model: str) -> Ask:
    """Asks a server that speaks Ollama's API."""
    common = {"model": model, "stream": False, "options": {"temperature": 0, "num_predict": LONGEST}}

    def ask(case: Case) -> Answer:
        prompt = case.prompt
        if isinstance(prompt, Example):
            body = common | {"messages": [puna_message(m) for m in prompt.messages], "think": prompt.thinking}
            if prompt.tools:
                body["tools"] = list(prompt.tools)
            said = post(f"{url}/api/chat", body)["message"]
            calls = [call["function"] for call in said.get("tool_calls") or []]
            chosen = [{"name": call["name"], "arguments": call["arguments"]} for call in calls]
            return Answer(said.get("content", ""), said.get("thinking", ""), chosen)  # type: ignore[arg-type]
        if isinstance(prompt, Fim):
            body = common | {"prompt": prompt.prefix, "suffix": prompt.suffix}
        else:
            body = common | {"prompt": prompt.text, "raw": True}
        return Answer(post(f"{url}/api/generate", body)["response"], "", [])

    return ask


def engine_message(message: Message) -> dict[str, Any]:
    """A message as OpenAI's API takes it."""
    converted: dict[str, Any] = {"role": message["role"], "content": message["content"]}
    if "tool_calls" in message:
        converted["tool_calls"] = [
            {
                "id": str(index),
                "type": "function",
                "function": {**call, "arguments": json.dumps(call["arguments"])},
            }
            for index, call in enumerate(message["tool_calls"])
        ]
    if "reasoning" in message:
        converted["reasoning_content"] = message["reasoning"]
    if message["role"] == "tool":
        converted["tool_call_id"] = "0"
    return converted


def engine_chat(prompt: Example) -> dict[str, Any]:
    """The body of a chat request to llama.cpp's own server."""
    body: dict[str, Any] = {
        "messages": [engine_message(message) for message in prompt.messages],
        "chat_template_kwargs": {"enable_thinking": prompt.thinking},
    }
    if prompt.tools:
        body["tools"] = list(prompt.tools)
    return body


def engine(url: str) -> Ask:
    """Asks llama.cpp's own server."""
    common = {"temperature": 0, "n_predict": LONGEST}

    def ask(case: Case) -> Answer:
        prompt = case.prompt
        if isinstance(prompt, Example):
            body = engine_chat(prompt) | {"temperature": 0, "max_tokens": LONGEST}
            said = post(f"{url}/v1/chat/completions", body)["choices"][0]["message"]
            return Answer(said["content"] or "", said.get("reasoning_content") or "", _engine_calls(said))
        if isinstance(prompt, Fim):
            body = common | {"input_prefix": prompt.prefix, "input_suffix": prompt.suffix, "prompt": ""}
            return Answer(post(f"{url}/infill", body)["content"], "", [])
        return Answer(post(f"{url}/completion", common | {"prompt": prompt.text})["content"], "", [])

    return ask


def _engine_calls(said: dict[str, Any]) -> list[Any]:
    calls = []
    for call in said.get("tool_calls") or []:
        try:
            arguments = json.loads(call["function"]["arguments"])
        except ValueError:
            arguments = call["function"]["arguments"]
        calls.append({"name": call["function"]["name"], "arguments": arguments})
    return calls


def serve(gguf: Path, context: int = 2048) -> tuple[str, Any]:
    """llama.cpp's server for a GGUF in this process, on a free port; keep the second value while it is used."""
    import xllamacpp

    params = xllamacpp.CommonParams()
    params.model.path = str(gguf)
    params.n_ctx, params.n_parallel, params.verbosity, params.port = context, 1, -1, 0
    params.warmup = False
    params.cpuparams.n_threads = 1
    server = xllamacpp.Server(params)
    return server.listening_address, server


def cases(count: int, kinds: str, seed: str) -> Iterator[Case]:
    """``count`` cases of every kind that begins with one of the comma-separated ``kinds`` (all when empty)."""
    wanted = tuple(kinds.split(",")) if kinds else ("",)
    for name in (*mixture.SHARES, "knowledge.fresh"):
        if name == mixture.JOINED:
            continue
        found: defaultdict[str, int] = defaultdict(int)
        rng = random.Random(f"{seed}/{name}")
        for tries, case in enumerate(mixture.generator(name)(rng, "test")):
            if isinstance(case, Case) and case.kind.startswith(wanted) and found[case.kind] < count:
                found[case.kind] += 1
                yield case
            if (tries > 40 * count and (not found or min(found.values()) >= count)) or tries > 400 * count:
                break


def describe(case: Case) -> str:
    """The question in one line, for the list of failures."""
    if isinstance(case.prompt, Example):
        return case.prompt.messages[-1]["content"]
    return case.prompt.prefix + "…" + case.prompt.suffix if isinstance(case.prompt, Fim) else case.prompt.text


def obeys_switch(case: Case, answer: Answer) -> bool:
    """Whether a thought came exactly when one was asked for."""
    wanted = isinstance(case.prompt, Example) and case.prompt.thinking
    return bool(answer.thinking.strip()) == wanted and "think>" not in answer.content


def judge(ask: Ask, found: Iterable[Case]) -> list[Record]:
    """Ask every case, and note the answer and whether it was right."""
    records: list[Record] = []
    for case in found:
        answer = ask(case)
        records.append(
            {
                "kind": case.kind,
                "right": passes(case, answer),
                "switch": obeys_switch(case, answer),
                "question": describe(case),
                "check": case.check,
                "expected": case.expected,
                "answer": vars(answer),
            }
        )
    return records


def grouped(kind: str) -> str:
    """The row of the table that a kind belongs to: exercises by their family, the rest by their own name."""
    family, _, rest = kind.partition("/")
    return family if family in ("direct", "drills") or (family == "thinking" and len(rest) > 2) else kind


def table(records: list[Record]) -> str:
    """The results as a Markdown table."""
    rows: defaultdict[str, list[bool]] = defaultdict(list)
    for record in records:
        rows[grouped(record["kind"])].append(record["right"])
    lines = ["| kind | cases | correct |", "|---|---:|---:|"]
    chats = [record["switch"] for record in records]
    summary = {"**thinking switch obeyed**": chats, "**all**": [record["right"] for record in records]}
    for name, passed in [*sorted(rows.items()), *summary.items()]:
        share = 100 * sum(passed) / max(1, len(passed))
        lines.append(f"| {name} | {len(passed)} | {share:.1f} % |")
    return "\n".join(lines)


def goals(records: list[Record]) -> str:
    """The goals and what was reached as a Markdown table; a goal without cases is left out."""
    rows = [
        (what, goal, [record["right"] for record in records if record["kind"] in kinds]) for what, goal, kinds in GOALS
    ]
    rows.append(("thinking switch obeyed", 100, [record["switch"] for record in records]))
    lines = ["| what | goal | cases | reached |", "|---|---:|---:|---:|"]
    for what, goal, passed in rows:
        if passed:
            lines.append(f"| {what} | {goal} % | {len(passed)} | {100 * sum(passed) / len(passed):.1f} % |")
    return "\n".join(lines)


def print_failures(records: list[Record], number: int) -> None:
    """Print the first few failures of every kind."""
    shown: defaultdict[str, int] = defaultdict(int)
    for record in records:
        if not record["right"] and shown[record["kind"]] < number:
            shown[record["kind"]] += 1
            print(json.dumps(record, ensure_ascii=False))


def options() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description="Evaluate cria and print the goals and every kind as Markdown tables.")
    where = parser.add_mutually_exclusive_group(required=True)
    where.add_argument("--url", help="a running Puna, such as http://127.0.0.1:11434")
    where.add_argument("--engine", type=Path, help="a GGUF file to ask without Puna")
    parser.add_argument("--model", default="cria")
    parser.add_argument("--kinds", default="", help="only kinds beginning with these, separated by commas")
    parser.add_argument("--count", type=int, default=50, help="cases of each kind")
    parser.add_argument("--seed", default="evaluation")
    parser.add_argument("--json", type=Path, help="write every case with its answer here")
    parser.add_argument("--failures", type=int, default=0, help="print this many failures of each kind")
    return parser.parse_args()


def main() -> None:
    """Evaluate cria and print the goals and every kind as Markdown tables."""
    arguments = options()
    server = None
    if arguments.engine:
        url, server = serve(arguments.engine)
        ask = engine(url)
    else:
        ask = puna(arguments.url.rstrip("/"), arguments.model)
    records = judge(ask, cases(arguments.count, arguments.kinds, arguments.seed))
    del server
    print_failures(records, arguments.failures)
    print(goals(records), table(records), sep="\n\n")
    if arguments.json:
        arguments.json.write_text(json.dumps(records, ensure_ascii=False, indent=1))


if __name__ == "__main__":
    main()
