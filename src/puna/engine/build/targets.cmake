# Read when llama.cpp's project begins: how its parts are compiled, settled when all of them are known.

# Compile some files of a target together, BATCH at a time: they all read the same headers. NOT are those whose names
# are also another's.
function(puna_join target batch files not)
    if(NOT TARGET ${target})
        return()
    endif()
    get_target_property(sources ${target} SOURCES)
    get_target_property(place ${target} SOURCE_DIR)
    foreach(source ${sources})
        cmake_path(ABSOLUTE_PATH source BASE_DIRECTORY ${place})
        if(NOT source MATCHES "${files}" OR source MATCHES "${not}")
            set_source_files_properties(
                ${source} TARGET_DIRECTORY ${target} PROPERTIES SKIP_UNITY_BUILD_INCLUSION ON)
        endif()
    endforeach()
    set_target_properties(${target} PROPERTIES UNITY_BUILD ON UNITY_BUILD_BATCH_SIZE ${batch})
endfunction()

# Call functions by other names in one file of a target: NAME=OTHER, any number of them.
function(puna_rename target file)
    get_target_property(sources ${target} SOURCES)
    list(FILTER sources INCLUDE REGEX "(^|/)${file}$")
    get_target_property(place ${target} SOURCE_DIR)
    cmake_path(ABSOLUTE_PATH sources BASE_DIRECTORY ${place})
    set_source_files_properties(${sources} TARGET_DIRECTORY ${target} PROPERTIES COMPILE_DEFINITIONS "${ARGN}")
endfunction()

# Put Puna's products of weights before those of llama.cpp, where there are any for x86.
function(puna_products)
    get_target_property(sources ggml-cpu SOURCES)
    list(FILTER sources INCLUDE REGEX "ggml-cpu/arch/x86/quants\\.c$")
    if(NOT sources)
        return()
    endif()
    foreach(pair q4_K_q8_K q5_K_q8_K q6_K_q8_K iq4_xs_q8_K)
        list(APPEND names ggml_vec_dot_${pair}=puna_llama_vec_dot_${pair})
    endforeach()
    puna_rename(ggml-cpu ggml-cpu/arch/x86/quants.c ${names})
    puna_rename(ggml-cpu ggml-cpu/llamafile/sgemm.cpp llamafile_sgemm=puna_llama_sgemm)
    puna_rename(
        ggml-cpu ggml-cpu/tiled/tiled.cpp
        ggml_compute_forward_mul_mat_tiled=puna_llama_mul_mat_tiled
        ggml_compute_forward_mul_mat_id_tiled=puna_llama_mul_mat_id_tiled)
    foreach(name dots matrices superblocks)
        target_sources(ggml-cpu PRIVATE ${PUNA_SOURCES}/${name}.cpp)
    endforeach()
endfunction()

# Put Puna's attention on a processor before llama.cpp's, which gets another name, and weights into large pages.
function(puna_compute)
    if(NOT TARGET ggml-cpu)
        return()
    endif()
    puna_rename(ggml-cpu ggml-cpu/ops.cpp ggml_compute_forward_flash_attn_ext=puna_llama_flash_attn_ext)
    puna_rename(ggml-cpu ggml-cpu/repack.cpp ggml_backend_buft_alloc_buffer=puna_weights_buffer)
    puna_rename(ggml-cpu ggml-cpu/amx/amx.cpp ggml_aligned_malloc=puna_weights_malloc)
    target_sources(ggml-cpu PRIVATE ${PUNA_SOURCES}/attention.cpp ${PUNA_SOURCES}/weights.cpp)
    puna_products()
endfunction()

# Compile a file of Puna's, which includes it, instead of one of llama.cpp's.
function(puna_stand_in target file other)
    get_target_property(sources ${target} SOURCES)
    if(NOT file IN_LIST sources)
        message(FATAL_ERROR "llama.cpp's ${target} has no ${file}")
    endif()
    list(REMOVE_ITEM sources ${file})
    set_target_properties(${target} PROPERTIES SOURCES "${sources};${PUNA_SOURCES}/${other}")
endfunction()

function(puna_targets)
    if(PUNA_SOURCES)
        puna_compute()
        puna_stand_in(llama-common speculative.cpp drafts.cpp)
        puna_stand_in(server-context server-context.cpp server.cpp)
        target_include_directories(server-context PRIVATE ${PROJECT_SOURCE_DIR}/src)
        puna_stand_in(llama llama-mmap.cpp mapping.cpp)
        puna_stand_in(llama llama-vocab.cpp vocabulary.cpp)
        puna_rename(llama llama-model-loader.cpp gguf_kv_to_str=puna_kv_to_str)
        puna_join(llama 26 "models/" "models/glm5-next")
        puna_join(mtmd 16 "models/" "^$")
        puna_join(llama-common 8 "\\.cpp$" "json\\.cpp$|jinja/|arg\\.cpp$|drafts\\.cpp$")
        puna_join(server-context 4 "\\.cpp$" "server\\.cpp$")
    endif()
    foreach(target ggml-base ggml-cpu)
        if(TARGET ${target})
            target_compile_options(${target} PRIVATE $<$<COMPILE_LANGUAGE:C,CXX>:-O3>)
        endif()
    endforeach()
endfunction()

cmake_language(DEFER DIRECTORY ${CMAKE_CURRENT_SOURCE_DIR} CALL puna_targets)
