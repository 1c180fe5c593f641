"""From tokens to the parse tree, by the rules and in the words of Go's ``text/template/parse``."""

import re
from bisect import bisect_left
from collections.abc import Collection
from dataclasses import dataclass
from typing import NoReturn

from puna.gotemplate import nodes
from puna.gotemplate.errors import TemplateSyntaxError
from puna.gotemplate.lexer import Kind, Token, tokenize
from puna.gotemplate.literals import parse_number, unquote, unquote_char
from puna.gotemplate.quoting import quote

# Go sets no bound for blocks and 10,000 for parentheses; templates of models stay far below this one.
MAX_NESTING = 60
MAX_LENGTH = 1 << 17
_OPERANDS = frozenset(
    {
        Kind.BOOL,
        Kind.CHAR_CONSTANT,
        Kind.DOT,
        Kind.FIELD,
        Kind.IDENTIFIER,
        Kind.NUMBER,
        Kind.RAW_STRING,
        Kind.STRING,
        Kind.VARIABLE,
        Kind.LEFT_PAREN,
    }
)


def parse(name: str, text: str, functions: Collection[str]) -> dict[str, nodes.Tree]:
    """All templates in ``text`` by name: the text itself as ``name``, and what it defines.

    ``functions`` are the names that may be called. Raises :class:`TemplateSyntaxError`.
    """
    if len(text) > MAX_LENGTH:
        raise TemplateSyntaxError(name, 1, f"template is larger than {MAX_LENGTH} characters")
    return _Parser(name, text, functions).parse()


class _Scope:
    """The variables of one tree: which names may be used, and the slot of the innermost of each name."""

    def __init__(self) -> None:
        self.count = 1
        self._known = {"$": 1}
        self._slots: dict[str, list[int]] = {"$": [0]}
        self._known_log: list[str] = []
        self._slot_log: list[str] = []

    def knows(self, name: str) -> bool:
        return self._known.get(name, 0) > 0

    def introduce(self, name: str) -> None:
        """Lets ``name`` be used from here on; its slot follows once its value is parsed."""
        self._known[name] = self._known.get(name, 0) + 1
        self._known_log.append(name)

    def find(self, name: str) -> int:
        """The slot of the innermost variable of this name; -1 where none is declared yet."""
        slots = self._slots.get(name)
        return slots[-1] if slots else -1

    def declare(self, name: str) -> int:
        slot = self.count
        self.count += 1
        self._slots.setdefault(name, []).append(slot)
        self._slot_log.append(name)
        return slot

    def mark(self) -> tuple[int, int]:
        return len(self._known_log), len(self._slot_log)

    def release(self, mark: tuple[int, int]) -> None:
        """Forgets all variables since ``mark``."""
        while len(self._known_log) > mark[0]:
            self._known[self._known_log.pop()] -= 1
        self.hide(mark)

    def hide(self, mark: tuple[int, int]) -> None:
        """Makes names mean again what they meant at ``mark``; Go still lets them be used."""
        while len(self._slot_log) > mark[1]:
            self._slots[self._slot_log.pop()].pop()


@dataclass(frozen=True, slots=True)
class _Stop:
    """``{{end}}`` or ``{{else}}``, which ends a list of nodes."""

    is_else: bool

    def __str__(self) -> str:
        return "{{else}}" if self.is_else else "{{end}}"


