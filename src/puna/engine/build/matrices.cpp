// Products of weights in blocks of 32 (Q8_0, Q5_0, Q4_0, IQ4_NL, MXFP4) with the columns of prompts and answers, on
// processors with AVX-512 VNNI. They stand before llama.cpp's, which take 32 bytes at a time and sum each across a
// register.
//
// Of several columns sixteen rows are laid out so that the lanes of a register are rows: four bytes of a column go to all
// of them by the instruction that multiplies, and nothing is ever summed across. Weights get an offset that makes them
// positive, as the instruction wants them; what that adds, the offset times the sum of a column's block, is taken off
// beforehand.

#include "blocks.h"
#include "lanes.h"

#include "llamafile/sgemm.h"

extern "C" bool puna_llama_sgemm(const ggml_compute_params *, int64_t, int64_t, int64_t, const void *, int64_t,
                                 const void *, int64_t, void *, int64_t, int, int, int);

#ifdef PUNA_VNNI

namespace {

constexpr int BYTES = 32;
constexpr int64_t FEW_COLUMNS = 48, PIECE = 8; // so few stay near while rows are laid out and multiplied piece by piece

// A block of sixteen rows: weights without a sign, and scales.
struct alignas(64) Laid {
    uint32_t weights[BYTES / 4][ROWS];
    float scales[ROWS];
};

// Sixteen bytes with two weights each: the low halves, and then the high ones.
void put_halves(const __m512i * words, Laid & out) {
    for (int number = 0; number < 4; ++number) {
        _mm512_store_si512(out.weights[number], masked(words[number], 0x0f));
        _mm512_store_si512(out.weights[4 + number], masked(_mm512_srli_epi32(words[number], 4), 0x0f));
    }
}

void lay_out(const block_q8_0 *, const uint8_t * const * rows, Laid & out) {
    for (int half = 0; half < 2; ++half) {
        __m512i words[4];
        turn(rows, offsetof(block_q8_0, qs) + 16 * half, words);
        for (int number = 0; number < 4; ++number) {
            const __m512i weights = _mm512_xor_si512(words[number], _mm512_set1_epi8((char)0x80));
            _mm512_store_si512(out.weights[4 * half + number], weights);
        }
    }
}

void lay_out(const block_q4_0 *, const uint8_t * const * rows, Laid & out) {
    __m512i words[4];
    turn(rows, offsetof(block_q4_0, qs), words);
    put_halves(words, out);
}

// Halves that are numbers of values in a table.
void put_values(const uint8_t * const * rows, int64_t place, __m128i values, Laid & out) {
    __m512i words[4];
    turn(rows, place, words);
    put_halves(words, out);
    const __m512i table = _mm512_broadcast_i32x4(values);
    for (auto & weights : out.weights) {
        _mm512_store_si512(weights, _mm512_shuffle_epi8(table, _mm512_load_si512(weights)));
    }
}

void lay_out(const block_iq4_nl *, const uint8_t * const * rows, Laid & out) {
    put_values(rows, offsetof(block_iq4_nl, qs), iq4_nl_values(), out);
}

void lay_out(const block_mxfp4 *, const uint8_t * const * rows, Laid & out) {
    put_values(rows, offsetof(block_mxfp4, qs), mxfp4_values(), out);
}

void lay_out(const block_q5_0 *, const uint8_t * const * rows, Laid & out) {
    __m512i words[4], begin[4];
    turn(rows, offsetof(block_q5_0, qs), words);
    put_halves(words, out);
    turn(rows, 0, begin); // the scale and then a bit of each weight
    const __m512i bits = _mm512_or_si512(_mm512_srli_epi32(begin[0], 16), _mm512_slli_epi32(begin[1], 16));
    for (int word = 0; word < BYTES / 4; ++word) {
        const __m512i bytes = bytes_of(bits, word / 2, word / 2, word / 2, word / 2);
        const __mmask64 is_set = _mm512_test_epi8_mask(bytes, _mm512_set1_epi32(word % 2 ? 0x80402010 : 0x08040201));
        const __m512i fifth = _mm512_maskz_set1_epi8(is_set, 0x10);
        const __m512i weights = _mm512_load_si512(out.weights[word]);
        _mm512_store_si512(out.weights[word], _mm512_or_si512(weights, fifth));
    }
}

// Of each block of a column: its scale, and what its products begin with.
struct Side {
    float scale;
    int32_t less;
};

// Adds the products of some blocks to the sums of COUNT columns, which are `stride` blocks apart, and their sides `next`.
template <int COUNT>
void multiply(const Laid * rows, int64_t blocks, const block_q8_0 * column, int64_t stride, const Side * sides,
              int64_t next, float * sums) {
    __m512 total[COUNT];
    for (int number = 0; number < COUNT; ++number) {
        total[number] = _mm512_load_ps(sums + number * ROWS);
    }
    for (int64_t block = 0; block < blocks; ++block) {
        __m512i sum[COUNT];
        for (int number = 0; number < COUNT; ++number) {
            sum[number] = _mm512_set1_epi32(sides[number * next + block].less);
        }
        for (int word = 0; word < BYTES / 4; ++word) {
            const __m512i weights = _mm512_load_si512(rows[block].weights[word]);
            for (int number = 0; number < COUNT; ++number) {
                const __m512i four = word_of(column[number * stride + block].qs + 4 * word);
                sum[number] = _mm512_dpbusd_epi32(sum[number], weights, four);
            }
        }
        const __m512 scales = _mm512_load_ps(rows[block].scales);
        for (int number = 0; number < COUNT; ++number) {
            const __m512 scale = _mm512_mul_ps(scales, _mm512_set1_ps(sides[number * next + block].scale));
            total[number] = _mm512_fmadd_ps(_mm512_cvtepi32_ps(sum[number]), scale, total[number]);
        }
    }
    for (int number = 0; number < COUNT; ++number) {
        _mm512_store_ps(sums + number * ROWS, total[number]);
    }
}

using Multiply = decltype(&multiply<1>);
constexpr Multiply BY_COUNT[] = {multiply<1>, multiply<2>, multiply<3>, multiply<4>,
                                 multiply<5>, multiply<6>, multiply<7>, multiply<8>};

struct Job {
    int64_t columns, blocks;
    int64_t row_stride;
    const block_q8_0 * column;
    int64_t column_stride;
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
    return _mm256_fmadd_ps(_mm256_cvtepi32_ps(four), _mm256_set1_ps(scale_of(block) * side.scale), sum);
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

template <typename Block> void put_scales(const Block * const * blocks, Laid & out) {
    alignas(32) uint16_t scales[ROWS];
    for (int row = 0; row < ROWS; ++row) {
        scales[row] = blocks[row]->d;
    }
    _mm512_store_ps(out.scales, floats(scales));
}

void put_scales(const block_mxfp4 * const * blocks, Laid & out) {
    for (int row = 0; row < ROWS; ++row) {
        out.scales[row] = scale_of(*blocks[row]);
    }
}

template <typename Block> void lay_out_rows(const Block * first, int64_t stride, int64_t rows, Laid & out) {
    const Block * blocks[ROWS];
    const uint8_t * places[ROWS];
    for (int64_t row = 0; row < ROWS; ++row) {
        blocks[row] = first + std::min(row, rows - 1) * stride;
        places[row] = (const uint8_t *)blocks[row];
    }
    lay_out(first, places, out);
    put_scales(blocks, out);
}

template <typename Block>
void multiply_rows(const Block * first, int64_t rows, const char * end, const Job & job, const Side * sides,
                   Sums * sums) {
    std::fill_n(sums, job.columns, Sums{});
    const char * next = (const char *)(first + ROWS * job.row_stride);
    const int64_t piece = job.columns > FEW_COLUMNS ? job.blocks : PIECE;
    Laid * laid = room<Laid>(piece);
    for (int64_t block = 0; block < job.blocks; block += piece) {
        const int64_t blocks = std::min(piece, job.blocks - block);
        bring(next + block * ROWS * sizeof(Block), blocks * ROWS * sizeof(Block), end);
        for (int64_t number = 0; number < blocks; ++number) {
            lay_out_rows(first + block + number, job.row_stride, rows, laid[number]);
        }
        for (int64_t at = 0; at < job.columns; at += COLUMNS) {
            const int count = (int)std::min<int64_t>(COLUMNS, job.columns - at);
            BY_COUNT[count - 1](laid, blocks, job.column + at * job.column_stride + block, job.column_stride,
                                sides + at * job.blocks + block, job.blocks, sums[at].rows);
        }
    }
}

// Multiplies rows from `begin` to `end` with all columns; `products` tells where those of a column begin.
template <typename Block, typename Products>
void multiply_part(const Block * first, int64_t begin, int64_t end, const Job & job, const Side * sides,
                   const Products & products) {
    if (job.columns == 1) {
        for (int64_t row = begin; row < end; ++row) {
            products(0)[row] = multiply_row(first + row * job.row_stride, job.blocks, job.column, sides);
        }
        return;
    }
    Sums * sums = room<Sums>(job.columns);
    for (int64_t row = begin; row < end; row += ROWS) {
        const int64_t count = std::min<int64_t>(ROWS, end - row);
        const char * all = (const char *)(first + end * job.row_stride);
        multiply_rows(first + row * job.row_stride, count, all, job, sides, sums);
        for (int64_t at = 0; at < job.columns; ++at) {
            memcpy(products(at) + row, sums[at].rows, count * sizeof(float));
        }
    }
}

// Calls `work` with rows of the type that they are of; false if it is none of those.
template <typename Work> bool with_rows(const void * rows, int type, const Work & work) {
    switch (type) {
        case GGML_TYPE_Q8_0: work((const block_q8_0 *)rows); return true;
        case GGML_TYPE_Q5_0: work((const block_q5_0 *)rows); return true;
        case GGML_TYPE_Q4_0: work((const block_q4_0 *)rows); return true;
        case GGML_TYPE_IQ4_NL: work((const block_iq4_nl *)rows); return true;
        case GGML_TYPE_MXFP4: work((const block_mxfp4 *)rows); return true;
        default: return false;
    }
}

template <typename Block> const Side * sides_for(const Block *, const Job & job) {
    return sides_of(job, OFFSET<Block>);
}

} // namespace

#endif

bool multiply_expert_of_small_blocks(const Expert & expert) {
#ifdef PUNA_VNNI
    const ggml_tensor & weights = expert.weights();
    return with_rows(expert.data(), weights.type, [&](auto first) {
        const int64_t blocks = weights.ne[0] / BYTES;
        const Job job = {expert.columns, blocks, (int64_t)(weights.nb[1] / sizeof(*first)),
                         expert.gathered<block_q8_0>(blocks), blocks};
        multiply_part(first, expert.begin(), expert.end(), job, sides_for(first, job),
                      [&](int64_t at) { return expert.products(at); });
    });
#else
    return false;
#endif
}

extern "C" bool llamafile_sgemm(const ggml_compute_params * params, int64_t m, int64_t n, int64_t k, const void * A,
                                int64_t lda, const void * B, int64_t ldb, void * C, int64_t ldc, int Atype, int Btype,
                                int Ctype) {
#ifdef PUNA_VNNI
    const auto run = [&](auto first) {
        const Job job = {n, k, lda, (const block_q8_0 *)B, ldb};
        const Side * sides = sides_for(first, job);
        share_out(params, m, [&](int64_t begin, int64_t end) {
            multiply_part(first, begin, end, job, sides, [&](int64_t at) { return (float *)C + at * ldc; });
        });
    };
    if (Btype == GGML_TYPE_Q8_0 && Ctype == GGML_TYPE_F32 && with_rows(A, Atype, run)) {
        return true;
    }
#endif
    return puna_llama_sgemm(params, m, n, k, A, lda, B, ldb, C, ldc, Atype, Btype, Ctype);
}
