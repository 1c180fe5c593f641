// What the server of a build says to what drafts for it (drafts.cpp).

#pragma once

#include "speculative.h"

#include <cstdint>

constexpr int32_t PUNA_MOST_DRAFTED = 16; // tokens at a time, for each of which there is room in the engine's outputs

// Tell what the next answer of a slot is expected to be, in tokens; none for no expectation, and then what its prompt
// says if it "looks up" that. "most" is how many may be drafted at a time. Returns whether anything may draft for the
// slot then.
bool puna_expect(
    common_speculative * speculative, llama_seq_id slot, llama_tokens && expected, int32_t most, bool looks_up);

// Return whether anything may draft for any slot now.
bool puna_is_drafting(const common_speculative * speculative);
