// Compares attention on the processor with one that is computed in the plainest way, in doubles; ends with 1 if they
// differ. Each line of the output is one case.

#include "ggml-cpu.h"
#include "ggml.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <random>
#include <vector>

struct Case {
    int heads, shared, dk, dv, keys, tokens;
    ggml_type type = GGML_TYPE_F16;
    char mask = 'c';  // n: none, c: causal, g: tokens of conversations that lie apart, h: nothing is seen by some
    bool sinks = false;
    float max_bias = 0.0f, softcap = 0.0f;
    int batches = 1, threads = 2;
};

static std::mt19937 rng(7);

static float normal() { return std::normal_distribution<float>()(rng); }

static bool sees(const Case & c, int token, int key) {
    switch (c.mask) {
        case 'c': return key <= c.keys - c.tokens + token;
        case 'g': return key % (7 * (token % 3 + 1)) < 5 && key / 90 % 3 == token % 3;
        case 'h': return token % 2 == 0 && key < c.keys / 2;
        default: return true;
    }
}

// Fills a tensor, and returns what it holds, rounded as it holds it.
static std::vector<float> fill(ggml_tensor * t) {
    const auto * traits = ggml_get_type_traits(t->type);
    std::vector<float> values(ggml_nelements(t));
    const int64_t size = t->ne[0];
    for (int64_t row = 0; row < ggml_nrows(t); row++) {
        float * here = values.data() + row * size;
        std::generate(here, here + size, normal);
        void * place = (char *) t->data + row * t->nb[1];
        if (t->type == GGML_TYPE_F32) {
            std::copy(here, here + size, (float *) place);
        } else {
            traits->from_float_ref(here, place, size);
            traits->to_float(place, here, size);
        }
    }
    return values;
}

static double differs(const Case & c) {
    const size_t memory = (64u << 20) + (size_t) c.batches * c.keys * c.tokens * 8;
    ggml_context * context = ggml_init({memory, nullptr, false});
    ggml_tensor * q = ggml_new_tensor_4d(context, GGML_TYPE_F32, c.dk, c.heads, c.tokens, c.batches);
    ggml_tensor * k = ggml_new_tensor_4d(context, c.type, c.dk, c.shared, c.keys, c.batches);
    ggml_tensor * v = ggml_new_tensor_4d(context, c.type, c.dv, c.shared, c.keys, c.batches);
    const auto Q = fill(q), K = fill(k), V = fill(v);
    ggml_tensor * mask = nullptr;
    if (c.mask != 'n') {
        mask = ggml_new_tensor_4d(context, GGML_TYPE_F16, c.keys, c.tokens, 1, 1);
        for (int token = 0; token < c.tokens; token++) {
            for (int key = 0; key < c.keys; key++) {
                const float far = c.max_bias > 0 ? -(float) (key % 11) : 0.0f;
                ((ggml_fp16_t *) mask->data)[token * c.keys + key] = ggml_fp32_to_fp16(sees(c, token, key) ? far : -INFINITY);
            }
        }
    }
    const float scale = 1.0f / std::sqrt((float) c.dk);
    const auto side = [&](ggml_tensor * t) { return ggml_permute(context, t, 0, 2, 1, 3); };
    ggml_tensor * out = ggml_flash_attn_ext(context, side(q), side(k), side(v), mask, scale, c.max_bias, c.softcap);
    std::vector<float> sinks;
    if (c.sinks) {
        ggml_tensor * t = ggml_new_tensor_1d(context, GGML_TYPE_F32, c.heads);
        sinks = fill(t);
        ggml_flash_attn_ext_add_sinks(out, t);
    }
    ggml_cgraph * graph = ggml_new_graph(context);
    ggml_build_forward_expand(graph, out);
    ggml_cplan plan = ggml_graph_plan(graph, c.threads, nullptr);
    std::vector<uint8_t> work(plan.work_size + 64);
    plan.work_data = work.data();
    ggml_graph_compute(graph, &plan);

    const int power = 1 << (int) std::floor(std::log2(c.heads));
    double worst = 0.0;
    for (int b = 0; b < c.batches; b++) {
        for (int token = 0; token < c.tokens; token++) {
            for (int head = 0; head < c.heads; head++) {
                const int of = head / (c.heads / c.shared);
                const double slope = c.max_bias <= 0 ? 1.0
                                     : head < power  ? std::pow(2.0, -c.max_bias / power * (head + 1))
                                                     : std::pow(2.0, -c.max_bias / 2 / power * (2 * (head - power) + 1));
                const float * query = &Q[(((size_t) b * c.tokens + token) * c.heads + head) * c.dk];
                double total = c.sinks ? std::exp((double) sinks[head]) : 0.0;
                std::vector<double> sum(c.dv, 0.0);
                for (int key = 0; key < c.keys; key++) {
                    if (c.mask != 'n' && !sees(c, token, key)) {
                        continue;
                    }
                    const size_t row = ((size_t) b * c.keys + key) * c.shared + of;
                    double score = 0.0;
                    for (int d = 0; d < c.dk; d++) {
                        score += (double) query[d] * K[row * c.dk + d];
                    }
                    score *= scale;
                    score = c.softcap ? c.softcap * std::tanh(score / c.softcap) : score;
                    score += c.max_bias > 0 && c.mask != 'n' ? -slope * (key % 11) : 0.0;
                    const double share = std::exp(score);
                    total += share;
                    for (int d = 0; d < c.dv; d++) {
                        sum[d] += share * V[row * c.dv + d];
                    }
                }
                const float * found = (const float *) out->data + (((size_t) b * c.tokens + token) * c.heads + head) * c.dv;
                for (int d = 0; d < c.dv; d++) {
                    const double difference = std::fabs(found[d] - (total ? sum[d] / total : 0.0));
                    worst = std::isfinite(difference) ? std::max(worst, difference) : INFINITY;
                }
            }
        }
    }
    ggml_free(context);
    return worst;
}

