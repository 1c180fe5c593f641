// llama.cpp's server, whose requests may say what they expect for an answer ("puna_prediction", a text), or that it may
// repeat what the prompt says ("puna_lookup"): drafts.cpp. And whose steps wait for no other thread where they are short,
// and whose models are there without having computed anything.

#include "drafts.h"
#include "llama-kv-cache-iswa.h"
#include "server-queue.h"
#include "server-schema.h"

#include <typeinfo>

namespace server_schema {

// What is asked travels in places of a request's parameters that llama.cpp reads of its start's alone: the tokens of what
// is expected, and whether there is anything in the other one.
static task_params puna_params(
        const llama_vocab * vocab, const common_params & base, const std::vector<llama_logit_bias> & biases,
        const json & data) {
    task_params params = eval_llama_cmpl_schema(vocab, base, biases, data);
    const llama_tokens expected = common_tokenize(vocab, json_value(data, "puna_prediction", std::string()), false);
    params.speculative.ngram_cache.lookup_cache_dynamic.assign(
        (const char *)expected.data(), expected.size() * sizeof(llama_token));
    params.speculative.ngram_cache.lookup_cache_static = json_value(data, "puna_lookup", false) ? "prompt" : "";
    return params;
}

} // namespace server_schema

// Return what drafts for a slot from now on, if anything does. No more is kept of what is expected than a slot's context
// holds. Where the cache cannot be cut back to what was right, and where the probabilities of all tokens are asked for,
// which nobody has of drafted ones, nothing is drafted.
static common_speculative * puna_speculative(
        common_speculative * speculative, int slot, const task_params & params, common_context_seq_rm_type cut,
        int32_t context, int32_t most) {
    const std::string & bytes = params.speculative.ngram_cache.lookup_cache_dynamic;
    llama_tokens expected(std::min<size_t>(bytes.size() / sizeof(llama_token), std::max(context, 0)));
    std::copy_n((const llama_token *)bytes.data(), expected.size(), expected.begin());
    bool looks_up = !params.speculative.ngram_cache.lookup_cache_static.empty();
    if (cut != COMMON_CONTEXT_SEQ_RM_TYPE_PART || params.sampling.n_probs > 0) {
        expected.clear();
        looks_up = false;
    }
    return speculative && puna_expect(speculative, slot, std::move(expected), most, looks_up) ? speculative : nullptr;
}

// Without anything that drafts now the server goes its way as if nothing ever did.
struct puna_speculative_ptr : common_speculative_ptr {
    using common_speculative_ptr::common_speculative_ptr;

    explicit operator bool() const {
        return get() && puna_is_drafting(get());
    }
};

// To wake the worker that takes tasks meanwhile, and to wait for it, takes longer than a token of a small model. So it is
// woken where the same work took a while the last time: each call hands over a lambda, whose type no other has.
struct puna_queue : server_queue {
    static constexpr int64_t SHORT = 5000; // microseconds

    template <typename Work> void yield_to_queue(Work && work) {
        static int64_t last = SHORT;
        const int64_t began = ggml_time_us();
        if (last < SHORT) {
            work();
        } else {
            server_queue::yield_to_queue(std::ref(work));
        }
        last = ggml_time_us() - began;
    }
};

// llama.cpp has two tokens computed to see whether the second can be taken back, which reads all weights once. It can be
// where the cache is a plain one, or two of them.
static common_context_seq_rm_type puna_can_cut(llama_context * context) {
    const llama_memory_i * memory = llama_get_memory(context);
    const bool is_plain =
        memory && (typeid(*memory) == typeid(llama_kv_cache) || typeid(*memory) == typeid(llama_kv_cache_iswa));
    return is_plain && llama_n_rs_seq(context) == 0 ? COMMON_CONTEXT_SEQ_RM_TYPE_PART
                                                    : common_context_can_seq_rm(context);
}

#define common_context_can_seq_rm puna_can_cut
#define server_queue puna_queue // also where routes refer to it, as other files do by its name
#define eval_llama_cmpl_schema puna_params
#define common_speculative_ptr puna_speculative_ptr
#define common_sampler_init(model, sampling)                                                                           \
    (slot.spec = puna_speculative(spec.get(), slot.id, task.params, ctx_tgt_seq_rm_type, slot.n_ctx,                   \
                                  (int32_t)(llama_n_batch(ctx_tgt) / slots.size()) - 1),                               \
     common_sampler_init(model, sampling))
#include "server-context.cpp"
