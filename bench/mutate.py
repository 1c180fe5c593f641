"""Tells what tests do not notice: changes functions one by one, and runs the tests that call them.

    pip install mutmut==3.8.1
    python bench/mutate.py src/puna/scheduler --each 10 tests/scheduler/test_policy.py tests/scheduler/test_queue.py

The changes are those of mutmut. Its own runs start a process for each; here a mutant is the code of one function, which
is exchanged in the process of the tests, so that some ten of them take a second. What runs in another process, as a
server of the tests does, is not changed. Of each module ``--each`` mutants are drawn, one of each module after another,
so that a run that is broken off (Ctrl-C, ``--seconds``) has a fair part of all. Those of log lines are left out.
"""

import argparse
import importlib
import random
import signal
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from inspect import CO_OPTIMIZED
from itertools import chain, zip_longest
from pathlib import Path
from types import CodeType, FrameType, FunctionType
from typing import Any

import libcst as cst
import libcst.matchers as match
import pytest
from mutmut.mutation import file_mutation

_SOURCE = Path(__file__).parents[1] / "src"
_LOG = match.Call(func=match.Attribute(value=match.Name("_log")))
_OPTIONS = ["-q", "-n0", "-p", "no:cacheprovider", "-p", "no:puna", "--no-header", "-W", "default"]
_MOST_SECONDS = 5.0
"""For which the tests of one mutant may run, if they are as quick as without it."""


@dataclass(frozen=True, slots=True)
class Mutant:
    """A function of a module in another form; ``change`` says what is other."""

    path: Path
    function: str
    change: str
    code: CodeType


class _Visitor(file_mutation.MutationVisitor):  # type: ignore[misc]
    """Mutates decorated functions as well, since no names are made of them, and no words of the log."""

    def _skip_node_and_children(self, node: cst.CSTNode) -> bool:
        if isinstance(node, cst.FunctionDef) and node.decorators:
            return False
        return match.matches(node, _LOG) or bool(super()._skip_node_and_children(node))


def mutants_of(path: Path, most: int, draw: random.Random) -> Iterator[Mutant]:
    """Yield some of the mutants of a module."""
    text = path.read_text(encoding="utf-8")
    file_mutation.MutationVisitor = _Visitor
    module, mutations, *_ = file_mutation.create_mutations(str(path), text)
    names = dict(_functions(module.body))
    found = [one for one in mutations if one.contained_by_top_level_function in names]
    for one in draw.sample(found, min(most, len(found))):
        name = names[one.contained_by_top_level_function]
        changed = file_mutation.deep_replace(module, one.original_node, one.mutated_node)
        before, after = (module.code_for_node(node) for node in (one.original_node, one.mutated_node))
        codes = _codes(compile(changed.code, str(path), "exec"))
        if name in codes:
            yield Mutant(path, name, f"{before}  ->  {after}", codes[name])


def _functions(body: Any, inside: str = "") -> Iterator[tuple[cst.CSTNode, str]]:
    for node in body:
        if isinstance(node, cst.FunctionDef):
            yield node, inside + node.name.value
        elif isinstance(node, cst.ClassDef) and not inside:
            yield from _functions(node.body.body, f"{node.name.value}.")


def _codes(code: CodeType) -> dict[str, CodeType]:
    """Return the code of functions and methods by their names; of a property it is that of what reads it."""
    found: dict[str, CodeType] = {}
    for inner in code.co_consts:
        if isinstance(inner, CodeType):
            found.setdefault(inner.co_qualname, inner)
            if not inner.co_flags & CO_OPTIMIZED:  # the body of a class
                found = _codes(inner) | found
    return found


def _living(path: Path) -> dict[str, FunctionType]:
    """Return the functions of a module and the methods of its classes by their names."""
    name = ".".join(path.relative_to(_SOURCE).with_suffix("").parts).removesuffix(".__init__")
    module = importlib.import_module(name)
    classes = [value for value in vars(module).values() if isinstance(value, type) and value.__module__ == name]
    found: dict[str, FunctionType] = {}
    for value in chain(vars(module).values(), *(vars(one).values() for one in classes)):
        function = getattr(value, "fget", None) or getattr(value, "__func__", value)
        function = getattr(function, "__wrapped__", function)
        if isinstance(function, FunctionType) and function.__module__ == name:
            found.setdefault(function.__code__.co_qualname, function)
    return found


