// Compares products of rows of weights with columns, as the processor's backend computes them, with sums in doubles.

#include "ggml.h"
#include "ggml-cpu.h"

#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <random>
#include <vector>

// ggml-common.h: what a column becomes for weights in blocks of 256, and in blocks of 32.
struct Wide {
    float d;
    int8_t qs[256];
    int16_t bsums[16];
};
struct Narrow {
    uint16_t d;
    int8_t qs[32];
};

static std::mt19937 random_bits(1);

static int number(int least, int most) {
    return std::uniform_int_distribution<int>(least, most)(random_bits);
}

// A column of numbers that are spread, all largest, all smallest, or in turns.
static int8_t entry(int kind, int place) {
    return kind == 0 ? number(-127, 127) : kind == 1 ? 127 : kind == 2 ? -127 : place % 2 ? 127 : -127;
}

static std::vector<uint8_t> column(ggml_type type, int count, int kind, std::vector<double> & values) {
    const bool wide = type == GGML_TYPE_Q8_K;
    const int length = wide ? 256 : 32;
    std::vector<uint8_t> bytes(count / length * (wide ? sizeof(Wide) : sizeof(Narrow)));
    for (int block = 0; block < count / length; ++block) {
        const float scale = ggml_fp16_to_fp32(ggml_fp32_to_fp16(number(1, 100) / 512.0f));
        Wide all = {};
        all.d = scale;
        for (int place = 0; place < length; ++place) {
            all.qs[place] = entry(kind, place);
            all.bsums[place / 16] += all.qs[place];
            values[block * length + place] = (double)scale * all.qs[place];
        }
        if (wide) {
            memcpy(&bytes[block * sizeof(Wide)], &all, sizeof(Wide));
        } else {
            Narrow part = {ggml_fp32_to_fp16(scale), {}};
            memcpy(part.qs, all.qs, sizeof(part.qs));
            memcpy(&bytes[block * sizeof(Narrow)], &part, sizeof(Narrow));
        }
    }
    return bytes;
}

// A row of blocks with any bits, but for the halves at these places: those are scales, which must be numbers. MXFP4's are
// powers of two, in a byte.
static std::vector<uint8_t> row(ggml_type type, int count, int kind, const std::vector<int> & halves) {
    const size_t size = ggml_type_size(type);
    std::vector<uint8_t> bytes(ggml_row_size(type, count));
    for (uint8_t & byte : bytes) {
        byte = kind == 0 ? number(0, 255) : kind == 1 ? 255 : 0;
    }
    for (size_t block = 0; block < bytes.size(); block += size) {
        for (const int place : halves) {
            const ggml_fp16_t scale = ggml_fp32_to_fp16(number(-100, 100) / 1024.0f);
            memcpy(&bytes[block + place], &scale, sizeof(scale));
        }
        if (type == GGML_TYPE_MXFP4) {
            bytes[block] = number(0, 9) ? number(115, 128) : number(0, 2); // from 2 on the bits mean something else
        }
    }
    return bytes;
}

static int cases = 0, differ = 0;

static void compare(ggml_type type, const char * what, int first, int second, double found, double sum, double size) {
    ++cases;
    if (!(fabs(found - sum) <= 1e-5 * size + 1e-6)) {
        ++differ;
        printf("%s, %s %d and %d: %g, not %g\n", ggml_type_name(type), what, first, second, found, sum);
    }
}

// One row with one column, as for a token of an answer.
static void check_dot(ggml_type type, const std::vector<int> & halves, int blocks, int bits, int entries) {
    const ggml_type_traits_cpu * traits = ggml_get_type_traits_cpu(type);
    const int count = blocks * ggml_blck_size(type);
    std::vector<double> other(count);
    const auto y = column(traits->vec_dot_type, count, entries, other);
    const auto x = row(type, count, bits, halves);
    std::vector<float> weights(count);
    ggml_get_type_traits(type)->to_float(x.data(), weights.data(), count);
    double sum = 0, size = 0;
    for (int place = 0; place < count; ++place) {
        sum += weights[place] * other[place];
        size += fabs(weights[place] * other[place]);
    }
    float found = NAN;
    traits->vec_dot(count, &found, 0, x.data(), 0, y.data(), 0, 1);
    compare(type, "bits and entries", bits, entries, found, sum, size);
}

