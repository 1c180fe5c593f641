"""Attention on the processor, beside one that is computed in the plainest way."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from puna.engine.build import source
from puna.engine.build.compile import configure
from puna.engine.build.toolchain import assemble
from puna.engine.build.work import Work

CHECK = Path(__file__).with_name("check.cpp")


@pytest.mark.kernels
@pytest.mark.parametrize("flags", ["", "-mno-avx512f"], ids=["as built here", "AVX2"])
def test_attention_is_that_of_the_definition(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, flags: str) -> None:
    work = Work(tmp_path, tmp_path / "log")
    (tmp_path / "download").mkdir()
    tools = assemble(work, cuda=False, fetch_compiler=False)
    llama = source.fetch(work)
    monkeypatch.setenv("CXXFLAGS", flags)
    monkeypatch.setenv("CFLAGS", flags)
    tree = configure(work, llama, tools, source.COMMIT)
    work.run("compiling", [tools.ninja, "-C", str(tree), "ggml", "-j", str(os.cpu_count())])
    program = tmp_path / "check"
    libraries = [str(tree / "ggml" / "src" / f"libggml{part}.a") for part in ("", "-cpu", "-base")]
    compiler = shutil.which("c++")
    assert compiler
    command = [compiler, "-O2", f"-I{llama}/ggml/include", str(CHECK), "-o", str(program), *libraries, "-fopenmp"]
    subprocess.run(command, check=True)
    checked = subprocess.run([str(program)], stdout=subprocess.PIPE, text=True, check=False)
    assert checked.returncode == 0, checked.stdout
    assert checked.stdout.endswith(" 0 differ\n")
