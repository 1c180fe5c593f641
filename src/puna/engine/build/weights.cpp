// Weights that are laid out anew for the processor are moved into large pages: all of them are read for every token,
// and to look pages of 4 KiB up takes a fifth of that time with a model of a billion. That is done when they are there,
// a little at a time: to be given large pages at once can take longer than all else that a load does.
// Caches stay in small pages, of which they take as many as have been written to.

#include "ggml-backend.h"
#include "ggml-impl.h"

#ifdef __linux__

#include <cerrno>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <ctime>
#include <exception>
#include <sys/mman.h>
#include <thread>

#ifndef MADV_COLLAPSE
#define MADV_COLLAPSE 25 // since Linux 6.1; before, it is refused
#endif

namespace {

using namespace std::chrono_literals;

constexpr uintptr_t PAGE = 2 << 20;
constexpr size_t LEAST = 64 << 20; // of less, a processor knows where its pages lie
constexpr auto PAUSE = 1s; // until it is looked again whether weights have been written
constexpr int MOST_PAUSES = 3600;
constexpr int REST = 1, BUSY_REST = 20; // times as long as it took to move a page, idle and while the process computes

bool are_wanted() {
    char words[64] = "";
    if (FILE * file = fopen("/sys/kernel/mm/transparent_hugepage/enabled", "r")) {
        words[fread(words, 1, sizeof(words) - 1, file)] = '\0';
        fclose(file);
    }
    return words[0] && !strstr(words, "[never]");
}

bool is_written(uintptr_t page) {
    unsigned char resident = 0;
    return mincore((void *)(page + PAGE / 2), 1, &resident) == 0 && (resident & 1);
}

// Sleep, and return whether the process has computed for half of that time and more.
bool computes(std::chrono::nanoseconds rest) {
    const clock_t before = clock(); // in microseconds, as POSIX has it
    std::this_thread::sleep_for(rest);
    return std::chrono::microseconds(clock() - before) > rest / 2;
}

void move(uintptr_t first, uintptr_t last) {
    int pauses = 0, rest = BUSY_REST;
    for (uintptr_t page = first; page < last; page += PAGE) {
        while (!is_written(page)) {
            if (++pauses > MOST_PAUSES) {
                return;
            }
            std::this_thread::sleep_for(PAUSE);
        }
        if (page == first) {
            std::this_thread::sleep_for(PAUSE); // for what is asked first
        }
        const auto began = std::chrono::steady_clock::now();
        if (madvise((void *)page, PAGE, MADV_COLLAPSE) != 0 && errno != EAGAIN && errno != EBUSY) {
            return; // there are none, or the weights are gone
        }
        rest = computes(rest * (std::chrono::steady_clock::now() - began)) ? BUSY_REST : REST;
    }
}

void use_large_pages(void * start, size_t size) {
    const uintptr_t first = ((uintptr_t)start + PAGE - 1) & ~(PAGE - 1), last = ((uintptr_t)start + size) & ~(PAGE - 1);
    if (size < LEAST || !are_wanted()) {
        return;
    }
    try {
        std::thread(move, first, last).detach();
    } catch (const std::exception &) {
        // without a thread all is as before
    }
}

} // namespace

#else

static void use_large_pages(void *, size_t) {
}

#endif

extern "C" {

// What repack.cpp takes for ggml_backend_buft_alloc_buffer.
ggml_backend_buffer_t puna_weights_buffer(ggml_backend_buffer_type_t type, size_t size) {
    ggml_backend_buffer_t buffer = ggml_backend_buft_alloc_buffer(type, size);
    if (buffer) {
        use_large_pages(ggml_backend_buffer_get_base(buffer), size);
    }
    return buffer;
}

// What amx.cpp takes for ggml_aligned_malloc.
void * puna_weights_malloc(size_t size) {
    void * start = ggml_aligned_malloc(size);
    if (start) {
        use_large_pages(start, size);
    }
    return start;
}
}
