// Attention on a processor for any number of tokens: it stands before llama.cpp's own, which is made for 64 and more.
//
// The queries of all heads that share keys and values, and of several tokens, are the rows of one block; keys and
// values are read a tile at a time, converted once for all rows (Dao and others, "FlashAttention", 2022; Ainslie and
// others, "GQA", 2023). Tiles that a token does not see cost it nothing, so that conversations in one cache do not
// slow each other down. What is not handled here goes to llama.cpp's function.

#include "ops.h"

#include "common.h"
#include "ggml-cpu.h"
#include "ggml-cpu-impl.h"
#include "ggml-impl.h"
#include "simd-gemm.h"
#include "vec.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <type_traits>
#include <vector>

extern "C" void puna_llama_flash_attn_ext(const ggml_compute_params * params, ggml_tensor * dst);

#if (defined(__AVX2__) && defined(__FMA__)) || (defined(__ARM_NEON) && defined(__aarch64__) && !defined(__ARM_FEATURE_SVE))

extern "C" {
__attribute__((used)) extern const char puna_attention[] = "puna: attention for any number of tokens";
}

namespace {

constexpr int TILE = 64;          // keys that are looked at together
constexpr int MOST_ROWS = 64;     // queries of one block
constexpr int LEAST_ROWS = 8;     // of a block that is made smaller for every thread to have one
constexpr int ROWS_TO_PACK = 12;  // from so many rows on it pays to turn the keys of a tile round,
constexpr int ROWS_TO_COPY = 5;   // and to convert them, and the values, once for all
constexpr int AHEAD = 16;         // tokens whose keys or values are fetched while others are worked on
constexpr int LINE = 64;          // bytes that are fetched together
constexpr int LEAST_SPLIT = 4 * TILE;
constexpr int TASKS_PER_THREAD = 4, LEAST_TASKS_PER_THREAD = 2;
constexpr uint16_t HIDDEN = 0xFC00;  // minus infinity as a half

#if defined(__AVX512F__)
using vec = __m512;
constexpr int LANES = 16, WIDE = 4;
inline vec load(const float * x) { return _mm512_loadu_ps(x); }
inline vec load(const ggml_fp16_t * x) { return _mm512_cvtph_ps(_mm256_loadu_si256((const __m256i *) x)); }
inline void store(float * x, vec v) { _mm512_storeu_ps(x, v); }
inline vec all(float x) { return _mm512_set1_ps(x); }
inline vec fma(vec a, vec b, vec c) { return _mm512_fmadd_ps(a, b, c); }
inline float sum(vec x) { return _mm512_reduce_add_ps(x); }
#elif defined(__AVX2__)
using vec = __m256;
constexpr int LANES = 8, WIDE = 2;
inline vec load(const float * x) { return _mm256_loadu_ps(x); }
inline vec load(const ggml_fp16_t * x) { return _mm256_cvtph_ps(_mm_loadu_si128((const __m128i *) x)); }
inline void store(float * x, vec v) { _mm256_storeu_ps(x, v); }
inline vec all(float x) { return _mm256_set1_ps(x); }
inline vec fma(vec a, vec b, vec c) { return _mm256_fmadd_ps(a, b, c); }
inline float sum(vec x) {
    __m128 half = _mm_add_ps(_mm256_castps256_ps128(x), _mm256_extractf128_ps(x, 1));
    half = _mm_add_ps(half, _mm_movehl_ps(half, half));
    return _mm_cvtss_f32(_mm_add_ss(half, _mm_movehdup_ps(half)));
}
#else
using vec = float32x4_t;
constexpr int LANES = 4, WIDE = 4;
inline vec load(const float * x) { return vld1q_f32(x); }
inline vec load(const ggml_fp16_t * x) { return vcvt_f32_f16(vreinterpret_f16_u16(vld1_u16(x))); }
inline void store(float * x, vec v) { vst1q_f32(x, v); }
inline vec all(float x) { return vdupq_n_f32(x); }
inline vec fma(vec a, vec b, vec c) { return vfmaq_f32(c, a, b); }
inline float sum(vec x) { return vaddvq_f32(x); }
#endif

// Fetches the keys or values of a token that comes later in a tile: those of one head lie too far apart in memory for
// the processor to guess where the next ones are.
inline void fetch(const void * row, size_t bytes) {
    for (size_t at = 0; at < bytes; at += LINE) {
        __builtin_prefetch((const char *) row + at);
    }
}

// Calls `work` with a row and a constant, how many rows from there on: four at a time, then two, then one.
template <typename Work>
void by_fours(int rows, Work work) {
    int row = 0;
    for (; row + 4 <= rows; row += 4) {
        work(row, std::integral_constant<int, 4>());
    }
    if (row + 2 <= rows) {
        work(row, std::integral_constant<int, 2>());
        row += 2;
    }
    if (row < rows) {
        work(row, std::integral_constant<int, 1>());
    }
}

// scores[ROWS][TILE] of some rows with n keys, a multiple of KEYS, that are `apart` elements apart
template <int ROWS, int KEYS, typename T>
void dot_keys(float * scores, const float * queries, const T * keys, int64_t apart, int n, int size) {
    for (int key = 0; key < n; key += KEYS) {
        for (int j = 0; j < KEYS; j++) {
            fetch(keys + (key + j + AHEAD) * apart, size * sizeof(T));
        }
        vec sums[ROWS][KEYS];
        for (int row = 0; row < ROWS; row++) {
            for (int j = 0; j < KEYS; j++) {
                sums[row][j] = all(0.0f);
            }
        }
        for (int d = 0; d < size; d += LANES) {
            vec k[KEYS];
            for (int j = 0; j < KEYS; j++) {
                k[j] = load(keys + (key + j) * apart + d);
            }
            for (int row = 0; row < ROWS; row++) {
                const vec q = load(queries + row * size + d);
                for (int j = 0; j < KEYS; j++) {
                    sums[row][j] = fma(q, k[j], sums[row][j]);
                }
            }
        }
        for (int row = 0; row < ROWS; row++) {
            for (int j = 0; j < KEYS; j++) {
                scores[row * TILE + key + j] = sum(sums[row][j]);
            }
        }
    }
}

template <int ROWS, typename T>
void dot_rows(float * scores, const float * queries, const T * keys, int64_t apart, int n, int size) {
    const int even = n / 4 * 4;
    dot_keys<ROWS, 4>(scores, queries, keys, apart, even, size);
    dot_keys<ROWS, 1>(scores + even, queries, keys + even * apart, apart, n - even, size);
}

template <typename T>
void dot(float * scores, const float * queries, const T * keys, int64_t apart, int n, int rows, int size) {
    by_fours(rows, [&](int row, auto count) {
        dot_rows<decltype(count)::value>(scores + row * TILE, queries + row * size, keys, apart, n, size);
    });
}

// Adds to `sums` of some rows n values of `size`, `apart` elements apart, weighted by `shares[ROWS][TILE]`.
template <int ROWS, int WIDTH, typename T>
void weigh_width(float * sums, const float * shares, const T * values, int64_t apart, int n, int size) {
    vec total[ROWS][WIDTH];
    for (int row = 0; row < ROWS; row++) {
        for (int j = 0; j < WIDTH; j++) {
            total[row][j] = load(sums + row * size + j * LANES);
        }
    }
    for (int i = 0; i < n; i++) {
        fetch(values + (i + AHEAD) * apart, WIDTH * LANES * sizeof(T));
        vec v[WIDTH];
        for (int j = 0; j < WIDTH; j++) {
            v[j] = load(values + i * apart + j * LANES);
        }
        for (int row = 0; row < ROWS; row++) {
            const vec share = all(shares[row * TILE + i]);
            for (int j = 0; j < WIDTH; j++) {
                total[row][j] = fma(share, v[j], total[row][j]);
            }
        }
    }
    for (int row = 0; row < ROWS; row++) {
        for (int j = 0; j < WIDTH; j++) {
            store(sums + row * size + j * LANES, total[row][j]);
        }
    }
}

template <int ROWS, typename T>
void weigh_rows(float * sums, const float * shares, const T * values, int64_t apart, int n, int size) {
    int d = 0;
    for (; d + WIDE * LANES <= size; d += WIDE * LANES) {
        weigh_width<ROWS, WIDE>(sums + d, shares, values + d, apart, n, size);
    }
    for (; d < size; d += LANES) {
        weigh_width<ROWS, 1>(sums + d, shares, values + d, apart, n, size);
    }
}

#if defined(__AVX512F__)
// Sixteen rows of sixteen numbers become columns, which are TILE apart.
void turn(const vec * rows, float * to) {
    vec twos[LANES], fours[LANES];
    for (int i = 0; i < LANES; i += 2) {
        twos[i] = _mm512_unpacklo_ps(rows[i], rows[i + 1]);
        twos[i + 1] = _mm512_unpackhi_ps(rows[i], rows[i + 1]);
    }
    for (int i = 0; i < LANES; i += 4) {
        for (int half = 0; half < 2; half++) {
            const __m512d low = _mm512_castps_pd(twos[i + half]), high = _mm512_castps_pd(twos[i + half + 2]);
            fours[i + 2 * half] = _mm512_castpd_ps(_mm512_unpacklo_pd(low, high));
            fours[i + 2 * half + 1] = _mm512_castpd_ps(_mm512_unpackhi_pd(low, high));
        }
    }
    for (int i = 0; i < 4; i++) {
        const vec even = _mm512_shuffle_f32x4(fours[i], fours[4 + i], 0x88);
        const vec odd = _mm512_shuffle_f32x4(fours[i], fours[4 + i], 0xdd);
        const vec rest = _mm512_shuffle_f32x4(fours[8 + i], fours[12 + i], 0x88);
        const vec last = _mm512_shuffle_f32x4(fours[8 + i], fours[12 + i], 0xdd);
        store(to + i * TILE, _mm512_shuffle_f32x4(even, rest, 0x88));
        store(to + (4 + i) * TILE, _mm512_shuffle_f32x4(odd, last, 0x88));
        store(to + (8 + i) * TILE, _mm512_shuffle_f32x4(even, rest, 0xdd));
        store(to + (12 + i) * TILE, _mm512_shuffle_f32x4(odd, last, 0xdd));
    }
}
#endif

template <typename T>
void weigh(float * sums, const float * shares, const T * values, int64_t apart, int n, int rows, int size) {
    by_fours(rows, [&](int row, auto count) {
        weigh_rows<decltype(count)::value>(sums + row * size, shares + row * TILE, values, apart, n, size);
    });
}

float largest(const float * x) {
    float most[16];
    memcpy(most, x, sizeof(most));
    for (int i = 16; i < TILE; i += 16) {
        for (int j = 0; j < 16; j++) {
            most[j] = x[i + j] > most[j] ? x[i + j] : most[j];
        }
    }
    return *std::max_element(most, most + 16);
}

void as_floats(const ggml_tensor * t, const char * row, float * out, int64_t n) {
    fetch(row + AHEAD * t->nb[1], ggml_row_size(t->type, n));
    switch (t->type) {
        case GGML_TYPE_F32: memcpy(out, row, n * sizeof(float)); break;
        case GGML_TYPE_F16: ggml_cpu_fp16_to_fp32((const ggml_fp16_t *) row, out, n); break;
        case GGML_TYPE_BF16: ggml_cpu_bf16_to_fp32((const ggml_bf16_t *) row, out, n); break;
        default: ggml_get_type_traits(t->type)->to_float(row, out, n);
    }
}

bool readable(const ggml_tensor * t) {
    return t->nb[0] == ggml_type_size(t->type) && (t->type == GGML_TYPE_F32 || ggml_get_type_traits(t->type)->to_float);
}

bool is_plain(const ggml_tensor * t) { return t->type == GGML_TYPE_F16 || t->type == GGML_TYPE_F32; }

// What a token sees of a tile.
enum Sight : uint8_t { NOTHING, SOME, ALL };

Sight look(const uint16_t * mask, int n) {
    unsigned hidden = 0, other = 0;
    for (int i = 0; i < n; i++) {
        hidden += mask[i] == HIDDEN;
        other |= mask[i];
    }
    return hidden == (unsigned) n ? NOTHING : other ? SOME : ALL;
}

struct Attention {
    const ggml_compute_params * params;
    ggml_tensor * dst;
    const ggml_tensor *q, *k, *v, *mask, *sinks;
    int dk, dv;
    int64_t tokens, heads, batches, shared, group, keys;
    int rows;                      // of a block
    int64_t blocks, splits, step;  // blocks of a head of keys; parts of the keys and how many are in one
    float scale, max_bias, softcap, m0, m1;
    uint32_t log2_heads;

