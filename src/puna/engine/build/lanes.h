// Products in which the lanes of a register are rows of weights, and what threads share out of them.

#pragma once

#include "blocks.h"

#include "ggml-cpu-impl.h"

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <vector>

constexpr int ROWS = 16, COLUMNS = 8; // of which products are made together
constexpr int64_t SHARES = 4; // of rows for each thread: few, since the first rows of each are waited for
constexpr int64_t LINE = 64; // bytes that come from memory together

struct alignas(64) Sums {
    float rows[ROWS];
};

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
template <typename Do> static void share_out(const ggml_compute_params * params, int64_t rows, const Do & work) {
    const int64_t share = (rows / (SHARES * params->nth) / ROWS + 1) * ROWS;
    if (params->ith == 0) {
        ggml_threadpool_chunk_set(params->threadpool, params->nth);
    }
    ggml_barrier(params->threadpool);
    for (int64_t chunk = params->ith; chunk * share < rows; chunk = ggml_threadpool_chunk_add(params->threadpool, 1)) {
        work(chunk * share, std::min((chunk + 1) * share, rows));
    }
    ggml_barrier(params->threadpool);
}

// One matrix of several, as of a mixture of experts, and the columns that go through it. Each thread has a part of its
// rows and waits for no other.
struct Expert {
    const ggml_compute_params * params;
    ggml_tensor * out;
    int64_t number, columns;
    const int32_t * places; // of each column: which of a token's experts it is for, and the token

    const ggml_tensor & weights() const {
        return *out->src[0];
    }

    const char * data() const {
        return (const char *)weights().data + number * weights().nb[2];
    }

    // The first row of a thread's part.
    int64_t part(int thread) const {
        const int64_t rows = weights().ne[1], pieces = (rows + ROWS - 1) / ROWS;
        return std::min(pieces * thread / params->nth * ROWS, rows);
    }

    int64_t begin() const {
        return part(params->ith);
    }

    int64_t end() const {
        return part(params->ith + 1);
    }

    // The columns, of so many blocks each, brought together: they lie in the order of the tokens.
    template <typename Block> const Block * gathered(int64_t blocks) const {
        const int64_t apart = out->src[1]->ne[1];
        Block * found = room<Block>(columns * blocks);
        for (int64_t at = 0; at < columns; ++at) {
            const int64_t number = places[2 * at] % apart + places[2 * at + 1] * apart;
            memcpy(found + at * blocks, (const Block *)params->wdata + number * blocks, blocks * sizeof(Block));
        }
        return found;
    }

    // Where the products of a column begin.
    float * products(int64_t at) const {
        return (float *)((char *)out->data + places[2 * at] * out->nb[1] + places[2 * at + 1] * out->nb[2]);
    }
};

// Does an expert with weights in blocks of 32; false where the weights are others. Of matrices.cpp.
bool multiply_expert_of_small_blocks(const Expert & expert);

#ifdef PUNA_VNNI

// Sixteen bytes of each of sixteen rows become four words of all of them.
inline void turn(const uint8_t * const * rows, int64_t place, __m512i * out) {
    __m512i four[4];
    for (int number = 0; number < 4; ++number) {
        const auto quarter = [&](int row) { return _mm_loadu_si128((const __m128i *)(rows[number + row] + place)); };
        const __m256i low = both(quarter(0), quarter(4)), high = both(quarter(8), quarter(12));
        four[number] = _mm512_inserti64x4(_mm512_castsi256_si512(low), high, 1);
    }
    const __m512i first = _mm512_unpacklo_epi32(four[0], four[1]), second = _mm512_unpacklo_epi32(four[2], four[3]);
    const __m512i third = _mm512_unpackhi_epi32(four[0], four[1]), fourth = _mm512_unpackhi_epi32(four[2], four[3]);
    out[0] = _mm512_unpacklo_epi64(first, second);
    out[1] = _mm512_unpackhi_epi64(first, second);
    out[2] = _mm512_unpacklo_epi64(third, fourth);
    out[3] = _mm512_unpackhi_epi64(third, fourth);
}

inline __m512i masked(__m512i value, int mask) {
    return _mm512_and_si512(value, _mm512_set1_epi8((char)mask));
}

// In each word, the bytes of those numbers; none where it is -1.
inline __m512i bytes_of(__m512i words, int first, int second, int third, int fourth) {
    const uint32_t order = (first & 0xff) | (second & 0xff) << 8 | (third & 0xff) << 16 | (uint32_t)(fourth & 0xff) << 24;
    const __m128i all = _mm_add_epi8(_mm_set1_epi32((int)order), _mm_setr_epi32(0, 0x04040404, 0x08080808, 0x0c0c0c0c));
    const __m128i none = _mm_cmpgt_epi8(_mm_setzero_si128(), _mm_set1_epi32((int)order));
    return _mm512_shuffle_epi8(words, _mm512_broadcast_i32x4(_mm_or_si128(all, none)));
}

inline __m512 floats(const uint16_t * halves) {
    return _mm512_cvtph_ps(_mm256_load_si256((const __m256i *)halves));
}

inline __m512i word_of(const void * data) {
    int32_t word;
    memcpy(&word, data, sizeof(word));
    return _mm512_set1_epi32(word);
}

// Has what lies there brought nearer, up to `end`. Sixteen rows are read side by side, which no processor foresees.
inline void bring(const char * data, int64_t bytes, const char * end) {
    for (int64_t line = 0; line < bytes && data + line < end; line += LINE) {
        _mm_prefetch(data + line, _MM_HINT_T1);
    }
}

#endif
