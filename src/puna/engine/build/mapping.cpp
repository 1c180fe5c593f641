// llama.cpp's mapped files, whose pages are looked up while the rest of a model is loaded, not before: that takes tens
// of milliseconds for each gigabyte, even where the file is in memory.

#ifdef __linux__

#include <algorithm>
#include <exception>
#include <mutex>
#include <sys/mman.h>
#include <thread>

#ifndef MADV_POPULATE_READ
#define MADV_POPULATE_READ 22 // since Linux 5.14; before, it is refused, and pages are looked up when they are read
#endif

namespace {

constexpr size_t PART = 16 << 20; // bytes for which the mapping is held
std::mutex one_at_a_time;         // the parts of a model are read from a disk in their order

void look_up(char * start, size_t size) {
    const std::lock_guard<std::mutex> lock(one_at_a_time);
    for (size_t at = 0; at < size; at += PART) {
        if (madvise(start + at, std::min(PART, size - at), MADV_POPULATE_READ) != 0) {
            return; // refused, or the mapping is gone
        }
    }
}

void * puna_mmap(void * address, size_t size, int protection, int flags, int file, off_t offset) {
    void * start = mmap(address, size, protection, flags & ~MAP_POPULATE, file, offset);
    if (start != MAP_FAILED && (flags & MAP_POPULATE)) {
        try {
            std::thread(look_up, (char *)start, size).detach();
        } catch (const std::exception &) {
            // without a thread they are looked up when they are read
        }
    }
    return start;
}

} // namespace

#define mmap puna_mmap

#endif

#include "llama-mmap.cpp"