    Attention(const ggml_compute_params * params, ggml_tensor * dst)
        : params(params), dst(dst), q(dst->src[0]), k(dst->src[1]), v(dst->src[2]), mask(dst->src[3]), sinks(dst->src[4]),
          dk(k->ne[0]), dv(v->ne[0]), tokens(q->ne[1]), heads(q->ne[2]), batches(q->ne[3]), shared(k->ne[2]),
          group(heads / shared), keys(k->ne[1]) {
        memcpy(&scale, (const float *) dst->op_params + 0, sizeof(float));
        memcpy(&max_bias, (const float *) dst->op_params + 1, sizeof(float));
        memcpy(&softcap, (const float *) dst->op_params + 2, sizeof(float));
        if (softcap != 0.0f) {
            scale /= softcap;
        }
        log2_heads = 1u << (uint32_t) floor(log2(heads));
        m0 = powf(2.0f, -max_bias / log2_heads);
        m1 = powf(2.0f, -(max_bias / 2.0f) / log2_heads);
    }

    bool possible() const {
        return !params->use_ref && q->type == GGML_TYPE_F32 && q->nb[0] == sizeof(float) && readable(k) && readable(v) &&
               dk % LANES == 0 && dv % LANES == 0 && heads % shared == 0 && v->ne[2] == shared && v->ne[3] == k->ne[3] &&
               batches % k->ne[3] == 0 && dst->nb[0] == sizeof(float) &&
               (!mask || (mask->type == GGML_TYPE_F16 && mask->ne[2] == 1 && mask->nb[0] == sizeof(uint16_t)));
    }

