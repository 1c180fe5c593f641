// llama.cpp's vocabularies, which take most of the time of a load. Each token is compared with some seventy that are
// known: nearly all differ in length, so that is looked at first, and without a call. And for the log all tokens are put
// into one text, of which forty letters are kept.

#include "gguf.h"
#include "llama-impl.h"

#include <cstring>
#include <string>

__attribute__((always_inline)) inline bool operator==(const std::string & text, const char * known) {
    const size_t length = __builtin_strlen(known); // a constant where it is called
    return text.size() == length && __builtin_memcmp(text.data(), known, length) == 0;
}

// What llama-model-loader.cpp takes for gguf_kv_to_str.
std::string puna_kv_to_str(const gguf_context * file, int key) {
    constexpr size_t SHORT = 64;
    const bool is_long = gguf_get_kv_type(file, key) == GGUF_TYPE_ARRAY && gguf_get_arr_n(file, key) > SHORT;
    return is_long ? "[...]" : gguf_kv_to_str(file, key);
}

#include "llama-vocab.cpp"
