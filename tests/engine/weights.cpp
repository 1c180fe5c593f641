// Puts weights.cpp to the test alone: takes memory, writes half of it, and tells how much of it is in large pages.

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <unistd.h>

struct ggml_backend_buffer;
struct ggml_backend_buffer_type;
typedef ggml_backend_buffer * ggml_backend_buffer_t;
typedef ggml_backend_buffer_type * ggml_backend_buffer_type_t;

extern "C" {
void * ggml_aligned_malloc(size_t size) {
    void * start = nullptr;
    return posix_memalign(&start, 64, size) == 0 ? start : nullptr;
}
void * ggml_backend_buffer_get_base(ggml_backend_buffer_t buffer) {
    return buffer;
}
ggml_backend_buffer_t ggml_backend_buft_alloc_buffer(ggml_backend_buffer_type_t, size_t size) {
    return (ggml_backend_buffer_t)ggml_aligned_malloc(size);
}
void * puna_weights_malloc(size_t size);
ggml_backend_buffer_t puna_weights_buffer(ggml_backend_buffer_type_t type, size_t size);
}

static long large_kib() {
    long found = 0, kib;
    char line[256];
    FILE * file = fopen("/proc/self/smaps_rollup", "r");
    while (file && fgets(line, sizeof(line), file)) {
        found = sscanf(line, "AnonHugePages: %ld", &kib) == 1 ? kib : found;
    }
    if (file) {
        fclose(file);
    }
    return found;
}

int main(int, char ** arguments) {
    const size_t size = (size_t)atol(arguments[2]) << 20;
    const long wanted = (long)(size >> 11) - 4096;
    char * start = (char *)(*arguments[1] == 'm' ? puna_weights_malloc(size) : (void *)puna_weights_buffer(nullptr, size));
    memset(start, 7, size / 2);
    for (int tenths = atoi(arguments[3]) * 10; tenths && large_kib() < wanted; tenths--) {
        usleep(100000);
    }
    for (size_t at = 0; at < size / 2; at++) {
        if (start[at] != 7) {
            return 1;
        }
    }
    printf("%ld\n", large_kib() / 1024);
}