    // Chooses blocks and parts: the keys are parted first, since many rows together make the most of what is read.
    void plan() {
        const int64_t all = tokens * group, threads = params->nth;
        const int64_t room = params->wsize / sizeof(float) / (batches * tokens * heads * (2 + dv));
        rows = std::min<int64_t>(MOST_ROWS, all);
        while (true) {
            blocks = (all + rows - 1) / rows;
            const int64_t tasks = batches * shared * blocks, wanted = (TASKS_PER_THREAD * threads + tasks - 1) / tasks;
            splits = std::max<int64_t>(1, std::min({wanted, keys / LEAST_SPLIT, room}));
            if (rows <= LEAST_ROWS || tasks * splits >= LEAST_TASKS_PER_THREAD * threads) {
                break;
            }
            rows = std::max(LEAST_ROWS, rows / 2);
        }
        step = ((keys + splits - 1) / splits + TILE - 1) / TILE * TILE;
        splits = std::max<int64_t>(1, (keys + step - 1) / step);
    }

    float * partial(int64_t batch, int64_t head, int64_t token, int64_t split) const {
        const int64_t at = ((batch * heads + head) * tokens + token) * splits + split;
        return (float *) params->wdata + at * (2 + dv);
    }

    float slope(int64_t head) const {
        return max_bias <= 0.0f    ? 1.0f
               : head < log2_heads ? powf(m0, head + 1)
                                   : powf(m1, 2 * (head - log2_heads) + 1);
    }

