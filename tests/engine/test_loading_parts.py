"""What a native engine does otherwise than llama.cpp while it loads a model, compiled without the rest of it."""

import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest
from tests.system import require

import puna.engine.build

SOURCES = Path(puna.engine.build.__file__).parent
MAPPING = """
#include <cassert>
#include <fcntl.h>
#include <fstream>
#include <string>
#include <sys/syscall.h>
#include <unistd.h>

#undef mmap
static int asked;

extern "C" void * mmap(void * address, size_t size, int protection, int flags, int file, off_t offset) noexcept {
    if (file >= 0) {
        asked = flags;
    }
    return (void *)syscall(SYS_mmap, address, size, protection, flags, file, offset);
}

#define mmap puna_mmap

static size_t resident(const void * start) {
    std::ifstream maps("/proc/self/smaps");
    char address[32];
    snprintf(address, sizeof(address), "%lx-", (unsigned long)start);
    std::string line;
    bool here = false;
    while (std::getline(maps, line)) {
        here = here || line.rfind(address, 0) == 0;
        if (here && line.rfind("Rss:", 0) == 0) {
            return std::stoul(line.substr(4)) << 10;
        }
    }
    return 0;
}

int main(int, char ** arguments) {
    const size_t size = 40 << 20;
    const int file = open(arguments[1], O_RDONLY);
    void * lazy = mmap(nullptr, size, PROT_READ, MAP_SHARED, file, 0);
    void * gone = mmap(nullptr, size, PROT_READ, MAP_SHARED | MAP_POPULATE, file, 0);
    assert(asked == MAP_SHARED);
    munmap(gone, size);
    void * whole = mmap(nullptr, size, PROT_READ, MAP_SHARED | MAP_POPULATE, file, 0);
    for (int i = 0; i < 1000 && resident(whole) < size; i++) {
        usleep(10000);
    }
    assert(resident(whole) == size);
    assert(resident(lazy) == 0);
    assert(mmap(nullptr, 0, PROT_READ, MAP_SHARED | MAP_POPULATE, file, 0) == MAP_FAILED);
}
"""
VOCABULARY = """
#include <cassert>

int main() {
    const std::string text = "<|eot_id|>";
    assert(text == "<|eot_id|>" && !(text == "<|eom_id|>") && !(text == "<|eot_id|") && !(text == ""));
    assert(std::string() == "" && !(std::string("a\\0b", 3) == "a"));
    assert(puna_kv_to_str(nullptr, 3) == "told" && puna_kv_to_str(nullptr, 100) == "[...]");
    assert(puna_kv_to_str(nullptr, -100) == "told");
}
"""
GGUF = """
#include <string>
struct gguf_context;
enum gguf_type { GGUF_TYPE_STRING, GGUF_TYPE_ARRAY };
inline gguf_type gguf_get_kv_type(const gguf_context *, int key) {
    return key > 0 ? GGUF_TYPE_ARRAY : GGUF_TYPE_STRING;
}
inline size_t gguf_get_arr_n(const gguf_context *, int key) { return key; }
inline std::string gguf_kv_to_str(const gguf_context *, int) { return "told"; }
"""
"""A key is as long as its number says, and one below 0 has no length."""


def run(place: Path, source: str, files: Mapping[str, str], *arguments: str) -> None:
    """Compile a source of the build with these files in the place of llama.cpp's, and run it."""
    compiler = require("c++", "g++")
    for name, text in files.items():
        (place / name).write_text(text)
    command = [
        compiler,
        "-std=c++17",
        "-O1",
        f"-I{place}",
        str(SOURCES / source),
        "-o",
        str(place / "check"),
        "-pthread",
    ]
    subprocess.run(command, check=True)
    subprocess.run([place / "check", *arguments], check=True, timeout=60)


@pytest.mark.skipif(sys.platform != "linux", reason="pages are looked up beforehand on Linux only")
def test_the_pages_of_a_file_are_looked_up_meanwhile(tmp_path: Path) -> None:
    weights = tmp_path / "weights"
    weights.write_bytes(bytes(40 << 20))
    run(tmp_path, "mapping.cpp", {"llama-mmap.cpp": MAPPING}, str(weights))


def test_tokens_are_compared_as_before_and_not_written_into_the_log(tmp_path: Path) -> None:
    run(tmp_path, "vocabulary.cpp", {"llama-vocab.cpp": VOCABULARY, "gguf.h": GGUF, "llama-impl.h": ""})
