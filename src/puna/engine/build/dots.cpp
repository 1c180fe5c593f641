// Products of a row of weights with a column, on processors with AVX-512 VNNI: a token of an answer is hardly anything
// else. llama.cpp has those of K-quants and IQ4_XS in 32 bytes at a time; these take 64, sum four products by one
// instruction, and multiply two such sums of K-quants at once by the scales of their blocks, since both fit 16 bits.

#include "blocks.h"

#include "ggml-cpu.h"

#ifdef PUNA_VNNI

namespace {

// The two halves that lie there.
__m128 halves(const void * data) {
    return _mm_cvtph_ps(_mm_loadu_si32(data));
}

__m512i bytes(int value) {
    return _mm512_set1_epi8((char)value);
}

// 32 bytes twice, of which the second half is moved by other bits than the first.
__m512i twice(const uint8_t * data) {
    return _mm512_broadcast_i64x4(_mm256_loadu_si256((const __m256i *)data));
}

__m512i bits(int first, int second) {
    return _mm512_set_epi64(second, second, second, second, first, first, first, first);
}

// Four products of each lane, of weights without a sign and of the column.
__m512i products(__m512i weights, const int8_t * column) {
    return _mm512_dpbusd_epi32(_mm512_setzero_si512(), weights, _mm512_loadu_si512(column));
}

__m512i scaled(__m512i sums, __m512i first, __m512i second, __m512i scales) {
    return _mm512_dpwssd_epi32(sums, _mm512_packs_epi32(first, second), scales);
}

// Where the scales of sums go that were packed by twos: number `block` and the third after it in each quarter of the
// first half, and their neighbours in the second.
__m512i places(int block) {
    const auto half = [](int number) { return (long long)(0x8000800080008000 | 0x0001000100010001ull * number); };
    return _mm512_set_epi64(half(block + 3), half(block + 1), half(block + 3), half(block + 1), half(block + 2),
                            half(block), half(block + 2), half(block));
}

__m512i fifth(const block_q4_K &, int) {
    return _mm512_setzero_si512();
}

__m512i fifth(const block_q5_K & block, int group) {
    const __m512i high = twice(block.qh);
    const __m512i moved = group < 2 ? _mm512_sllv_epi64(high, bits(4 - 2 * group, 3 - 2 * group))
                                    : _mm512_srlv_epi64(high, bits(2 * group - 4, 2 * group - 3));
    return _mm512_and_si512(moved, bytes(0x10));
}

template <typename Block> float dot(int count, const Block * row, const block_q8_K * column) {
    __m512 sum = _mm512_setzero_ps();
    __m256 below = _mm256_setzero_ps();
    const __m512i low = bits(0, 4), first_places = places(0), second_places = places(4);
    for (int number = 0; number < count; ++number) {
        const Block & block = row[number];
        const block_q8_K & other = column[number];
        const __m128i scales = scales_and_least(block.scales);
        __m512i part[4];
        for (int group = 0; group < 4; ++group) {
            const __m512i weights = _mm512_and_si512(_mm512_srlv_epi64(twice(block.qs + 32 * group), low), bytes(0x0f));
            part[group] = products(_mm512_or_si512(weights, fifth(block, group)), other.qs + 64 * group);
        }
        const __m512i all = _mm512_broadcastq_epi64(scales);
        __m512i whole = scaled(_mm512_setzero_si512(), part[0], part[1], _mm512_shuffle_epi8(all, first_places));
        whole = scaled(whole, part[2], part[3], _mm512_shuffle_epi8(all, second_places));
        const __m256i mins = _mm256_cvtepu8_epi16(_mm_unpackhi_epi8(scales, scales));
        const __m256i least = _mm256_madd_epi16(mins, _mm256_loadu_si256((const __m256i *)other.bsums));
        const __m128 both = _mm_mul_ps(halves(&block), _mm_set1_ps(other.d));
        sum = _mm512_fmadd_ps(_mm512_broadcastss_ps(both), _mm512_cvtepi32_ps(whole), sum);
        below = _mm256_fmadd_ps(_mm256_broadcastss_ps(_mm_movehdup_ps(both)), _mm256_cvtepi32_ps(least), below);
    }
    return _mm512_reduce_add_ps(_mm512_sub_ps(sum, _mm512_zextps256_ps512(below)));
}

float dot(int count, const block_q6_K * row, const block_q8_K * column) {
    __m512 sum = _mm512_setzero_ps();
    const __m512i order = _mm512_set_epi64(0x0007000700070007, 0x0003000300030003, 0x0006000600060006,
                                           0x0002000200020002, 0x0005000500050005, 0x0001000100010001,
                                           0x0004000400040004, 0x0000000000000000);
    const __m512i rest = _mm512_add_epi16(order, _mm512_set1_epi16(8));
    for (int number = 0; number < count; ++number) {
        const block_q6_K & block = row[number];
        const block_q8_K & other = column[number];
        const __m256i scales = _mm256_cvtepi8_epi16(_mm_loadu_si128((const __m128i *)block.scales));
        __m512i part[4];
        for (int half = 0; half < 2; ++half) {
            const __m512i low = _mm512_loadu_si512(block.ql + 64 * half), high = twice(block.qh + 32 * half);
            const __m512i begin = _mm512_and_si512(_mm512_sllv_epi64(high, bits(4, 2)), bytes(0x30));
            const __m512i end = _mm512_and_si512(_mm512_srlv_epi64(high, bits(0, 2)), bytes(0x30));
            const __m512i upper = _mm512_srli_epi16(low, 4);
            const int8_t * values = other.qs + 128 * half;
            part[2 * half] = products(_mm512_or_si512(_mm512_and_si512(low, bytes(0x0f)), begin), values);
            part[2 * half + 1] = products(_mm512_or_si512(_mm512_and_si512(upper, bytes(0x0f)), end), values + 64);
        }
        // Weights are 32 less than what was multiplied.
        const __m256i less = _mm256_madd_epi16(scales, _mm256_loadu_si256((const __m256i *)other.bsums));
        __m512i whole = _mm512_zextsi256_si512(_mm256_sub_epi32(_mm256_setzero_si256(), _mm256_slli_epi32(less, 5)));
        const __m512i all = _mm512_castsi256_si512(scales);
        whole = scaled(whole, part[0], part[1], _mm512_permutexvar_epi16(order, all));
        whole = scaled(whole, part[2], part[3], _mm512_permutexvar_epi16(rest, all));
        sum = _mm512_fmadd_ps(_mm512_set1_ps(_cvtsh_ss(block.d) * other.d), _mm512_cvtepi32_ps(whole), sum);
    }
    return _mm512_reduce_add_ps(sum);
}

// Four products of IQ4_XS do not fit 16 bits.
float dot(int count, const block_iq4_xs * row, const block_q8_K * column) {
    __m512 sum = _mm512_setzero_ps();
    const __m512i table = _mm512_broadcast_i32x4(iq4_nl_values()), order = _mm512_set_epi64(3, 2, 3, 2, 1, 0, 1, 0);
    const __m512i moved = _mm512_set_epi64(4, 4, 0, 0, 4, 4, 0, 0);
    const __m512i first = _mm512_inserti64x4(_mm512_setzero_si512(), _mm256_set1_epi32(1), 1);
    for (int number = 0; number < count; ++number) {
        const block_iq4_xs & block = row[number];
        const block_q8_K & other = column[number];
        const __m128i scales = scales_of(block);
        const __m512i all = _mm512_zextsi256_si512(_mm256_cvtepi8_epi32(scales));
        const __m256i pairs = _mm256_cvtepi8_epi16(_mm_unpacklo_epi8(scales, scales));
        // Weights are 128 less than what was multiplied.
        const __m256i less = _mm256_madd_epi16(pairs, _mm256_loadu_si256((const __m256i *)other.bsums));
        __m512i whole = _mm512_zextsi256_si512(_mm256_sub_epi32(_mm256_setzero_si256(), _mm256_slli_epi32(less, 7)));
        for (int group = 0; group < 4; ++group) {
            const __m256i packed = _mm256_loadu_si256((const __m256i *)(block.qs + 32 * group));
            const __m512i halves = _mm512_permutexvar_epi64(order, _mm512_castsi256_si512(packed));
            const __m512i numbers = _mm512_and_si512(_mm512_srlv_epi64(halves, moved), bytes(0x0f));
            const __m512i part = products(_mm512_shuffle_epi8(table, numbers), other.qs + 64 * group);
            const __m512i scale = _mm512_permutexvar_epi32(_mm512_add_epi32(first, _mm512_set1_epi32(2 * group)), all);
            whole = _mm512_add_epi32(whole, _mm512_mullo_epi32(part, scale));
        }
        sum = _mm512_fmadd_ps(_mm512_set1_ps(_cvtsh_ss(block.d) * other.d), _mm512_cvtepi32_ps(whole), sum);
    }
    return _mm512_reduce_add_ps(sum);
}

} // namespace

#define PUNA_DOT(name, Row, Column, length)                                                                            \
    void ggml_vec_dot_##name(int n, float * s, size_t, const void * x, size_t, const void * y, size_t, int) {          \
        *s = dot(n / length, (const Row *)x, (const Column *)y);                                                       \
    }

#else

#define PUNA_DOT(name, Row, Column, length)                                                                            \
    void puna_llama_vec_dot_##name(int, float *, size_t, const void *, size_t, const void *, size_t, int);             \
    void ggml_vec_dot_##name(int n, float * s, size_t bs, const void * x, size_t bx, const void * y, size_t by,        \
                             int nrc) {                                                                                \
        puna_llama_vec_dot_##name(n, s, bs, x, bx, y, by, nrc);                                                        \
    }

#endif

extern "C" {

PUNA_DOT(q4_K_q8_K, block_q4_K, block_q8_K, QK_K)
PUNA_DOT(q5_K_q8_K, block_q5_K, block_q8_K, QK_K)
PUNA_DOT(q6_K_q8_K, block_q6_K, block_q8_K, QK_K)
PUNA_DOT(iq4_xs_q8_K, block_iq4_xs, block_q8_K, QK_K)
}