    // Writes what one row has come to, the sink of its head counted.
    void finish(int64_t batch, int64_t head, int64_t token, float most, float total, float * values) const {
        if (sinks) {
            const float sink = ((const float *) sinks->data)[head];
            if (sink > most) {
                const float less = expf(most - sink);
                ggml_vec_scale_f32(dv, values, less);
                total = total * less + 1.0f;
            } else {
                total += expf(sink - most);
            }
        }
        ggml_vec_scale_f32(dv, values, total == 0.0f ? 0.0f : 1.0f / total);
        memcpy((char *) dst->data + (batch * tokens * heads + head + token * heads) * dst->nb[1], values, dv * sizeof(float));
    }

    void task(int64_t task) const {
        const int64_t split = task % splits, block = task / splits % blocks;
        const int64_t head = task / (splits * blocks) % shared, batch = task / (splits * blocks * shared);
        const int64_t first = block * rows, here = std::min<int64_t>(rows, tokens * group - first);
        const int64_t token0 = first / group, token1 = (first + here - 1) / group;

        static thread_local std::vector<float> scratch;
        if (scratch.size() < (size_t) (MOST_ROWS + TILE) * (dk + dv) + MOST_ROWS * TILE) {
            scratch.resize((MOST_ROWS + TILE) * (dk + dv) + MOST_ROWS * TILE);
        }
        float * Q = scratch.data();
        float * KQ = Q + rows * dk;
        float * VKQ = KQ + rows * TILE;
        float * K = VKQ + rows * dv;
        float * V = K + TILE * dk;
        float S[MOST_ROWS], M[MOST_ROWS], seen[TILE];
        Sight sight[MOST_ROWS];

        for (int64_t row = 0; row < here; row++) {
            const int64_t token = (first + row) / group, of = head * group + (first + row) % group;
            const float * from = (const float *) ((const char *) q->data + token * q->nb[1] + of * q->nb[2] + batch * q->nb[3]);
            for (int d = 0; d < dk; d++) {
                Q[row * dk + d] = from[d] * scale;
            }
            S[row] = 0.0f;
            M[row] = -INFINITY;
        }
        memset(VKQ, 0, here * dv * sizeof(float));

        const char * k_head = (const char *) k->data + head * k->nb[2] + batch / (batches / k->ne[3]) * k->nb[3];
        const char * v_head = (const char *) v->data + head * v->nb[2] + batch / (batches / v->ne[3]) * v->nb[3];
        const char * masks = mask ? (const char *) mask->data + batch % mask->ne[3] * mask->nb[3] : nullptr;

        const size_t v_row = ggml_row_size(v->type, dv);
        const int64_t end = std::min(keys, (split + 1) * step);
        for (int64_t key = split * step; key < end; key += TILE) {
            const int n = std::min<int64_t>(TILE, end - key);
            int64_t active = here;
            if (mask) {
                active = 0;
                for (int64_t token = token0; token <= token1; token++) {
                    sight[token - token0] = look((const uint16_t *) (masks + token * mask->nb[1]) + key, n);
                    if (sight[token - token0] != NOTHING) {
                        active += std::min((token + 1) * group, first + here) - std::max(token * group, first);
                    }
                }
                if (active == 0) {
                    continue;
                }
            }
            const char * k_tile = k_head + key * k->nb[1];
            const char * v_tile = v_head + key * v->nb[1];
            const bool packed = active >= ROWS_TO_PACK;
            const bool copied = active >= ROWS_TO_COPY || k->type != v->type || !is_plain(k);
            if (packed) {
                pack(k_tile, n, K, KQ, rows * TILE / dk);
            } else if (copied) {
                for (int i = 0; i < n; i++) {
                    as_floats(k, k_tile + i * k->nb[1], K + i * dk, dk);
                }
            }
            for (int i = 0; i < std::min(n, AHEAD); i++) {
                fetch(v_tile + i * v->nb[1], v_row);
            }
            if (copied) {
                for (int i = 0; i < n; i++) {
                    as_floats(v, v_tile + i * v->nb[1], V + i * dv, dv);
                }
                memset(V + n * dv, 0, (TILE - n) * dv * sizeof(float));
            }

            // the rows that see any of the tile, as many together as lie beside each other
            for (int64_t row = 0, stop; row < here; row = stop) {
                const auto blind = [&](int64_t at) { return mask && sight[(first + at) / group - token0] == NOTHING; };
                for (; row < here && blind(row); row++) {
                }
                for (stop = row; stop < here && !blind(stop); stop++) {
                }
                if (row == stop) {
                    break;
                }
                const int run = stop - row;
                float * scores = KQ + row * TILE;
                if (packed) {
                    memset(scores, 0, run * TILE * sizeof(float));
                    simd_gemm(scores, Q + row * dk, K, run, dk, TILE);
                } else if (copied) {
                    dot(scores, Q + row * dk, K, dk, n, run, dk);
                } else if (k->type == GGML_TYPE_F16) {
                    dot(scores, Q + row * dk, (const ggml_fp16_t *) k_tile, k->nb[1] / sizeof(ggml_fp16_t), n, run, dk);
                } else {
                    dot(scores, Q + row * dk, (const float *) k_tile, k->nb[1] / sizeof(float), n, run, dk);
                }
                if (softcap != 0.0f) {
                    ggml_vec_tanh_f32(run * TILE, scores, scores);
                    ggml_vec_scale_f32(run * TILE, scores, softcap);
                }
                int64_t known = -1;
                for (int64_t at = row; at < stop; at++) {
                    float * x = KQ + at * TILE;
                    const int64_t token = (first + at) / group;
                    if (mask && sight[token - token0] == SOME) {
                        if (token != known) {
                            ggml_cpu_fp16_to_fp32((const ggml_fp16_t *) (masks + token * mask->nb[1]) + key, seen, n);
                            known = token;
                        }
                        const float factor = slope(head * group + (first + at) % group);
                        for (int i = 0; i < n; i++) {
                            x[i] += factor * seen[i];
                        }
                    }
                    std::fill(x + n, x + TILE, -INFINITY);
                    const float most = std::max(M[at], largest(x));
                    if (most == -INFINITY) {
                        memset(x, 0, TILE * sizeof(float));
                        continue;
                    }
                    if (most > M[at]) {
                        const float less = expf(M[at] - most);
                        ggml_vec_scale_f32(dv, VKQ + at * dv, less);
                        S[at] *= less;
                        M[at] = most;
                    }
                    S[at] += ggml_vec_soft_max_f32(TILE, x, x, most);
                }
                float * values = VKQ + row * dv;
                if (packed) {
                    simd_gemm(values, scores, V, run, TILE, dv);
                } else if (copied) {
                    weigh(values, scores, V, dv, n, run, dv);
                } else if (v->type == GGML_TYPE_F16) {
                    weigh(values, scores, (const ggml_fp16_t *) v_tile, v->nb[1] / sizeof(ggml_fp16_t), n, run, dv);
                } else {
                    weigh(values, scores, (const float *) v_tile, v->nb[1] / sizeof(float), n, run, dv);
                }
            }
        }

        for (int64_t row = 0; row < here; row++) {
            const int64_t token = (first + row) / group, of = head * group + (first + row) % group;
            if (splits == 1) {
                finish(batch, of, token, M[row], S[row], VKQ + row * dv);
            } else {
                float * part = partial(batch, of, token, split);
                part[0] = M[row];
                part[1] = S[row];
                memcpy(part + 2, VKQ + row * dv, dv * sizeof(float));
            }
        }
    }

