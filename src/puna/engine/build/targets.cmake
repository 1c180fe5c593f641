# Read when llama.cpp's project begins: how its parts are compiled, settled when all of them are known.

function(puna_targets)
    if(TARGET llama AND PUNA_JOIN)
        # 150 small files, one for each architecture, that all read the same headers, are a few large ones: all but one,
        # whose functions have the names of another's.
        get_target_property(sources llama SOURCES)
        foreach(source ${sources})
            if(NOT source MATCHES "models/" OR source MATCHES "models/glm5-next")
                set_source_files_properties(
                    ${source} TARGET_DIRECTORY llama PROPERTIES SKIP_UNITY_BUILD_INCLUSION ON)
            endif()
        endforeach()
        set_target_properties(llama PROPERTIES UNITY_BUILD ON UNITY_BUILD_BATCH_SIZE ${PUNA_JOIN})
    endif()
    foreach(target ggml-base ggml-cpu)
        if(TARGET ${target})
            target_compile_options(${target} PRIVATE $<$<COMPILE_LANGUAGE:C,CXX>:-O3>)
        endif()
    endforeach()
endfunction()

cmake_language(DEFER DIRECTORY ${CMAKE_CURRENT_SOURCE_DIR} CALL puna_targets)
