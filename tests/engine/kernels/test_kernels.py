"""What Puna computes in the engine in llama.cpp's place, beside the same that is computed in the plainest way."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from puna.engine.build import source
from puna.engine.build.compile import configure
from puna.engine.build.toolchain import assemble
from puna.engine.build.work import Work

PROGRAMS = [Path(__file__).with_name(f"{name}.cpp") for name in ("attention", "products")]


@pytest.mark.kernels
@pytest.mark.parametrize("flags", ["", "-mno-avx512f"], ids=["as built here", "AVX2"])
def test_what_is_computed_is_what_is_defined(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, flags: str) -> None:
    work = Work(tmp_path, tmp_path / "log")
    (tmp_path / "download").mkdir()
    tools = assemble(work, cuda=False, fetch_compiler=False)
    llama = source.fetch(work)
    monkeypatch.setenv("CXXFLAGS", flags)
    monkeypatch.setenv("CFLAGS", flags)
    tree = configure(work, llama, tools, source.COMMIT)
    work.run("compiling", [tools.ninja, "-C", str(tree), "ggml", "-j", str(os.cpu_count())])
    libraries = [str(tree / "ggml" / "src" / f"libggml{part}.a") for part in ("", "-cpu", "-base")]
    compiler = shutil.which("c++")
    assert compiler
    for program in PROGRAMS:
        check = tmp_path / program.stem
        command = [compiler, "-O2", f"-I{llama}/ggml/include", str(program), "-o", str(check), *libraries, "-fopenmp"]
        subprocess.run(command, check=True)
        checked = subprocess.run([str(check)], stdout=subprocess.PIPE, text=True, check=False)
        assert checked.returncode == 0, checked.stdout
        assert checked.stdout.endswith(" 0 differ\n")
