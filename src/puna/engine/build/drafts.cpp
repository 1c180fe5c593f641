// Drafts out of what a request expects for its answer, or else out of its prompt, which answers repeat that edit
// something: where the answer goes along with that, the tokens that come next there are verified together, as llama.cpp
// does with what a draft model has guessed. So they change no answer.
//
// llama.cpp's own ways to guess are hidden in the file that has them. This one takes its place and adds another way,
// which comes first.

#include "drafts.h"

#define common_speculative_init puna_llama_speculative_init
#define common_speculative_n_max puna_llama_speculative_n_max
#include "speculative.cpp"
#undef common_speculative_init
#undef common_speculative_n_max

extern "C" {
__attribute__((used)) extern const char puna_drafts[] = "puna: drafts of what a request expects";
}

namespace {

constexpr int MOST_ABSENT = 64; // batches without a slot, after which it is believed to have ended

// How soon something is believed: how many tokens the first draft has, and by how many a place is found again, at first
// and after drafts that were wrong.
struct Trust {
    size_t drafted, least_alike, most_alike;
};

constexpr Trust OF_PREDICTIONS{8, 2, 16};
constexpr Trust OF_PROMPTS{4, 4, 64}; // most answers do not repeat them: hardly anything may be lost then
constexpr size_t SHORT_PROMPT = 128;  // out of which nothing is drafted

// How an answer goes along with what was expected.
class Expectation {
    llama_tokens expected;
    size_t most = 0;            // tokens of a draft
    bool is_prompt = false;     // whether the prompt is what is expected
    Trust trust = OF_PREDICTIONS;
    size_t start = 0, seen = 0; // of a slot's tokens: where the answer begins, and how many of them were looked at
    size_t at = 0;              // of what was expected: what comes next
    size_t drafted = 0, width = 0;
    size_t needed = 0;
    bool is_along = false;

  public:
    bool is_open = false; // whether the answer is being written
    int absent = 0;

    Expectation() = default;

    Expectation(llama_tokens && expected, size_t most, bool looks_up)
        : expected(std::move(expected)), most(most), is_prompt(looks_up && this->expected.empty()),
          trust(is_prompt ? OF_PROMPTS : OF_PREDICTIONS), width(trust.drafted), needed(trust.least_alike) {
    }

    bool is_any() const {
        return most > 0 && (is_prompt || !expected.empty());
    }

    void begin(const llama_tokens & prompt) {
        start = seen = prompt.size();
        is_open = is_any() && (!is_prompt || prompt.size() > SHORT_PROMPT);
        is_along = !is_prompt;
        absent = 0;
        if (is_prompt && is_open) {
            expected = prompt;
        }
    }

    // "tokens" are a slot's, and "last" the one behind them.
    void draft(const llama_tokens & tokens, llama_token last, size_t room, llama_tokens & result) {
        follow(tokens, last);
        drafted = 0;
        if (is_along) {
            drafted = std::min({width, most, room, expected.size() - at});
            result.assign(expected.begin() + at, expected.begin() + at + drafted);
        }
    }

    void learn(size_t accepted) {
        if (accepted == drafted) {
            width = std::min(2 * width, (size_t)PUNA_MOST_DRAFTED);
            needed = trust.least_alike;
        } else if (accepted == 0) {
            width = std::max(width / 2, (size_t)1);
            needed = std::min(2 * needed, trust.most_alike);
        } else {
            width = accepted + 1;
        }
    }

  private:
    void follow(const llama_tokens & tokens, llama_token last) {
        const size_t size = tokens.size() + 1;
        const auto token = [&](size_t place) { return place < tokens.size() ? tokens[place] : last; };
        if (size < seen) { // the context was shifted
            start = std::min(start, size);
            is_along = false;
        }
        for (; is_along && seen < size; seen++) {
            is_along = at < expected.size() && expected[at] == token(seen);
            at += is_along;
        }
        seen = size;
        if (!is_along) {
            is_along = find(token, size);
        }
        is_along = is_along && at < expected.size();
    }

    // Look for the place where the end of the answer stands: where most of it does, then as soon as possible.
    template <typename Token> bool find(const Token & token, size_t size) {
        const size_t whole = std::min(size - start, trust.most_alike);
        size_t best = 0, place = 0;
        for (size_t i = 0; i < expected.size(); i++) {
            const size_t end = (at + i) % expected.size() + 1;
            size_t alike = 0;
            while (alike < std::min(whole, end) && expected[end - 1 - alike] == token(size - 1 - alike)) {
                alike++;
            }
            if (alike > best) {
                best = alike;
                place = end;
            }
        }
        if (best < needed) {
            return false;
        }
        at = place;
        return true;
    }
};

struct expectations : public common_speculative_impl {
    std::vector<Expectation> of_slots;

    explicit expectations(uint32_t slots)
        : common_speculative_impl(COMMON_SPECULATIVE_TYPE_NONE, slots, PUNA_MOST_DRAFTED), of_slots(slots) {
    }

    void begin(llama_seq_id slot, const llama_tokens & prompt) override {
        of_slots[slot].begin(prompt);
    }

    bool process(const common_batch & batch) override {
        for (auto & slot : of_slots) {
            slot.is_open = slot.is_open && ++slot.absent <= MOST_ABSENT;
        }
        for (const auto & token : batch.tokens) {
            of_slots[token.seq_id].absent = 0;
        }
        return true;
    }

    void draft(common_speculative_draft_params_vec & asked) override {
        for (size_t i = 0; i < asked.size(); i++) {
            if (asked[i].drafting && of_slots[i].is_open) {
                of_slots[i].draft(*asked[i].prompt, asked[i].id_last, asked[i].n_max, *asked[i].result);
                asked[i].drafting = !asked[i].result->empty(); // no other guesses: the counts of drafts are of this one
            }
        }
    }

    void accept(llama_seq_id slot, uint16_t accepted, bool is_other) override {
        if (!is_other) {
            of_slots[slot].learn(accepted);
        }
    }
};

expectations & ours(const common_speculative * speculative) {
    return static_cast<expectations &>(*speculative->impls.front());
}

} // namespace

common_speculative * common_speculative_init(common_params_speculative & params, uint32_t slots) {
    common_speculative_ptr made(puna_llama_speculative_init(params, slots));
    if (!made) {
        made.reset(new common_speculative{
            common_speculative_draft_params_vec(slots), {}, std::vector<common_speculative_impl *>(slots), {}});
    }
    made->impls.insert(made->impls.begin(), std::make_unique<expectations>(slots));
    return made.release();
}

int32_t common_speculative_n_max(const common_params_speculative * params) {
    return std::max(puna_llama_speculative_n_max(params), PUNA_MOST_DRAFTED);
}

int32_t common_speculative_n_max(const common_speculative * speculative) {
    return puna_llama_speculative_n_max(speculative);
}

bool puna_expect(
        common_speculative * speculative, llama_seq_id slot, llama_tokens && expected, int32_t most, bool looks_up) {
    auto & place = ours(speculative).of_slots[slot];
    place = Expectation(std::move(expected), std::clamp(most, 0, PUNA_MOST_DRAFTED), looks_up);
    return place.is_any() || speculative->impls.size() > 1;
}

bool puna_is_drafting(const common_speculative * speculative) {
    const auto & slots = ours(speculative).of_slots;
    return speculative->impls.size() > 1 ||
           std::any_of(slots.begin(), slots.end(), [](const Expectation & slot) { return slot.is_open; });
}
