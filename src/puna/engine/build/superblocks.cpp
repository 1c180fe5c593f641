// Products of weights in blocks of 256 (Q4_K, Q5_K, Q6_K, IQ4_XS) with the columns of prompts, of answers side by side
// and of what is guessed of an answer, on processors with AVX-512 VNNI. llama.cpp takes weights apart for each column
// where there are fewer than eight, and else into tiles that are multiplied with sixteen columns at least.
//
// Sixteen rows at a time are laid out as in matrices.cpp, one block after the other, while the sums of all columns wait.

#include "blocks.h"
#include "lanes.h"

#include "tiled/tiled.h"

extern "C" bool puna_llama_mul_mat_tiled(const ggml_compute_params * params, ggml_tensor * out);
extern "C" bool puna_llama_mul_mat_id_tiled(
        const ggml_compute_params * params, ggml_tensor * out, int64_t expert, int64_t count, const int32_t * places,
        char * scratch);

#ifdef PUNA_VNNI

namespace {

constexpr int WORDS = QK_K / 4;

// A block of sixteen rows. A product is `whole` times that of the weights without a sign, each part of them by its
// scale, less `below` times that of `pairs` with the sums of a column's sixteens.
struct alignas(64) Laid {
    uint32_t weights[WORDS][ROWS];
    int32_t scales[16][ROWS];
    uint32_t pairs[8][ROWS];
    float whole[ROWS], below[ROWS];
};

void add_fifth(const block_q4_K *, const uint8_t * const *, Laid &) {
}

void add_fifth(const block_q5_K *, const uint8_t * const * rows, Laid & out) {
    for (int word = 0; word < 8; word += 4) {
        __m512i high[4];
        turn(rows, offsetof(block_q5_K, qh) + 4 * word, high);
        for (int part = 0; part < 8; ++part) {
            for (int number = 0; number < 4; ++number) {
                const __m512i bit = masked(_mm512_srli_epi32(high[number], part), 1);
                uint32_t * weights = out.weights[8 * part + word + number];
                _mm512_store_si512(weights, _mm512_or_si512(_mm512_load_si512(weights), _mm512_slli_epi32(bit, 4)));
            }
        }
    }
}

template <typename Block> void lay_out(const Block * const * blocks, const uint8_t * const * rows, Laid & out) {
    for (int chunk = 0; chunk < 8; ++chunk) {
        __m512i words[4];
        turn(rows, offsetof(Block, qs) + 16 * chunk, words);
        for (int number = 0; number < 4; ++number) {
            const int place = 16 * (chunk / 2) + 4 * (chunk % 2) + number;
            _mm512_store_si512(out.weights[place], masked(words[number], 0x0f));
            _mm512_store_si512(out.weights[place + 8], masked(_mm512_srli_epi32(words[number], 4), 0x0f));
        }
    }
    add_fifth(*blocks, rows, out);
    alignas(64) uint8_t unpacked[ROWS][16];
    alignas(32) uint16_t whole[ROWS], below[ROWS];
    const uint8_t * places[ROWS];
    for (int row = 0; row < ROWS; ++row) {
        _mm_store_si128((__m128i *)unpacked[row], scales_and_least(blocks[row]->scales));
        places[row] = unpacked[row];
        whole[row] = blocks[row]->d;
        below[row] = blocks[row]->dmin;
    }
    __m512i words[4];
    turn(places, 0, words);
    for (int part = 0; part < 8; ++part) {
        const int byte = part % 4;
        _mm512_store_si512(out.scales[part], bytes_of(words[part / 4], byte, -1, -1, -1));
        _mm512_store_si512(out.pairs[part], bytes_of(words[2 + part / 4], byte, -1, byte, -1));
    }
    _mm512_store_ps(out.whole, floats(whole));
    _mm512_store_ps(out.below, floats(below));
}

// The scales of blocks whose weights were laid out without a sign, larger by `offset`.
template <typename Block> void put_whole(const Block * const * blocks, float offset, Laid & out) {
    alignas(32) uint16_t whole[ROWS];
    for (int row = 0; row < ROWS; ++row) {
        whole[row] = blocks[row]->d;
    }
    _mm512_store_ps(out.whole, floats(whole));
    _mm512_store_ps(out.below, _mm512_mul_ps(floats(whole), _mm512_set1_ps(offset)));
}

void lay_out(const block_q6_K * const * blocks, const uint8_t * const * rows, Laid & out) {
    for (int chunk = 0; chunk < 4; ++chunk) {
        const int half = chunk / 2, part = chunk % 2;
        __m512i first[4], second[4], high[4];
        turn(rows, offsetof(block_q6_K, ql) + 64 * half + 16 * part, first);
        turn(rows, offsetof(block_q6_K, ql) + 64 * half + 32 + 16 * part, second);
        turn(rows, offsetof(block_q6_K, qh) + 16 * chunk, high);
        for (int number = 0; number < 4; ++number) {
            const int place = 32 * half + 4 * part + number;
            const auto put = [&](int quarter, __m512i low, __m512i upper) {
                const __m512i weights = _mm512_or_si512(masked(low, 0x0f), masked(upper, 0x30));
                _mm512_store_si512(out.weights[place + 8 * quarter], weights);
            };
            put(0, first[number], _mm512_slli_epi32(high[number], 4));
            put(1, second[number], _mm512_slli_epi32(high[number], 2));
            put(2, _mm512_srli_epi32(first[number], 4), high[number]);
            put(3, _mm512_srli_epi32(second[number], 4), _mm512_srli_epi32(high[number], 2));
        }
    }
    __m512i words[4];
    turn(rows, offsetof(block_q6_K, scales), words);
    for (int part = 0; part < 16; ++part) {
        const __m512i scale = bytes_of(words[part / 4], -1, -1, -1, part % 4);
        _mm512_store_si512(out.scales[part], _mm512_srai_epi32(scale, 24));
    }
    for (int pair = 0; pair < 8; ++pair) {
        const __m512i scales = bytes_of(words[pair / 2], -1, 2 * (pair % 2), -1, 2 * (pair % 2) + 1);
        _mm512_store_si512(out.pairs[pair], _mm512_srai_epi16(scales, 8));
    }
    put_whole(blocks, 32, out);
}

void lay_out(const block_iq4_xs * const * blocks, const uint8_t * const * rows, Laid & out) {
    const __m512i table = _mm512_broadcast_i32x4(iq4_nl_values());
    for (int chunk = 0; chunk < 8; ++chunk) {
        __m512i words[4];
        turn(rows, offsetof(block_iq4_xs, qs) + 16 * chunk, words);
        for (int number = 0; number < 4; ++number) {
            const __m512i low = masked(words[number], 0x0f), high = masked(_mm512_srli_epi32(words[number], 4), 0x0f);
            _mm512_store_si512(out.weights[8 * chunk + number], _mm512_shuffle_epi8(table, low));
            _mm512_store_si512(out.weights[8 * chunk + 4 + number], _mm512_shuffle_epi8(table, high));
        }
    }
    alignas(64) uint8_t unpacked[ROWS][16];
    const uint8_t * places[ROWS];
    for (int row = 0; row < ROWS; ++row) {
        _mm_store_si128((__m128i *)unpacked[row], scales_of(*blocks[row]));
        places[row] = unpacked[row];
    }
    __m512i words[4];
    turn(places, 0, words);
    for (int part = 0; part < 8; ++part) {
        const int byte = part % 4;
        const __m512i scale = bytes_of(words[part / 4], -1, -1, -1, byte);
        const __m512i scales = bytes_of(words[part / 4], -1, byte, -1, byte);
        _mm512_store_si512(out.scales[part], _mm512_srai_epi32(scale, 24));
        _mm512_store_si512(out.pairs[part], _mm512_srai_epi16(scales, 8));
    }
    put_whole(blocks, 128, out);
}

// Adds the products of a block to the sums of COUNT columns; SIZE words of weights have a scale.
template <int SIZE, int COUNT>
void multiply(const Laid & rows, const block_q8_K * column, int64_t stride, float * sums) {
    __m512i total[COUNT], least[COUNT];
    for (int number = 0; number < COUNT; ++number) {
        total[number] = least[number] = _mm512_setzero_si512();
    }
    for (int part = 0; part < WORDS / SIZE; ++part) {
        __m512i sum[COUNT];
        for (int number = 0; number < COUNT; ++number) {
            sum[number] = _mm512_setzero_si512();
        }
        for (int word = part * SIZE; word < (part + 1) * SIZE; ++word) {
            const __m512i weights = _mm512_load_si512(rows.weights[word]);
            for (int number = 0; number < COUNT; ++number) {
                sum[number] = _mm512_dpbusd_epi32(sum[number], weights, word_of(column[number * stride].qs + 4 * word));
            }
        }
        const __m512i scale = _mm512_load_si512(rows.scales[part]);
        for (int number = 0; number < COUNT; ++number) {
            total[number] = _mm512_add_epi32(total[number], _mm512_mullo_epi32(sum[number], scale));
        }
    }
    for (int pair = 0; pair < 8; ++pair) {
        const __m512i factors = _mm512_load_si512(rows.pairs[pair]);
        for (int number = 0; number < COUNT; ++number) {
            const __m512i two = word_of(column[number * stride].bsums + 2 * pair);
            least[number] = _mm512_dpwssd_epi32(least[number], factors, two);
        }
    }
    const __m512 whole = _mm512_load_ps(rows.whole), below = _mm512_load_ps(rows.below);
    for (int number = 0; number < COUNT; ++number) {
        const __m512 less = _mm512_mul_ps(below, _mm512_cvtepi32_ps(least[number]));
        const __m512 product = _mm512_fmsub_ps(whole, _mm512_cvtepi32_ps(total[number]), less);
        float * place = sums + number * ROWS;
        const __m512 scale = _mm512_set1_ps(column[number * stride].d);
        _mm512_store_ps(place, _mm512_fmadd_ps(product, scale, _mm512_load_ps(place)));
    }
}

template <int SIZE> void multiply_by(int count, const Laid & rows, const block_q8_K * column, int64_t stride, float * sums) {
    using Multiply = decltype(&multiply<SIZE, 1>);
    static constexpr Multiply BY_COUNT[] = {multiply<SIZE, 1>, multiply<SIZE, 2>, multiply<SIZE, 3>, multiply<SIZE, 4>,
                                            multiply<SIZE, 5>, multiply<SIZE, 6>, multiply<SIZE, 7>, multiply<SIZE, 8>};
    BY_COUNT[count - 1](rows, column, stride, sums);
}

template <typename Block, int SIZE>
void multiply_rows(const char * data, int64_t stride, int64_t rows, const char * end, int64_t blocks,
                   const block_q8_K * column, int64_t columns, Sums * sums) {
    std::fill_n(sums, columns, Sums{});
    const char * next = data + ROWS * stride;
    for (int64_t number = 0; number < blocks; ++number) {
        bring(next + number * ROWS * sizeof(Block), ROWS * sizeof(Block), end);
        const Block * place[ROWS];
        const uint8_t * bytes[ROWS];
        for (int64_t row = 0; row < ROWS; ++row) {
            place[row] = (const Block *)(data + std::min(row, rows - 1) * stride) + number;
            bytes[row] = (const uint8_t *)place[row];
        }
        Laid laid;
        lay_out(place, bytes, laid);
        for (int64_t at = 0; at < columns; at += COLUMNS) {
            multiply_by<SIZE>((int)std::min<int64_t>(COLUMNS, columns - at), laid, column + at * blocks + number,
                              blocks, sums[at].rows);
        }
    }
}

// Multiplies rows from `begin` to `end` with columns; `products` tells where those of a column begin.
template <typename Block, int SIZE, typename Products>
void multiply_part(const ggml_tensor & weights, const char * data, int64_t begin, int64_t end,
                   const block_q8_K * column, int64_t columns, const Products & products) {
    const int64_t blocks = weights.ne[0] / QK_K, stride = weights.nb[1];
    const char * all = data + end * stride;
    Sums * sums = room<Sums>(columns);
    for (int64_t row = begin; row < end; row += ROWS) {
        const int64_t count = std::min<int64_t>(ROWS, end - row);
        multiply_rows<Block, SIZE>(data + row * stride, stride, count, all, blocks, column, columns, sums);
        for (int64_t at = 0; at < columns; ++at) {
            memcpy(products(at) + row, sums[at].rows, count * sizeof(float));
        }
    }
}

// Blocks of weights, SIZE words of which have a scale.
template <typename Block, int SIZE> struct Kind {};

// Calls `work` with what the type is; false if it is none of those.
template <typename Work> bool with_kind(ggml_type type, const Work & work) {
    switch (type) {
        case GGML_TYPE_Q4_K: work(Kind<block_q4_K, 8>()); return true;
        case GGML_TYPE_Q5_K: work(Kind<block_q5_K, 8>()); return true;
        case GGML_TYPE_Q6_K: work(Kind<block_q6_K, 4>()); return true;
        case GGML_TYPE_IQ4_XS: work(Kind<block_iq4_xs, 8>()); return true;
        default: return false;
    }
}

template <typename Block, int SIZE>
void run(Kind<Block, SIZE>, const ggml_compute_params * params, const block_q8_K * column, ggml_tensor * out) {
    const ggml_tensor & weights = *out->src[0];
    const auto products = [&](int64_t at) { return (float *)((char *)out->data + at * out->nb[1]); };
    share_out(params, weights.ne[1], [&](int64_t begin, int64_t end) {
        const char * data = (const char *)weights.data;
        multiply_part<Block, SIZE>(weights, data, begin, end, column, out->ne[1], products);
    });
}

template <typename Block, int SIZE> void run(Kind<Block, SIZE>, const Expert & expert) {
    const block_q8_K * column = expert.gathered<block_q8_K>(expert.weights().ne[0] / QK_K);
    multiply_part<Block, SIZE>(expert.weights(), expert.data(), expert.begin(), expert.end(), column, expert.columns,
                               [&](int64_t at) { return expert.products(at); });
}

// The columns in the blocks of 256 that weights are multiplied with; each thread makes some of them.
const block_q8_K * columns_of(const ggml_compute_params * params, const ggml_tensor * columns) {
    const int64_t blocks = columns->ne[0] / QK_K, all = blocks * columns->ne[1];
    block_q8_K * out = (block_q8_K *)params->wdata;
    const int64_t end = all * (params->ith + 1) / params->nth;
    for (int64_t at = all * params->ith / params->nth, count; at < end; at += count) {
        const int64_t number = at / blocks, block = at % blocks;
        count = std::min(blocks - block, end - at);
        const char * column = (const char *)columns->data + number * columns->nb[1];
        quantize_row_q8_K((const float *)column + block * QK_K, out + at, count * QK_K);
    }
    return out;
}

bool is_plain(const ggml_tensor * tensor) {
    return tensor->ne[2] == 1 && tensor->ne[3] == 1 && tensor->nb[0] == ggml_type_size(tensor->type);
}

bool is_wanted(const ggml_compute_params * params, const ggml_tensor * out) {
    return !params->use_ref && !out->src[0]->extra && out->src[1]->type == GGML_TYPE_F32;
}

bool is_done(const ggml_compute_params * params, ggml_tensor * out) {
    const ggml_tensor *weights = out->src[0], *columns = out->src[1];
    if (!is_wanted(params, out) || columns->ne[1] == 1 || !is_plain(weights) || !is_plain(columns)) {
        return false; // a single column is dots.cpp's
    }
    return with_kind(weights->type, [&](auto kind) { run(kind, params, columns_of(params, columns), out); });
}

bool is_done(const Expert & expert) {
    if (!is_wanted(expert.params, expert.out)) {
        return false;
    }
    const auto work = [&](auto kind) { run(kind, expert); };
    return (expert.columns > 1 && with_kind(expert.weights().type, work)) || multiply_expert_of_small_blocks(expert);
}

} // namespace

#endif

extern "C" bool ggml_compute_forward_mul_mat_tiled(const ggml_compute_params * params, ggml_tensor * out) {
#ifdef PUNA_VNNI
    if (is_done(params, out)) {
        return true;
    }
#endif
    return puna_llama_mul_mat_tiled(params, out);
}

extern "C" bool ggml_compute_forward_mul_mat_id_tiled(
        const ggml_compute_params * params, ggml_tensor * out, int64_t expert, int64_t count, const int32_t * places,
        char * scratch) {
#ifdef PUNA_VNNI
    if (is_done({params, out, expert, count, places})) {
        return true;
    }
#endif
    return puna_llama_mul_mat_id_tiled(params, out, expert, count, places, scratch);
}
