"""Random JSON Schemas whose smallest instances are small, so that most answers to them come to their end."""

import random
from collections.abc import Callable
from typing import Any

Schema = dict[str, Any]
_WORDS = ("id", "name", "size", "tags", "color", "日期", "on", "x y", 'quo"te')
_PATTERNS = ("^[a-z]{1,3}$", "^(red|green|blue)$", "^[0-9]{2}-[0-9]{2}$", "^[A-Z][a-z]?$", "^$|^no$")


class SchemaMaker:
    """Makes one schema of at most ``depth`` levels; the same seed makes the same."""

    def __init__(self, seed: int, depth: int) -> None:
        self._random = random.Random(seed)
        self._depth = depth
        self._definitions: dict[str, Schema] = {}

    def make(self) -> Schema:
        """Return the schema."""
        schema = self._schema(self._depth)
        return schema | ({"$defs": self._definitions} if self._definitions else {})

    def _schema(self, depth: int) -> Schema:
        leaves: list[Callable[[], Schema]] = [self._text, self._integer, self._number, self._choice, self._constant]
        if depth <= 0:
            return self._random.choice([*leaves, self._flag])()
        inner = [self._object, self._array, self._either, self._reference, self._nullable]
        return self._random.choice(inner)(depth - 1)

    def _text(self) -> Schema:
        if self._random.random() < 0.5:
            return {"type": "string", "pattern": self._random.choice(_PATTERNS)}
        least = self._random.randint(0, 2)
        return {"type": "string", "minLength": least, "maxLength": least + self._random.randint(0, 3)}

    def _integer(self) -> Schema:
        least = self._random.randint(-20, 20)
        schema: Schema = {"type": "integer", "minimum": least, "maximum": least + self._random.randint(1, 30)}
        if self._random.random() < 0.3:
            schema = {"type": "integer", "exclusiveMinimum": least, "exclusiveMaximum": least + 5}
        return schema

    def _number(self) -> Schema:
        # Every digit after the point is valid, and a model that likes zeros writes them to the end.
        return self._random.choice([{"enum": [0.5, -2, 1e3]}, {"type": "number", "minimum": 0, "maximum": 0}])

    def _choice(self) -> Schema:
        return {"enum": self._random.sample(["red", "绿", 1, -2.5, None, True, [1], {"a": "b"}], 3)}

    def _constant(self) -> Schema:
        return {"const": self._random.choice(["fixed", 7, None, [], {"k": [1, "二"]}])}

    def _flag(self) -> Schema:
        return {"type": self._random.choice(["boolean", "null"])}

    def _object(self, depth: int) -> Schema:
        names = self._random.sample(_WORDS, self._random.randint(1, 3))
        properties = {name: self._schema(depth if index == 0 else 0) for index, name in enumerate(names)}
        schema: Schema = {"type": "object", "properties": properties, "required": names[: self._random.randint(1, 3)]}
        further = self._random.choice([False, False, {"type": "boolean"}, True])
        if further is not True:
            schema["additionalProperties"] = further
        return schema

    def _array(self, depth: int) -> Schema:
        least = self._random.randint(0, 2)
        schema: Schema = {"type": "array", "minItems": least, "maxItems": least + self._random.randint(0, 2)}
        if self._random.random() < 0.25:
            return schema | {"prefixItems": [self._schema(depth), self._flag()], "items": False, "maxItems": 2}
        return schema | {"items": self._schema(depth)}

    def _either(self, depth: int) -> Schema:
        return {"anyOf": [self._schema(depth), self._schema(0)]}

    def _nullable(self, depth: int) -> Schema:
        inner = self._schema(depth)
        if isinstance(inner.get("type"), str) and inner["type"] != "null":
            return inner | {"type": [inner["type"], "null"]}
        return {"anyOf": [inner, {"type": "null"}]}

    def _reference(self, depth: int) -> Schema:
        name = f"part{len(self._definitions)}"
        self._definitions[name] = {}
        if self._random.random() < 0.3:  # a list that may contain itself
            rest = {"anyOf": [{"type": "null"}, {"$ref": f"#/$defs/{name}"}]}
            value = {"v": self._schema(0), "next": rest}
            self._definitions[name] = {
                "type": "object",
                "properties": value,
                "required": ["v", "next"],
                "additionalProperties": False,
            }
        else:
            self._definitions[name] = self._schema(depth)
        return {"$ref": f"#/$defs/{name}"}