    // Turns n keys round, so that those of a tile lie side by side; there is room for some of them before that.
    void pack(const char * from, int n, float * to, float * room, int some) const {
#if defined(__AVX512F__)
        if (k->type == GGML_TYPE_F16) {
            return pack_halves(from, n, to);
        }
#endif
        for (int i = 0; i < n; i += some) {
            const int count = std::min(some, n - i);
            for (int j = 0; j < count; j++) {
                as_floats(k, from + (i + j) * k->nb[1], room + j * dk, dk);
            }
            for (int d = 0; d < dk; d++) {
                for (int j = 0; j < count; j++) {
                    to[d * TILE + i + j] = room[j * dk + d];
                }
            }
        }
        for (int d = 0; n < TILE && d < dk; d++) {
            memset(to + d * TILE + n, 0, (TILE - n) * sizeof(float));
        }
    }

#if defined(__AVX512F__)
    void pack_halves(const char * from, int n, float * to) const {
        for (int key = 0; key < TILE; key += LANES) {
            for (int d = 0; d < dk; d += LANES) {
                vec rows[LANES];
                for (int i = 0; i < LANES; i++) {
                    const char * row = from + (key + i) * k->nb[1];
                    rows[i] = key + i < n ? load((const ggml_fp16_t *) row + d) : all(0.0f);
                    fetch(row + AHEAD * k->nb[1] + d * sizeof(ggml_fp16_t), LANES * sizeof(ggml_fp16_t));
                }
                turn(rows, to + d * TILE + key);
            }
        }
    }
#endif

