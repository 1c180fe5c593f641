"""What a template's parse tree tells: its variables, its cut at the answer, its tool and thinking tags.

The heuristics are those of Ollama's ``template/template.go``, ``tools/template.go`` and
``thinking/template.go``, made to look through variables (``$message.Thinking``) and past empty lines as well.
"""

from collections.abc import Iterator, Mapping
from dataclasses import replace

from puna.gotemplate import nodes

_Operand = nodes.Operand | None


def operand_names(operand: _Operand) -> Iterator[str]:
    """The field names that an operand mentions, from the outside in."""
    if isinstance(operand, nodes.Field | nodes.Variable):
        yield from operand.names
    elif isinstance(operand, nodes.Chain):
        yield from operand_names(operand.base)
        yield from operand.names
    elif isinstance(operand, nodes.Pipe):
        for command in operand.commands:
            for argument in command.args:
                yield from operand_names(argument)


def block_names(block: nodes.Block | None) -> Iterator[str]:
    """The field names that a list of nodes mentions anywhere."""
    for node in block.nodes if block else ():
        if isinstance(node, nodes.Action | nodes.Invoke):
            yield from operand_names(node.pipe)
        elif isinstance(node, nodes.Branch):
            yield from operand_names(node.pipe)
            yield from block_names(node.body)
            yield from block_names(node.otherwise)


def variables(trees: Mapping[str, nodes.Tree]) -> frozenset[str]:
    """All field names in lower case, as Ollama's ``Vars`` reports them."""
    return frozenset(name.lower() for tree in trees.values() for name in block_names(tree.root))


# The cut


def cut_at_response(root: nodes.Block) -> nodes.Block:
    """A copy that ends with the first mention of ``.Response``: the part before the model's answer."""
    return _Cutter().block(root)


class _Cutter:
    def __init__(self) -> None:
        self._done = False

    def block(self, block: nodes.Block) -> nodes.Block:
        kept = [node for node in map(self._node, block.nodes) if node is not None]
        return nodes.Block(block.position, kept)

    def _node(self, node: nodes.Node) -> nodes.Node | None:
        if self._done:
            return None
        if isinstance(node, nodes.Action):
            pipe = self._pipe(node.pipe)
            return None if pipe is None else nodes.Action(node.position, pipe)
        if isinstance(node, nodes.Branch):
            body = self.block(node.body)
            otherwise = None if node.otherwise is None else self.block(node.otherwise)
            return replace(node, body=body, otherwise=otherwise)
        return node

    def _pipe(self, pipe: nodes.Pipe) -> nodes.Pipe | None:
        """Drops the arguments after ``.Response``; None where a command is left with none."""
        commands = []
        for command in pipe.commands:
            args = [arg for arg in map(self._operand, command.args) if arg is not None]
            if not args:
                return None
            commands.append(nodes.Command(command.position, args))
        return replace(pipe, commands=commands)

    def _operand(self, operand: nodes.Operand) -> nodes.Operand | None:
        if self._done:
            return None
        if isinstance(operand, nodes.Pipe):
            return self._pipe(operand)
        if isinstance(operand, nodes.Field) and "Response" in operand.names:
            self._done = True
        return operand


# Tool calls


def tool_call_text(root: nodes.Block) -> str | None:
    """The first text that the template writes for a message with tool calls."""
    branch = _tool_call_branch(root)
    return None if branch is None else _first_text(branch.body)


def _tool_call_branch(block: nodes.Block) -> nodes.Branch | None:
    for node in block.nodes:
        if not isinstance(node, nodes.Branch):
            continue
        if "ToolCalls" in operand_names(node.pipe):
            return node
        for inner in (node.body, node.otherwise):
            found = _tool_call_branch(inner) if inner is not None else None
            if found is not None:
                return found
    return None


def _first_text(block: nodes.Block) -> str | None:
    for node in block.nodes:
        if isinstance(node, nodes.Text):
            if node.text.strip():
                return node.text
        elif isinstance(node, nodes.Branch):
            found = _first_text(node.body)
            if found is None and node.otherwise is not None:
                found = _first_text(node.otherwise)
            if found is not None:
                return found
        elif isinstance(node, nodes.Action) and not node.pipe.targets:
            return None
    return None


# Thinking


def thinking_texts(root: nodes.Block) -> tuple[str, str] | None:
    """The texts around ``.Thinking`` inside the loop over the messages: the opening and the closing tag."""
    found = list(_thinking_candidates(root, in_messages=False))
    return found[-1] if found else None


def _thinking_candidates(block: nodes.Block, *, in_messages: bool) -> Iterator[tuple[str, str]]:
    for node in block.nodes:
        if isinstance(node, nodes.Action) and in_messages and "Thinking" in operand_names(node.pipe):
            first, last = block.nodes[0], block.nodes[-1]
            if isinstance(first, nodes.Text) and isinstance(last, nodes.Text):
                tags = first.text.strip(), last.text.strip()
                if all(tags):
                    yield tags
        elif isinstance(node, nodes.Branch):
            inside = in_messages
            if isinstance(node, nodes.Range):
                inside = "Messages" in operand_names(node.pipe)
            for inner in (node.body, node.otherwise):
                if inner is not None:
                    yield from _thinking_candidates(inner, in_messages=inside)
