"""Numbers beyond 64 bits, which no engine and no answer can be sent as whole ones."""

import orjson

from puna.inference.output.calls import lenient_object
from puna.inference.prompt.ollama_values import tools_in_order


def test_a_bound_of_a_tool_beyond_64_bits_can_be_sent_on() -> None:
    schema = {"type": "object", "properties": {"n": {"type": "integer", "maximum": 2.0**64}}}
    tools = tools_in_order([{"type": "function", "function": {"name": "f", "parameters": schema}}])
    assert orjson.loads(orjson.dumps(tools))[0]["function"]["parameters"]["properties"]["n"]["maximum"] == 2.0**64


def test_an_argument_beyond_64_bits_can_be_sent_on() -> None:
    found = lenient_object('{"n": 99999999999999999999999}')
    assert orjson.loads(orjson.dumps(found)) == {"n": 1e23}