    void join(int64_t row) const {
        const int64_t token = row % tokens, head = row / tokens % heads, batch = row / (tokens * heads);
        float * sum = partial(batch, head, token, 0);
        for (int64_t split = 1; split < splits; split++) {
            const float * part = partial(batch, head, token, split);
            const float most = std::max(sum[0], part[0]);
            if (part[1] == 0.0f) {
                continue;
            }
            const float old_share = expf(sum[0] - most), new_share = expf(part[0] - most);
            for (int d = 0; d < dv; d++) {
                sum[2 + d] = sum[2 + d] * old_share + part[2 + d] * new_share;
            }
            sum[1] = sum[1] * old_share + part[1] * new_share;
            sum[0] = most;
        }
        finish(batch, head, token, sum[0], sum[1], sum + 2);
    }

    void run() const {
        if (params->ith == 0) {
            ggml_threadpool_chunk_set(params->threadpool, params->nth);
        }
        ggml_barrier(params->threadpool);
        const int64_t tasks = batches * shared * blocks * splits;
        for (int64_t at = params->ith; at < tasks; at = ggml_threadpool_chunk_add(params->threadpool, 1)) {
            task(at);
        }
        if (splits > 1) {
            ggml_barrier(params->threadpool);
            for (int64_t row = params->ith; row < batches * heads * tokens; row += params->nth) {
                join(row);
            }
        }
    }
};

}  // namespace

extern "C" void ggml_compute_forward_flash_attn_ext(const ggml_compute_params * params, ggml_tensor * dst) {
    Attention attention(params, dst);
    if (attention.possible()) {
        attention.plan();
        attention.run();
    } else {
        puna_llama_flash_attn_ext(params, dst);
    }
}

#else

extern "C" void ggml_compute_forward_flash_attn_ext(const ggml_compute_params * params, ggml_tensor * dst) {
    puna_llama_flash_attn_ext(params, dst);
}

#endif