// Rows with columns, as for a prompt. Columns are numbers that their quantised form has exactly.
static void check_matrix(ggml_type type, const std::vector<int> & halves, int rows, int columns, int blocks, int bits) {
    const int count = blocks * ggml_blck_size(type);
    ggml_context * context = ggml_init({64u << 20, nullptr, false});
    ggml_tensor * a = ggml_new_tensor_2d(context, type, count, rows);
    ggml_tensor * b = ggml_new_tensor_2d(context, GGML_TYPE_F32, count, columns);
    std::vector<float> weights((size_t)count * rows);
    for (int number = 0; number < rows; ++number) {
        const auto bytes = row(type, count, bits, halves);
        memcpy((char *)a->data + number * a->nb[1], bytes.data(), bytes.size());
        ggml_get_type_traits(type)->to_float(bytes.data(), &weights[(size_t)number * count], count);
    }
    float * values = (float *)b->data;
    for (int place = 0; place < count * columns; ++place) {
        values[place] = (place % 32 ? number(-127, 127) : 127) * 0.125f;
    }
    ggml_tensor * product = ggml_mul_mat(context, a, b);
    ggml_cgraph * graph = ggml_new_graph(context);
    ggml_build_forward_expand(graph, product);
    ggml_graph_compute_with_ctx(context, graph, 2);
    for (int column = 0; column < columns; ++column) {
        for (int number = 0; number < rows; ++number) {
            double sum = 0, size = 0;
            for (int place = 0; place < count; ++place) {
                const double part = (double)weights[(size_t)number * count + place] * values[column * count + place];
                sum += part;
                size += fabs(part);
            }
            compare(type, "row and column", number, column, ((float *)product->data)[column * rows + number], sum, size);
        }
    }
    ggml_free(context);
}

// Matrices of which each token has some, with one column for all of them or one for each, as in a mixture of experts.
static void check_experts(ggml_type type, const std::vector<int> & halves, int rows, int tokens, int experts, bool same) {
    const int used = 2, count = 2 * ggml_blck_size(type), columns = same ? 1 : used;
    ggml_context * context = ggml_init({64u << 20, nullptr, false});
    ggml_tensor * a = ggml_new_tensor_3d(context, type, count, rows, experts);
    ggml_tensor * b = ggml_new_tensor_3d(context, GGML_TYPE_F32, count, columns, tokens);
    ggml_tensor * ids = ggml_new_tensor_2d(context, GGML_TYPE_I32, used, tokens);
    std::vector<float> weights((size_t)count * rows * experts);
    for (int number = 0; number < rows * experts; ++number) {
        const auto bytes = row(type, count, 0, halves);
        memcpy((char *)a->data + number * a->nb[1], bytes.data(), bytes.size());
        ggml_get_type_traits(type)->to_float(bytes.data(), &weights[(size_t)number * count], count);
    }
    float * values = (float *)b->data;
    for (int place = 0; place < count * columns * tokens; ++place) {
        values[place] = (place % 32 ? number(-127, 127) : 127) * 0.125f;
    }
    int32_t * chosen = (int32_t *)ids->data;
    for (int token = 0; token < tokens; ++token) {
        chosen[token * used] = number(0, experts - 1);
        chosen[token * used + 1] = (chosen[token * used] + number(1, experts - 1)) % experts;
    }
    ggml_tensor * product = ggml_mul_mat_id(context, a, b, ids);
    ggml_cgraph * graph = ggml_new_graph(context);
    ggml_build_forward_expand(graph, product);
    ggml_graph_compute_with_ctx(context, graph, 2);
    for (int at = 0; at < used * tokens; ++at) {
        const float * column = values + (size_t)(same ? at / used : at) * count;
        for (int number = 0; number < rows; ++number) {
            const float * weight = &weights[((size_t)chosen[at] * rows + number) * count];
            double sum = 0, size = 0;
            for (int place = 0; place < count; ++place) {
                sum += (double)weight[place] * column[place];
                size += fabs((double)weight[place] * column[place]);
            }
            compare(type, "row and place", number, at, ((float *)product->data)[(size_t)at * rows + number], sum, size);
        }
    }
    ggml_free(context);
}

int main() {
    const struct {
        ggml_type type;
        std::vector<int> halves;
    } kinds[] = {{GGML_TYPE_Q4_K, {0, 2}}, {GGML_TYPE_Q5_K, {0, 2}}, {GGML_TYPE_Q6_K, {208}},
                 {GGML_TYPE_IQ4_XS, {0}},  {GGML_TYPE_Q8_0, {0}},    {GGML_TYPE_Q5_0, {0}},
                 {GGML_TYPE_Q4_0, {0}},    {GGML_TYPE_IQ4_NL, {0}},  {GGML_TYPE_MXFP4, {}}};
    ggml_cpu_init();
    for (int blocks = 1; blocks <= 16; ++blocks) {
        for (int bits = 0; bits < 3; ++bits) {
            for (const auto & kind : kinds) {
                for (int entries = 0; entries < 4; ++entries) {
                    check_dot(kind.type, kind.halves, blocks, bits, entries);
                }
            }
        }
    }
    for (const auto & kind : kinds) {
        for (int columns = 1; columns <= 19; ++columns) {
            for (const int rows : {1, 15, 16, 17, 50, 300}) {
                check_matrix(kind.type, kind.halves, rows, columns, 1 + columns % 3 * 4, columns % 3);
            }
        }
    }
    for (const auto & kind : kinds) {
        for (const int tokens : {1, 2, 3, 7, 20, 65}) {
            for (const int rows : {1, 16, 50}) {
                check_experts(kind.type, kind.halves, rows, tokens, 2 + tokens % 3 * 2, tokens % 2);
            }
        }
    }
    printf("%d cases, %d differ\n", cases, differ);
    return differ != 0;
}
