// Blocks of weights, taken apart for processors with AVX-512 VNNI.

#pragma once

#include "ggml-common.h"
#include "ggml-impl.h"
#include "quants.h"

#if defined(__AVX512F__) && defined(__AVX512BW__) && defined(__AVX512VL__) && defined(__AVX512VNNI__) && \
    defined(__BMI2__)

#define PUNA_VNNI

#include <cstdint>
#include <cstring>
#include <immintrin.h>

inline __m256i both(__m128i low, __m128i high) {
    return _mm256_inserti128_si256(_mm256_castsi128_si256(low), high, 1);
}

// Sixteen bytes with two weights each: the low halves, and then the high ones.
inline __m256i nibbles(const uint8_t * packed) {
    const __m128i bytes = _mm_loadu_si128((const __m128i *)packed);
    return _mm256_and_si256(both(bytes, _mm_srli_epi16(bytes, 4)), _mm256_set1_epi8(0x0f));
}

// The weights of a block without a sign, and what they are larger by.
inline __m256i weights(const block_q8_0 & block) {
    return _mm256_xor_si256(_mm256_loadu_si256((const __m256i *)block.qs), _mm256_set1_epi8((char)0x80));
}

inline __m256i weights(const block_q5_0 & block) {
    const __m256i fifth = _mm256_maskz_set1_epi8(_cvtu32_mask32(_mm_cvtsi128_si32(_mm_loadu_si32(block.qh))), 0x10);
    return _mm256_or_si256(nibbles(block.qs), fifth);
}

inline __m256i weights(const block_q4_0 & block) {
    return nibbles(block.qs);
}

// ggml-common.h, kvalues_iq4nl, and more by 128.
inline __m128i iq4_nl_values() {
    const __m128i values = _mm_setr_epi8(-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113);
    return _mm_xor_si128(values, _mm_set1_epi8((char)0x80));
}

inline __m256i weights(const block_iq4_nl & block) {
    return _mm256_shuffle_epi8(_mm256_broadcastsi128_si256(iq4_nl_values()), nibbles(block.qs));
}

// ggml-common.h, kvalues_fp4, and more by 12.
inline __m128i mxfp4_values() {
    return _mm_setr_epi8(12, 13, 14, 15, 16, 18, 20, 24, 12, 11, 10, 9, 8, 6, 4, 0);
}

inline __m256i weights(const block_mxfp4 & block) {
    return _mm256_shuffle_epi8(_mm256_broadcastsi128_si256(mxfp4_values()), nibbles(block.qs));
}

template <typename Block> float scale_of(const Block & block) {
    return _cvtsh_ss(block.d);
}

inline float scale_of(const block_mxfp4 & block) {
    return GGML_E8M0_TO_FP32_HALF(block.e);
}

template <typename Block> constexpr int OFFSET = 0;
template <> constexpr int OFFSET<block_q8_0> = 128;
template <> constexpr int OFFSET<block_q5_0> = 16;
template <> constexpr int OFFSET<block_q4_0> = 8;
template <> constexpr int OFFSET<block_iq4_nl> = 128;
template <> constexpr int OFFSET<block_mxfp4> = 12;

// The eight scales and then the eight smallest values of a block of Q4_K or Q5_K, which has six bits of each.
inline __m128i scales_and_least(const uint8_t * packed) {
    const __m128i text = _mm_loadu_si128((const __m128i *)packed); // and four bytes more, which the block has
    const __m128i low = _mm_and_si128(_mm_srlv_epi32(_mm_shuffle_epi32(text, 0x98), _mm_setr_epi32(0, 0, 0, 4)),
                                      _mm_setr_epi32(0x3f3f3f3f, 0x0f0f0f0f, 0x3f3f3f3f, 0x0f0f0f0f));
    const __m128i high = _mm_and_si128(_mm_srli_epi32(_mm_shuffle_epi32(text, 0x50), 2),
                                       _mm_setr_epi32(0, 0x30303030, 0, 0x30303030));
    return _mm_or_si128(low, high);
}

// The eight scales of a block of IQ4_XS, which has the four low bits and the two high ones of each apart.
inline __m128i scales_of(const block_iq4_xs & block) {
    uint32_t low;
    memcpy(&low, block.scales_l, sizeof(low));
    const uint64_t scales = _pdep_u64(low, 0x0f0f0f0f0f0f0f0f) | _pdep_u64(block.scales_h, 0x3030303030303030);
    return _mm_sub_epi8(_mm_cvtsi64_si128((long long)scales), _mm_set1_epi8(32));
}

#endif
