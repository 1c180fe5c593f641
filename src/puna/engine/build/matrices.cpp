// Products of weights in blocks of 32 (Q8_0, Q5_0, Q4_0, IQ4_NL) with the columns of prompts and answers, on processors
// with AVX-512 VNNI. They stand before llama.cpp's, which take 32 bytes at a time and sum each across a register.
//
// Of a prompt sixteen rows are laid out so that the lanes of a register are rows: four bytes of a column go to all of
// them by the instruction that multiplies, and nothing is ever summed across. Weights get an offset that makes them
// positive, as the instruction wants them; what that adds, the offset times the sum of a column's block, is taken off
// beforehand.

#include "blocks.h"
#include "lanes.h"

#include "llamafile/sgemm.h"

extern "C" bool puna_llama_sgemm(const ggml_compute_params *, int64_t, int64_t, int64_t, const void *, int64_t,
                                 const void *, int64_t, void *, int64_t, int, int, int);

#ifdef PUNA_VNNI

namespace {

constexpr int COLUMNS = 8, BYTES = 32;
constexpr int64_t LEAST_COLUMNS = 6; // with fewer, to lay the rows out costs more than it saves
constexpr int64_t SHARES = 4; // of rows for each thread then: few, since memory is read in long runs

// Eight rows of eight words become eight columns, each at every sixteenth word of `out`.
void transpose(const __m256i * rows, uint32_t * out) {
    __m256i pairs[8], fours[8];
    for (int number = 0; number < 8; number += 2) {
        pairs[number] = _mm256_unpacklo_epi32(rows[number], rows[number + 1]);
        pairs[number + 1] = _mm256_unpackhi_epi32(rows[number], rows[number + 1]);
    }
    for (int half = 0; half < 8; half += 4) {
        for (int part = 0; part < 2; ++part) {
            fours[half + 2 * part] = _mm256_unpacklo_epi64(pairs[half + part], pairs[half + part + 2]);
            fours[half + 2 * part + 1] = _mm256_unpackhi_epi64(pairs[half + part], pairs[half + part + 2]);
        }
    }
    for (int number = 0; number < 4; ++number) {
        const __m256i first = _mm256_permute2x128_si256(fours[number], fours[number + 4], 0x20);
        const __m256i second = _mm256_permute2x128_si256(fours[number], fours[number + 4], 0x31);
        _mm256_store_si256((__m256i *)(out + ROWS * number), first);
        _mm256_store_si256((__m256i *)(out + ROWS * (number + 4)), second);
    }
}

// Sixteen rows, block by block: eight registers of weights, and a register of scales.
struct alignas(64) Laid {
    uint32_t weights[BYTES / 4][ROWS];
    float scales[ROWS];
};

template <typename Block> void lay_out(const Block * first, int64_t stride, int64_t left, int64_t blocks, Laid * out) {
    for (int64_t number = 0; number < blocks; ++number) {
        alignas(32) uint16_t scales[ROWS];
        for (int half = 0; half < ROWS; half += 8) {
            __m256i rows[8];
            for (int row = 0; row < 8; ++row) {
                const Block & block = first[std::min<int64_t>(half + row, left - 1) * stride + number];
                rows[row] = weights(block);
                scales[half + row] = block.d;
            }
            transpose(rows, &out[number].weights[0][half]);
        }
        _mm512_store_ps(out[number].scales, _mm512_cvtph_ps(_mm256_load_si256((const __m256i *)scales)));
    }
}

// Of each block of a column: its scale, and what its products begin with.
struct Side {
    float scale;
    int32_t less;
};

template <int COUNT>
void multiply(const Laid * rows, int64_t blocks, const block_q8_0 * column, int64_t stride, const Side * sides,
              float * out, int64_t next, __mmask16 mask) {
    __m512 sums[COUNT];
    for (int number = 0; number < COUNT; ++number) {
        sums[number] = _mm512_setzero_ps();
    }
    for (int64_t block = 0; block < blocks; ++block) {
        const Laid & laid = rows[block];
        for (int number = 0; number < COUNT; ++number) {
            const Side & side = sides[number * blocks + block];
            const int8_t * values = column[number * stride + block].qs;
            __m512i sum = _mm512_set1_epi32(side.less);
            for (int part = 0; part < BYTES / 4; ++part) {
                int32_t four;
                memcpy(&four, values + 4 * part, sizeof(four));
                sum = _mm512_dpbusd_epi32(sum, _mm512_load_si512(laid.weights[part]), _mm512_set1_epi32(four));
            }
            const __m512 scale = _mm512_mul_ps(_mm512_load_ps(laid.scales), _mm512_set1_ps(side.scale));
            sums[number] = _mm512_fmadd_ps(_mm512_cvtepi32_ps(sum), scale, sums[number]);
        }
    }
    for (int number = 0; number < COUNT; ++number) {
        _mm512_mask_storeu_ps(out + number * next, mask, sums[number]);
    }
}

using Multiply = decltype(&multiply<1>);
constexpr Multiply BY_COUNT[] = {multiply<1>, multiply<2>, multiply<3>, multiply<4>,
                                 multiply<5>, multiply<6>, multiply<7>, multiply<8>};

struct Job {
    int64_t rows, columns, blocks;
    int64_t row_stride;
    const block_q8_0 * column;
    int64_t column_stride;
    float * out;
    int64_t next;
};

const Side * sides_of(const Job & job, int offset) {
    Side * sides = room<Side>(job.columns * job.blocks);
    for (int64_t number = 0; number < job.columns; ++number) {
        for (int64_t place = 0; place < job.blocks; ++place) {
            const block_q8_0 & block = job.column[number * job.column_stride + place];
            const __m256i ones = _mm256_set1_epi8(1), values = _mm256_loadu_si256((const __m256i *)block.qs);
            const __m256i four = _mm256_dpbusd_epi32(_mm256_setzero_si256(), ones, values);
            const __m128i two = _mm_add_epi32(_mm256_castsi256_si128(four), _mm256_extracti128_si256(four, 1));
            const __m128i one = _mm_add_epi32(two, _mm_shuffle_epi32(two, 0x4e));
            const int sum = _mm_cvtsi128_si32(_mm_add_epi32(one, _mm_shuffle_epi32(one, 0xb1)));
            sides[number * job.blocks + place] = {_cvtsh_ss(block.d), -offset * sum};
        }
    }
    return sides;
}

template <typename Block> __m256 plus(__m256 sum, const Block & block, const block_q8_0 & other, const Side & side) {
    const __m256i less = _mm256_zextsi128_si256(_mm_cvtsi32_si128(side.less));
    const __m256i four = _mm256_dpbusd_epi32(less, weights(block), _mm256_loadu_si256((const __m256i *)other.qs));
    return _mm256_fmadd_ps(_mm256_cvtepi32_ps(four), _mm256_set1_ps(_cvtsh_ss(block.d) * side.scale), sum);
}

// A row with a column. Two sums, so that no block waits for the one before it: more is then on its way from memory.
template <typename Block>
float multiply_row(const Block * row, int64_t blocks, const block_q8_0 * column, const Side * sides) {
    __m256 first = _mm256_setzero_ps(), second = _mm256_setzero_ps();
    for (int64_t number = 0; number + 1 < blocks; number += 2) {
        first = plus(first, row[number], column[number], sides[number]);
        second = plus(second, row[number + 1], column[number + 1], sides[number + 1]);
    }
    if (blocks % 2) {
        first = plus(first, row[blocks - 1], column[blocks - 1], sides[blocks - 1]);
    }
    return _mm512_reduce_add_ps(_mm512_insertf32x8(_mm512_castps256_ps512(first), second, 1));
}

template <typename Block> void run(const ggml_compute_params * params, const Block * first, const Job & job) {
    const Side * sides = sides_of(job, OFFSET<Block>);
    if (job.columns < LEAST_COLUMNS) {
        const int64_t share = std::max<int64_t>(ROWS, job.rows / (SHARES * params->nth) + 1);
        share_out(params, job.rows, share, [&](int64_t begin, int64_t end) {
            for (int64_t row = begin; row < end; ++row) {
                for (int64_t column = 0; column < job.columns; ++column) {
                    job.out[column * job.next + row] =
                        multiply_row(first + row * job.row_stride, job.blocks, job.column + column * job.column_stride,
                                     sides + column * job.blocks);
                }
            }
        });
        return;
    }
    Laid * laid = room<Laid>(job.blocks);
    share_out(params, job.rows, ROWS, [&](int64_t row, int64_t end) {
        lay_out(first + row * job.row_stride, job.row_stride, end - row, job.blocks, laid);
        for (int64_t column = 0; column < job.columns; column += COLUMNS) {
            const int count = (int)std::min<int64_t>(COLUMNS, job.columns - column);
            BY_COUNT[count - 1](laid, job.blocks, job.column + column * job.column_stride, job.column_stride,
                                sides + column * job.blocks, job.out + column * job.next + row, job.next,
                                (__mmask16)((1u << (end - row)) - 1));
        }
    });
}

bool is_done(const ggml_compute_params * params, const void * rows, int type, const Job & job) {
    switch (type) {
        case GGML_TYPE_Q8_0: run(params, (const block_q8_0 *)rows, job); return true;
        case GGML_TYPE_Q5_0: run(params, (const block_q5_0 *)rows, job); return true;
        case GGML_TYPE_Q4_0: run(params, (const block_q4_0 *)rows, job); return true;
        case GGML_TYPE_IQ4_NL: run(params, (const block_iq4_nl *)rows, job); return true;
        default: return false;
    }
}

} // namespace

#endif

extern "C" bool llamafile_sgemm(const ggml_compute_params * params, int64_t m, int64_t n, int64_t k, const void * A,
                                int64_t lda, const void * B, int64_t ldb, void * C, int64_t ldc, int Atype, int Btype,
                                int Ctype) {
#ifdef PUNA_VNNI
    if (Btype == GGML_TYPE_Q8_0 && Ctype == GGML_TYPE_F32) {
        if (is_done(params, A, Atype, {m, n, k, lda, (const block_q8_0 *)B, ldb, (float *)C, ldc})) {
            return true;
        }
    }
#endif
    return puna_llama_sgemm(params, m, n, k, A, lda, B, ldb, C, ldc, Atype, Btype, Ctype);
}