int main() {
    std::vector<Case> cases;
    for (int tokens : {1, 2, 3, 5, 8, 17, 63, 64, 65, 130}) {
        for (int keys : {tokens, 63, 64, 65, 513, 1100}) {
            if (keys < tokens) {
                continue;
            }
            for (char mask : {'n', 'c', 'g', 'h'}) {
                cases.push_back({6, 2, 64, 64, keys, tokens, GGML_TYPE_F16, mask});
            }
        }
    }
    for (ggml_type type : {GGML_TYPE_F32, GGML_TYPE_F16, GGML_TYPE_BF16, GGML_TYPE_Q8_0, GGML_TYPE_Q4_0}) {
        for (int tokens : {1, 4, 40}) {
            for (int threads : {1, 3, 8}) {
                cases.push_back({8, 8, 64, 64, 700, tokens, type, 'c', false, 0, 0, 1, threads});
                cases.push_back({8, 1, 128, 128, 2100, tokens, type, 'c', true, 0, 0, 1, threads});
                cases.push_back({12, 4, 96, 96, 300, tokens, type, 'g', true, 8.0f, 0, 2, threads});
                cases.push_back({5, 5, 256, 256, 300, tokens, type, 'c', false, 0, 30.0f, 1, threads});
                cases.push_back({16, 1, 576, 512, 300, tokens, type, 'c', false, 0, 0, 1, threads});
                cases.push_back({128, 1, 64, 64, 300, tokens, type, 'h', true, 0, 0, 3, threads});
                cases.push_back({9, 3, 80, 80, 300, tokens, type == GGML_TYPE_Q8_0 || type == GGML_TYPE_Q4_0 ? GGML_TYPE_F16 : type, 'c'});
            }
        }
    }
    int wrong = 0;
    for (const Case & c : cases) {
        const double difference = differs(c);
        const bool good = difference < 2e-3;
        wrong += !good;
        if (!good) {
            printf("heads %d/%d size %d/%d keys %d tokens %d type %s mask %c sinks %d bias %g cap %g batches %d threads %d: %g\n",
                   c.heads, c.shared, c.dk, c.dv, c.keys, c.tokens, ggml_type_name(c.type), c.mask, c.sinks, c.max_bias,
                   c.softcap, c.batches, c.threads, difference);
        }
    }
    printf("%zu cases, %d differ\n", cases.size(), wrong);
    return wrong != 0;
}
