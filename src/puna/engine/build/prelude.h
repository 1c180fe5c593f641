/* Included before every C++ file of llama.cpp: what its compiler gets wrong, and what its cache need not do. */

#if defined(__AMX_TILE__) && defined(__GNUC__) && !defined(__clang__)
/* GCC before 11.5, 12.4, 13.3 and 14 believes that the instruction which loads AMX's tile configuration reads eight of
 * its 64 bytes, and leaves out the stores to the rest; the program then crashes (GCC's bug 114098). */
#include <immintrin.h>
#undef _tile_loadconfig
#define _tile_loadconfig(config) __asm__ volatile("ldtilecfg %0" : : "m"(*(const char(*)[64])(config)))
#endif

#if defined(__linux__) && defined(__cplusplus)
/* A cache is cleared when it is made, byte by byte, which takes a second for a few GiB and makes all of it resident,
 * though it has just come from the system, which gives zeros. Giving the pages back has the same effect: a private
 * anonymous page reads as zeros afterwards, and takes memory once it is written to. */
#include <cstdint>
#include <cstring>
#include <sys/mman.h>
#include <unistd.h>

static const size_t puna_many_bytes = (size_t)64 << 20;

inline void * puna_clear(void * start, size_t size) {
    const uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);
    const uintptr_t begin = (uintptr_t)start, end = begin + size;
    const uintptr_t first = (begin + page - 1) & ~(page - 1), last = end & ~(page - 1);
    if (madvise((void *)first, last - first, MADV_DONTNEED) != 0) { /* locked or pinned */
        return __builtin_memset(start, 0, size);
    }
    __builtin_memset(start, 0, first - begin);
    __builtin_memset((void *)last, 0, end - last);
    return start;
}

__attribute__((always_inline)) inline void * puna_memset(void * start, int value, size_t size) {
    return value == 0 && size >= puna_many_bytes ? puna_clear(start, size) : __builtin_memset(start, value, size);
}

namespace std {
using ::puna_memset;
}
#define memset puna_memset
#endif
