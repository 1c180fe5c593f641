// Products in which the lanes of a register are rows of weights, and what threads share out of them.

#pragma once

#include "ggml-cpu-impl.h"

#include <algorithm>
#include <cstdint>
#include <vector>

constexpr int ROWS = 16;

// Room that a thread keeps from one product to the next.
template <typename Entry> static Entry * room(int64_t count) {
    static thread_local std::vector<Entry> entries;
    if ((int64_t)entries.size() < count) {
        entries.clear();
        entries.resize(count);
    }
    return entries.data();
}

// What a thread does at a time, of rows: the next one that is free takes the next of them.
template <typename Do>
static void share_out(const ggml_compute_params * params, int64_t rows, int64_t share, const Do & work) {
    if (params->ith == 0) {
        ggml_threadpool_chunk_set(params->threadpool, params->nth);
    }
    ggml_barrier(params->threadpool);
    for (int64_t chunk = params->ith; chunk * share < rows; chunk = ggml_threadpool_chunk_add(params->threadpool, 1)) {
        work(chunk * share, std::min((chunk + 1) * share, rows));
    }
    ggml_barrier(params->threadpool);
}