class Mutation:
    """A plugin of pytest that runs the tests once, to see what each calls, and then those of each mutant."""

    def __init__(self, mutants: list[Mutant], seconds: float) -> None:
        self._mutants = mutants
        self._until = time.monotonic() + seconds
        self.results: list[tuple[Mutant, str]] = []

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        """Run everything in the place of pytest's own loop."""
        signal.signal(signal.SIGALRM, _too_long)
        callers: dict[CodeType, list[tuple[float, pytest.Item]]] = defaultdict(list)
        for item in session.items:
            called: set[CodeType] = set()
            sys.setprofile(_noting(called))
            passed, seconds = _run(session, item, 120)
            sys.setprofile(None)
            for code in called if passed else ():
                callers[code].append((seconds, item))
        for mutant in self._mutants:
            if time.monotonic() > self._until:
                break
            function = _living(mutant.path).get(mutant.function)
            if function is None or function.__code__.co_freevars != mutant.code.co_freevars:
                continue  # another name stands for it, or the change is none of a function
            tests = sorted(callers[function.__code__], key=lambda entry: entry[0])
            self.results.append((mutant, self._outcome(session, mutant, function, tests)))
        return True

    @staticmethod
    def _outcome(
        session: pytest.Session, mutant: Mutant, function: FunctionType, tests: list[tuple[float, pytest.Item]]
    ) -> str:
        own, left = function.__code__, _MOST_SECONDS
        function.__code__ = mutant.code
        try:
            for seconds, item in tests:
                left -= seconds
                if not _run(session, item, 10 * seconds + 5)[0]:
                    return "killed"
                if left < 0:
                    break
        finally:
            function.__code__ = own
        return "survived" if tests else "no tests"


class _Before:
    """Stands for a test that follows in the same file, so that what the file has set up stays."""

    def __init__(self, item: pytest.Item) -> None:
        self._item = item

    def listchain(self) -> list[Any]:
        """Return what stays set up."""
        return self._item.listchain()[:-1]


class _TooLongError(BaseException):
    """A mutant goes on for ever."""


def _too_long(_number: int, _frame: FrameType | None) -> None:
    raise _TooLongError


def _run(session: pytest.Session, item: pytest.Item, most: float) -> tuple[bool, float]:
    """Return whether a test passes, and after how many seconds."""
    began = time.monotonic()
    signal.setitimer(signal.ITIMER_REAL, most)
    try:
        session._setupstate.teardown_exact(_Before(item))  # type: ignore[arg-type]
        reports = _protocol(item)
    except _TooLongError:
        return False, time.monotonic() - began
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
    return all(report.passed for report in reports), time.monotonic() - began


def _protocol(item: pytest.Item) -> list[pytest.TestReport]:
    from _pytest.runner import runtestprotocol

    return runtestprotocol(item, log=False, nextitem=_Before(item))  # type: ignore[arg-type]


def _noting(called: set[CodeType]) -> Callable[[FrameType, str, Any], None]:
    def note(frame: FrameType, event: str, _: Any) -> None:
        if event == "call":
            called.add(frame.f_code)

    return note


def main() -> None:
    """Print the mutants that live, and how many of each module died."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("source", type=Path, help="a module, or a folder of them, under src")
    parser.add_argument("tests", nargs="+", help="files of tests that run in this process")
    parser.add_argument("--each", type=int, default=10, help="mutants of each module")
    parser.add_argument("--seed", type=int, default=1, help="of what is drawn")
    parser.add_argument("--seconds", type=float, default=3000, help="after which no further mutant is tried")
    asked = parser.parse_args()
    source, draw = asked.source.resolve(), random.Random(asked.seed)
    paths = [source] if source.is_file() else sorted(source.rglob("*.py"))
    drawn = [list(mutants_of(path, asked.each, draw)) for path in paths]
    mutation = Mutation([one for row in zip_longest(*drawn) for one in row if one], asked.seconds)
    pytest.main([*_OPTIONS, *asked.tests], plugins=[mutation])
    counts: dict[Path, Counter[str]] = defaultdict(Counter)
    for mutant, outcome in mutation.results:
        counts[mutant.path][outcome] += 1
        if outcome != "killed":
            print(f"{outcome}: {mutant.path.relative_to(_SOURCE)} {mutant.function}: {mutant.change}")
    for path, count in counts.items():
        print(f"{count['killed']:4} of {count.total():4} {path.relative_to(_SOURCE)}", dict(count))
    every = Counter(outcome for _, outcome in mutation.results)
    print(f"{every['killed']} of {every.total()}", dict(every))


if __name__ == "__main__":
    main()