class _Parser:
    def __init__(self, name: str, text: str, functions: Collection[str]) -> None:
        self._name = name
        self._text = text
        self._functions = functions
        self._tokens = tokenize(text)
        self._newlines = [match.start() for match in re.finditer("\n", text)]
        self._index = 0
        self._furthest = 0
        self._action_line = 0
        self._depth = 0
        self._range_depth = 0
        self._scope = _Scope()
        self._trees: dict[str, nodes.Tree] = {}

    # Tokens

    def _next(self) -> Token:
        # The last token, EOF or ERROR, repeats for ever.
        token = self._tokens[min(self._index, len(self._tokens) - 1)]
        self._furthest = max(self._furthest, token.position)
        self._index += 1
        return token

    def _back(self) -> None:
        self._index -= 1

    def _peek(self) -> Token:
        token = self._next()
        self._back()
        return token

    def _next_non_space(self) -> Token:
        token = self._next()
        return self._next() if token.kind is Kind.SPACE else token

    def _peek_non_space(self) -> Token:
        token = self._next_non_space()
        self._back()
        return token

    def _is_keyword(self, token: Token, word: str) -> bool:
        return token.kind is Kind.KEYWORD and token.text == word

    # Errors

    def _line(self, position: int) -> int:
        return bisect_left(self._newlines, position) + 1

    def _fail(self, reason: str) -> NoReturn:
        raise TemplateSyntaxError(self._name, self._line(self._furthest), reason)

    def _unexpected(self, token: Token, context: str) -> NoReturn:
        if token.kind is not Kind.ERROR:
            self._fail(f"unexpected {token} in {context}")
        extra = ""
        if self._action_line not in (0, self._line(token.position)):
            extra = f" in action started at {self._name}:{self._action_line}"
            if token.text.endswith(" action"):
                extra = extra.removeprefix(" in action")
        self._fail(f"{token}{extra}")

    def _expect(self, kind: Kind, context: str) -> Token:
        token = self._next_non_space()
        if token.kind is not kind:
            self._unexpected(token, context)
        return token

    def _enter(self, what: str) -> None:
        self._depth += 1
        if self._depth > MAX_NESTING:
            self._fail(f"max {what} depth exceeded")

    # Structure

    def parse(self) -> dict[str, nodes.Tree]:
        root = nodes.Block(self._peek().position)
        while (token := self._peek()).kind is not Kind.EOF:
            if token.kind is Kind.LEFT_DELIM and self._definition():
                continue
            node = self._text_or_action()
            if isinstance(node, _Stop):
                self._fail(f"unexpected {node}")
            root.nodes.append(node)
        self._add(nodes.Tree(self._name, root, self._scope.count))
        return self._trees

    def _add(self, tree: nodes.Tree) -> None:
        known = self._trees.get(tree.name)
        if known is None or is_empty(known.root):
            self._trees[tree.name] = tree
        elif not is_empty(tree.root):
            self._fail(f"template: multiple definition of template {quote(tree.name)}")

    def _definition(self) -> bool:
        """Parses ``{{define}}`` at the top level; False, with nothing consumed, where there is none."""
        start = self._index
        self._next()
        if not self._is_keyword(self._next_non_space(), "define"):
            self._index = start
            return False
        context = "define clause"
        token = self._next_non_space()
        if token.kind not in (Kind.STRING, Kind.RAW_STRING):
            self._unexpected(token, context)
        name = self._unquoted(token)
        self._expect(Kind.RIGHT_DELIM, context)
        self._subtree(name, context)
        return True

    def _subtree(self, name: str, context: str) -> None:
        """Parses the body of a definition, whose variables are its own."""
        outer, self._scope = self._scope, _Scope()
        outer_ranges, self._range_depth = self._range_depth, 0
        root, stop = self._block()
        if stop.is_else:
            self._fail(f"unexpected {stop} in {context}")
        self._add(nodes.Tree(name, root, self._scope.count))
        self._scope, self._range_depth = outer, outer_ranges

    def _block(self) -> tuple[nodes.Block, _Stop]:
        self._enter("block")
        block = nodes.Block(self._peek_non_space().position)
        while True:
            if self._peek_non_space().kind is Kind.EOF:
                self._fail("unexpected EOF")
            node = self._text_or_action()
            if isinstance(node, _Stop):
                self._depth -= 1
                return block, node
            block.nodes.append(node)

    def _text_or_action(self) -> nodes.Node | _Stop:
        token = self._next_non_space()
        if token.kind is Kind.TEXT:
            return nodes.Text(token.position, token.text)
        if token.kind is not Kind.LEFT_DELIM:
            self._unexpected(token, "input")
        self._action_line = self._line(token.position)
        node = self._action()
        self._action_line = 0
        return node

    def _action(self) -> nodes.Node | _Stop:
        token = self._next_non_space()
        if token.kind is Kind.KEYWORD:
            match token.text:
                case "if" | "with" | "range":
                    return self._branch(token.text)
                case "else" | "end":
                    return self._stop(token.text)
                case "break" | "continue":
                    return self._jump(token)
                case "template":
                    return self._invoke()
                case "block":
                    return self._block_action()
        self._back()
        position = self._peek().position
        return nodes.Action(position, self._pipeline("command", Kind.RIGHT_DELIM))

    def _stop(self, word: str) -> _Stop:
        if word == "end":
            self._expect(Kind.RIGHT_DELIM, "end")
            return _Stop(is_else=False)
        following = self._peek_non_space()
        if not (self._is_keyword(following, "if") or self._is_keyword(following, "with")):
            self._expect(Kind.RIGHT_DELIM, "else")
        return _Stop(is_else=True)

    def _jump(self, token: Token) -> nodes.Break | nodes.Continue:
        form = "{{" + token.text + "}}"
        following = self._next_non_space()
        if following.kind is not Kind.RIGHT_DELIM:
            self._unexpected(following, form)
        if self._range_depth == 0:
            self._fail(form + " outside {{range}}")
        return nodes.Break(token.position) if token.text == "break" else nodes.Continue(token.position)

    def _branch(self, keyword: str) -> nodes.If | nodes.With | nodes.Range:
        mark = self._scope.mark()
        pipe = self._pipeline(keyword, Kind.RIGHT_DELIM)
        inside = self._scope.mark()
        is_range = keyword == "range"
        self._range_depth += is_range
        body, stop = self._block()
        self._range_depth -= is_range
        self._scope.hide(inside)
        otherwise = self._otherwise(keyword) if stop.is_else else None
        self._scope.release(mark)
        if is_range:
            return nodes.Range(pipe.position, pipe, body, otherwise)
        node = nodes.If if keyword == "if" else nodes.With
        return node(pipe.position, pipe, body, otherwise)

    def _otherwise(self, keyword: str) -> nodes.Block:
        """What follows ``{{else}}``; ``{{else if}}`` is an ``if`` inside it that shares its ``{{end}}``."""
        following = self._peek_non_space()
        if keyword in ("if", "with") and self._is_keyword(following, keyword):
            self._next_non_space()
            self._enter("block")
            block = nodes.Block(following.position, [self._branch(keyword)])
            self._depth -= 1
            return block
        block, stop = self._block()
        if stop.is_else:
            self._fail(f"expected end; found {stop}")
        return block

    def _template_name(self, context: str) -> tuple[Token, str]:
        token = self._next_non_space()
        if token.kind not in (Kind.STRING, Kind.RAW_STRING):
            self._unexpected(token, context)
        return token, self._unquoted(token)

    def _invoke(self) -> nodes.Invoke:
        context = "template clause"
        token, name = self._template_name(context)
        pipe = None
        if self._next_non_space().kind is not Kind.RIGHT_DELIM:
            self._back()
            pipe = self._pipeline(context, Kind.RIGHT_DELIM)
        return nodes.Invoke(token.position, name, pipe)

    def _block_action(self) -> nodes.Invoke:
        context = "block clause"
        token, name = self._template_name(context)
        pipe = self._pipeline(context, Kind.RIGHT_DELIM)
        self._subtree(name, context)
        return nodes.Invoke(token.position, name, pipe)

    # Pipelines

    def _pipeline(self, context: str, end: Kind) -> nodes.Pipe:
        pipe = nodes.Pipe(self._peek_non_space().position)
        self._targets(pipe, context)
        while (token := self._next_non_space()).kind is not end:
            if token.kind not in _OPERANDS and not self._is_keyword(token, "nil"):
                self._unexpected(token, context)
            self._back()
            pipe.commands.append(self._command())
        self._check_pipeline(pipe, context)
        for target in pipe.targets:
            declare = self._scope.find if pipe.is_assignment else self._scope.declare
            target.slot = declare(target.name)
        return pipe

    def _targets(self, pipe: nodes.Pipe, context: str) -> None:
        """Parses ``$x :=``, ``$x =`` or, in a range, ``$i, $x :=``."""
        while (token := self._peek_non_space()).kind is Kind.VARIABLE:
            start = self._index
            self._next_non_space()
            following = self._peek_non_space()
            is_comma = following.kind is Kind.CHAR and following.text == ","
            if following.kind not in (Kind.ASSIGN, Kind.DECLARE) and not is_comma:
                self._index = start
                return
            self._next_non_space()
            pipe.targets.append(nodes.Variable(token.position, token.text, (), -1))
            self._scope.introduce(token.text)
            if not is_comma:
                pipe.is_assignment = following.kind is Kind.ASSIGN
                return
            if context != "range" or len(pipe.targets) > 1:
                self._fail(f"too many declarations in {context}")
            if self._peek_non_space().kind not in (Kind.VARIABLE, Kind.RIGHT_DELIM, Kind.RIGHT_PAREN):
                self._fail("range can only initialize variables")

    def _check_pipeline(self, pipe: nodes.Pipe, context: str) -> None:
        if not pipe.commands:
            self._fail(f"missing value for {context}")
        for stage, command in enumerate(pipe.commands[1:], start=2):
            if isinstance(command.args[0], nodes.Literal | nodes.Dot | nodes.Nil):
                self._fail(f"non executable command in pipeline stage {stage}")

    def _command(self) -> nodes.Command:
        command = nodes.Command(self._peek_non_space().position)
        while True:
            self._peek_non_space()
            operand = self._operand()
            if operand is not None:
                command.args.append(operand)
            token = self._next()
            if token.kind is Kind.SPACE:
                continue
            if token.kind in (Kind.RIGHT_DELIM, Kind.RIGHT_PAREN):
                self._back()
            elif token.kind is not Kind.PIPE:
                self._unexpected(token, "operand")
            break
        if not command.args:
            self._fail("empty command")
        return command

    def _operand(self) -> nodes.Operand | None:
        node = self._term()
        if node is None or self._peek().kind is not Kind.FIELD:
            return node
        position = self._peek().position
        names: list[str] = []
        while self._peek().kind is Kind.FIELD:
            names.append(self._next().text[1:])
        if isinstance(node, nodes.Field):
            return nodes.Field(position, (*node.names, *names))
        if isinstance(node, nodes.Variable):
            return nodes.Variable(position, node.name, (*node.names, *names), node.slot)
        if isinstance(node, nodes.Literal | nodes.Nil | nodes.Dot):
            self._fail(f"unexpected . after term {quote(str(node))}")
        return nodes.Chain(position, node, tuple(names))

    def _term(self) -> nodes.Operand | None:
        token = self._next_non_space()
        match token.kind:
            case Kind.IDENTIFIER:
                if token.text not in self._functions:
                    self._fail(f"function {quote(token.text)} not defined")
                return nodes.Identifier(token.position, token.text)
            case Kind.DOT:
                return nodes.Dot(token.position)
            case Kind.KEYWORD if token.text == "nil":
                return nodes.Nil(token.position)
            case Kind.VARIABLE:
                if not self._scope.knows(token.text):
                    self._fail(f"undefined variable {quote(token.text)}")
                return nodes.Variable(token.position, token.text, (), self._scope.find(token.text))
            case Kind.FIELD:
                return nodes.Field(token.position, (token.text[1:],))
            case Kind.BOOL:
                return nodes.Literal(token.position, token.text, token.text == "true")
            case Kind.NUMBER | Kind.CHAR_CONSTANT:
                return nodes.Literal(token.position, token.text, self._number(token))
            case Kind.STRING | Kind.RAW_STRING:
                return nodes.Literal(token.position, token.text, self._unquoted(token))
            case Kind.LEFT_PAREN:
                self._enter("expression")
                pipe = self._pipeline("parenthesized pipeline", Kind.RIGHT_PAREN)
                self._depth -= 1
                return pipe
        self._back()
        return None

    def _number(self, token: Token) -> int | float | None:
        try:
            if token.kind is Kind.CHAR_CONSTANT:
                return unquote_char(token.text)
            return parse_number(token.text)
        except ValueError as error:
            self._fail(str(error))

    def _unquoted(self, token: Token) -> str:
        try:
            return unquote(token.text)
        except ValueError as error:
            self._fail(str(error))


def is_empty(block: nodes.Block) -> bool:
    """Whether a tree holds nothing but space."""
    return all(isinstance(node, nodes.Text) and not node.text.strip() for node in block.nodes)
