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

function(puna_targets)
    if(PUNA_JOIN)
        puna_join(llama 26 "models/" "models/glm5-next")
        puna_join(mtmd 16 "models/" "^$")
        puna_join(llama-common 8 "\\.cpp$" "json\\.cpp$|jinja/|arg\\.cpp$")
        puna_join(server-context 4 "\\.cpp$" "server-context\\.cpp$")
    endif()
    foreach(target ggml-base ggml-cpu)
        if(TARGET ${target})
            target_compile_options(${target} PRIVATE $<$<COMPILE_LANGUAGE:C,CXX>:-O3>)
        endif()
    endforeach()
endfunction()

cmake_language(DEFER DIRECTORY ${CMAKE_CURRENT_SOURCE_DIR} CALL puna_targets)
