"""Reading Modelfiles."""

import pytest

from puna.models.modelfile.parse import Command, ModelfileError, parse_modelfile


def value(text: str) -> str:
    """The SYSTEM message of a Modelfile that says it so."""
    return parse_modelfile(f"FROM x\nSYSTEM {text}").last("SYSTEM") or ""


@pytest.mark.parametrize("text", ["FROM x", "from x", "From\tx", "  FROM   x  ", "\n\n# hello\nFROM x\n", "FROM x\r\n"])
def test_commands_in_any_case_among_blanks_and_comments(text: str) -> None:
    assert parse_modelfile(text).values("FROM") == ("x",)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("plain words", "plain words"),
        ("  spaces around  ", "spaces around"),
        ("a # is no comment", "a # is no comment"),
        ('"  kept  "', "  kept  "),
        ('""', ""),
        ('say "hi" now', 'say "hi" now'),
        ('"say "hi" now"', 'say "hi" now'),
        ('"two\nlines"', "two\nlines"),
        ('"""three\n\nlines"""', "three\n\nlines"),
        ('"""\nset off\n"""', "\nset off\n"),
        ('"""with "quotes" and "" inside"""', 'with "quotes" and "" inside'),
        ('"""a """ inside\nends here"""', 'a """ inside\nends here'),
        ('"""FROM y\n# no comment"""  ', "FROM y\n# no comment"),
        ('"""kept\r\nas it is"""\r\n', "kept\r\nas it is"),
        ("a family: 👩\u200d👩\u200d👧", "a family: 👩\u200d👩\u200d👧"),
    ],
)
def test_quotation(text: str, expected: str) -> None:
    assert value(text) == expected


def test_parameters_have_types_and_repeated_lists_grow() -> None:
    file = parse_modelfile(
        'FROM x\nPARAMETER stop "<|end|>"\nPARAMETER stop 12\nPARAMETER temperature 0.5\nPARAMETER temperature 1\n'
        'PARAMETER use_mmap False\nPARAMETER think high\nPARAMETER logit_bias {"a": -1}\nPARAMETER grammar 1\n'
        "PARAMETER top_p 1e999\n"
    )
    assert file.parameters == {
        "stop": ["<|end|>", "12"],
        "temperature": 1,
        "use_mmap": False,
        "think": "high",
        "logit_bias": {"a": -1},
        "grammar": "1",
        "top_p": "1e999",
    }


def test_messages_keep_their_order_and_role() -> None:
    file = parse_modelfile('FROM x\nMESSAGE user hi\nMESSAGE assistant """\nhello\n"""')
    assert file.messages == ({"role": "user", "content": "hi"}, {"role": "assistant", "content": "\nhello\n"})


def test_lines_are_counted_through_quotations() -> None:
    file = parse_modelfile('FROM x\r\nSYSTEM """\r\n\r\n"""\r\nLICENSE y')
    assert file.commands[-1] == Command("LICENSE", "y", 5)


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_byte_order_marks(encoding: str) -> None:
    assert parse_modelfile("FROM größe".encode(encoding)).last("FROM") == "größe"


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "no FROM line"),
        ("SYSTEM x", "no FROM line"),
        ("FROM x\nTEMPLAT y", r"\(line 2\): 'TEMPLAT' is not a command"),
        ("FROM", r"\(line 1\): FROM needs a value"),
        ("FROM \n", r"\(line 1\): FROM needs a value"),
        ("FROM x\n\nSYSTEM\nLICENSE y", r"\(line 3\): SYSTEM needs a value"),
        ('FROM x\nSYSTEM """a\nb', r"\(line 2\): the quotation that SYSTEM begins is never closed"),
        ('FROM x\nSYSTEM "', r"\(line 2\): the quotation"),
        ("FROM x\nMESSAGE robot hi", r"\(line 2\): message role must be one of"),
        ("FROM x\nMESSAGE user", r"\(line 2\): MESSAGE user needs a value"),
        ("FROM x\nPARAMETER", r"\(line 2\): PARAMETER needs a name"),
        ("FROM x\nPARAMETER a-b 1", r"\(line 2\): PARAMETER needs a name"),
        ("FROM x\nREQUIRES soon", r"\(line 2\): requires must be a version"),
    ],
)
def test_errors_name_line_and_reason(text: str, reason: str) -> None:
    with pytest.raises(ModelfileError, match=reason) as caught:
        parse_modelfile(text)
    assert caught.value.status == 400


def test_text_that_is_not_utf8_is_an_error_with_its_line() -> None:
    with pytest.raises(ModelfileError, match=r"\(line 2\): the text is not UTF-8"):
        parse_modelfile("FROM x\nSYSTEM für".encode("latin-1"))


def test_a_huge_file_is_refused() -> None:
    with pytest.raises(ModelfileError, match="larger than 16 MiB"):
        parse_modelfile(b" " * ((16 << 20) + 1))


def test_a_version_is_kept_without_its_letter() -> None:
    assert parse_modelfile("FROM x\nREQUIRES v0.14.0").last("REQUIRES") == "0.14.0"
