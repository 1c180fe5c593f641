"""What a function's parameters say of the types of a value."""

from puna.inference.format.typed import inner_schemas, schema_types


def test_a_schema_that_leads_back_to_itself_everywhere_is_looked_at_for_a_bounded_time() -> None:
    schema = {"anyOf": [{"$ref": "#"} for _ in range(64)]}
    assert schema_types(schema, schema) == []
    assert inner_schemas(schema, [schema], "x") == ()


def test_types_are_found_behind_references_and_branches() -> None:
    schema = {"$defs": {"a": {"type": "integer"}, "b": {"allOf": [{"$ref": "#/$defs/a"}]}}}
    assert schema_types(schema, {"anyOf": [{"$ref": "#/$defs/b"}, {"const": "x"}]}) == ["integer", "string"]
    inner = inner_schemas(schema, [{"oneOf": [{"properties": {"x": {"type": "null"}}}, {"items": {}}]}], "x")
    assert inner == ({"type": "null"},)
