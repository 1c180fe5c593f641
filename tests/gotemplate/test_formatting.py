"""``printf``: every expected text was checked against Go 1.27."""

from typing import Any

import pytest

from puna.gotemplate.errors import FunctionError
from puna.gotemplate.formatting import print_format
from puna.gotemplate.gojson import JsonMap, marshal

CASES: list[tuple[str, tuple[Any, ...], str]] = [
    ("%d|%5d|%-5d|%05d|%+d|% d", (1, 2, 3, 4, 5, 6), "1|    2|3    |00004|+5| 6"),
    ("%x %X %#x %o %#o %O %b %#b", (255, 255, 255, 8, 8, 8, 5, 5), "ff FF 0xff 10 010 0o10 101 0b101"),
    ("%c %q %U %#U", (65, 65, 65, 0x1F600), "A 'A' U+0041 U+1F600 '😀'"),
    ("%.3d|%8.3d|%-08d|", (7, 7, 7), "007|     007|7       |"),
    ("%e %E %f %g %G", (1.5, 1.5, 1.5, 1e21, 1e-7), "1.500000e+00 1.500000E+00 1.500000 1e+21 1E-07"),
    (
        "%8.3f|%-8.2f|%08.3f|%+.2e",
        (3.14159, 3.14159, -3.14159, 12345.6789),
        "   3.142|3.14    |-003.142|+1.23e+04",
    ),
    ("%.3g %#g %x %b", (123456.789, 1.0, 1.5, 1.5), "1.23e+05 1.00000 0x1.8p+00 6755399441055744p-52"),
    (
        "%s|%5s|%-5s|%.2s|%q|%x|% X",
        ("ab", "ab", "ab", "abc", 'a"\n', "hi", "hi"),
        'ab|   ab|ab   |ab|"a\\"\\n"|6869|68 69',
    ),
    ("%+q %#q", ("日", "raw"), '"\\u65e5" `raw`'),
    ("%t %v %5t", (True, False, True), "true false  true"),
    (
        "%v %+v %#v",
        ({"b": 1, "a": None}, [1, "x"], [1, "x"]),
        'map[a:<nil> b:1] [1 x] []interface {}{1, "x"}',
    ),
    ("%#v %#v", ({"a": "b"}, None), 'map[string]interface {}{"a":"b"} <nil>'),
    ("%T %T %T %T %T", (1, 1.5, "", [], None), "int float64 string []interface {} <nil>"),
    ("%d %s", ("a", 1), "%!d(string=a) %!s(int=1)"),
    ("%5d", (True,), "%!d(bool= true)"),
    ("%d %d", (1,), "1 %!d(MISSING)"),
    ("%d", (1, 2, "x"), "1%!(EXTRA int=2, string=x)"),
    ("%!", (1,), "%!!(int=1)"),
    ("%", (), "%!(NOVERB)"),
    ("%z", (1,), "%!z(int=1)"),
    ("100%% %5%", (), "100% %"),
    ("%[2]d %[1]d", (1, 2), "2 1"),
    ("%[3]d", (1,), "%!d(BADINDEX)"),
    ("%*d|%-*d|%.*f", (4, 1, 4, 2, 1, 3.14), "   1|2   |3.1"),
    ("%*d", ("x", 5), "%!(BADWIDTH)5"),
    ("%.*d", (-1, 5), "%!(BADPREC)5"),
    ("%d", (None,), "%!d(<nil>)"),
    ("%d", ([1.5],), "[%!d(float64=1.5)]"),
]


@pytest.mark.parametrize(("template", "operands", "expected"), CASES)
def test_printf(template: str, operands: tuple[Any, ...], expected: str) -> None:
    assert print_format(template, operands) == expected


def test_a_result_that_grows_without_bound_is_refused() -> None:
    with pytest.raises(FunctionError, match="too long"):
        print_format("%1000000d" * 20, list(range(20)))


def test_deep_values_are_refused() -> None:
    deep: list[Any] = []
    for _ in range(500):
        deep = [deep]
    with pytest.raises(FunctionError, match="nested too deeply"):
        print_format("%v", (deep,))
    with pytest.raises(FunctionError, match="nested too deeply"):
        marshal(deep)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ({"b": 1, "a": [True, None]}, '{"a":[true,null],"b":1}'),
        (JsonMap(b=1, a=2), '{"b":1,"a":2}'),
        ("<a href='x'>&", "\"\\u003ca href='x'\\u003e\\u0026\""),
        ('\x00\x1f\x7f\b\f\n\r\t"\\', '"\\u0000\\u001f\x7f\\b\\f\\n\\r\\t\\"\\\\"'),
        ("日\u2028\ud800", '"日\\u2028\\ufffd"'),
        (
            [1.0, 1.5, 1e21, 1e20, 1e-7, 1e-6, -0.0, 12345678.0],
            "[1,1.5,1e+21,100000000000000000000,1e-7,0.000001,-0,12345678]",
        ),
        (2**60, "1152921504606846976"),
    ],
)
def test_json(value: Any, expected: str) -> None:
    assert marshal(value) == expected
