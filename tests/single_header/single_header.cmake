# Makes one header of all that include/coproc.hpp includes:
#
#   cmake [-DOUT=folder] [-DFORWARDS=folder] -P tests/single_header/single_header.cmake
#
# In OUT (by default single_header/ here) are then coproc.hpp, and beside it, under the names that they have in include/,
# the headers that it leaves out because of what they cost. In FORWARDS, if named, is a line under the name of each other
# header that includes the one: with both folders, code that names headers one by one, as the tests do, sees only it.
#
# Each header comes once, behind those that it includes, so it must include its own kind before it says anything. One
# that is for one system alone is known by its name, and stands within that system's #if.
cmake_minimum_required(VERSION 3.25)

cmake_path(SET root NORMALIZE "${CMAKE_CURRENT_LIST_DIR}/../..")
set(include "${root}include")
if(NOT OUT)
    set(OUT "${CMAKE_CURRENT_BINARY_DIR}/single_header")
endif()
file(REAL_PATH "${OUT}" OUT)
if(EXISTS "${OUT}/coproc/core")
    message(FATAL_ERROR "${OUT} has coproc in many headers: name another folder")
endif()

set(first_lines "#pragma once\n// SPDX-License-Identifier: BSL-1.0\n//\n")
set(own_include "[ \t]*#[ \t]*include[ \t]+\"([^\"]+)\"[^\n]*")

set(epoll_if "defined(__linux__) && !defined(COPROC_BACKEND_KQUEUE)")
set(kqueue_if "!defined(__linux__) || defined(COPROC_BACKEND_KQUEUE)")
set(linux_if "defined(__linux__)")
set(bsd_if "!defined(__linux__)")

# The condition under which a header can be compiled; empty for everywhere.
function(condition_of header result)
    set(condition "")
    if(header MATCHES "/platform/([a-z_]*_)?(epoll|kqueue|linux|bsd)\\.hpp$")
        set(condition "${${CMAKE_MATCH_2}_if}")
    endif()
    set(${result} "${condition}" PARENT_SCOPE)
endfunction()

# The project's headers that `header` includes, by their paths below include/.
function(includes_of header result)
    file(STRINGS "${include}/${header}" lines REGEX "^${own_include}$")
    cmake_path(GET header PARENT_PATH folder)
    set(found "")
    foreach(line IN LISTS lines)
        string(REGEX REPLACE "^${own_include}$" "\\1" path "${line}")
        string(REGEX REPLACE "^/" "" included "${folder}/${path}")
        cmake_path(NORMAL_PATH included)
        if(NOT EXISTS "${include}/${included}")
            message(FATAL_ERROR "${header} includes ${included}, which is not there")
        endif()
        list(APPEND found "${included}")
    endforeach()
    set(${result} "${found}" PARENT_SCOPE)
endfunction()

# Appends `header` to the list `order`, behind those that it includes.
function(put_in_order header)
    get_property(state GLOBAL PROPERTY "state of ${header}")
    if(state STREQUAL "done")
        return()
    elseif(state STREQUAL "under way")
        message(FATAL_ERROR "${header} includes itself by way of others")
    endif()
    set_property(GLOBAL PROPERTY "state of ${header}" "under way")
    includes_of("${header}" all)
    foreach(included IN LISTS all)
        put_in_order("${included}")
    endforeach()
    set_property(GLOBAL PROPERTY "state of ${header}" "done")
    set_property(GLOBAL APPEND PROPERTY order "${header}")
endfunction()

# What a header says, without its first lines and without including others of the project. What it includes of the
# standard library and the system goes to the list `outside`, but for what stands within an #if, and what one system's
# header includes of the system.
function(read_body header result)
    file(READ "${include}/${header}" text)
    string(FIND "${text}" "${first_lines}" at)
    if(NOT at EQUAL 0)
        message(FATAL_ERROR "${header} does not begin as all do")
    endif()
    string(LENGTH "${first_lines}" length)
    string(SUBSTRING "${text}" ${length} -1 text)

    condition_of("${header}" condition)
    set(depth 0)
    set(code_seen FALSE)
    set(body "")
    set(text "\n${text}") # so that each directive has the end of a line before it
    while(text MATCHES "\n[ \t]*#[ \t]*([a-z]+)([^\n]*)")
        set(whole "${CMAKE_MATCH_0}")
        set(directive "${CMAKE_MATCH_1}")
        set(rest "${CMAKE_MATCH_2}")
        string(FIND "${text}" "${whole}" at)
        string(LENGTH "${whole}" length)
        string(SUBSTRING "${text}" 0 ${at} before)
        math(EXPR at "${at} + ${length}")
        string(SUBSTRING "${text}" ${at} -1 text)
        string(APPEND body "${before}")
        if(before MATCHES "\nnamespace ")
            set(code_seen TRUE)
        endif()

        if(directive STREQUAL "include" AND rest MATCHES "\"")
            if(code_seen)
                message(FATAL_ERROR "${header} includes${rest} behind code of its own")
            endif()
            continue()
        elseif(directive STREQUAL "include" AND depth EQUAL 0 AND (NOT condition OR NOT rest MATCHES "\\.h>"))
            string(REGEX REPLACE ".*<([^>]+)>.*" "\\1" name "${rest}")
            set_property(GLOBAL APPEND PROPERTY outside "${name}")
            continue()
        elseif(directive MATCHES "^if")
            math(EXPR depth "${depth} + 1")
        elseif(directive STREQUAL "endif")
            math(EXPR depth "${depth} - 1")
        elseif(directive STREQUAL "define" AND NOT rest MATCHES "^ COPROC_[A-Z_]+")
            message(FATAL_ERROR "${header} defines a macro that does not begin with COPROC_:${rest}")
        elseif(directive STREQUAL "pragma" AND rest MATCHES "once")
            message(FATAL_ERROR "${header} has a second #pragma once")
        endif()
        string(APPEND body "${whole}")
    endwhile()
    string(APPEND body "${text}")

    # A choice of own headers has nothing left to choose.
    set(before "")
    while(NOT body STREQUAL before)
        set(before "${body}")
        string(REGEX REPLACE "\n#if[^\n]*\n+(#else[^\n]*\n+)?#endif[^\n]*" "" body "${body}")
        string(REPLACE "\n\n\n" "\n\n" body "${body}")
    endwhile()
    string(STRIP "${body}" body)
    set(${result} "${body}" PARENT_SCOPE)
endfunction()

# ---- The one header --------------------------------------------------------------------------------------------------

file(STRINGS "${root}CMakeLists.txt" version REGEX "^project\\(coproc VERSION [0-9.]+ ")
string(REGEX REPLACE "^project\\(coproc VERSION ([0-9.]+) .*" "\\1" version "${version}")
if(NOT version MATCHES "^[0-9]+\\.[0-9]+\\.[0-9]+$")
    message(FATAL_ERROR "the version in CMakeLists.txt cannot be read: \"${version}\"")
endif()
file(READ "${root}LICENSE" licence)
string(STRIP "${licence}" licence)
string(REPLACE "\n" "\n// " licence "\n${licence}")
string(REPLACE "// \n" "//\n" licence "${licence}")

put_in_order("coproc.hpp")
get_property(order GLOBAL PROPERTY order)
list(REMOVE_ITEM order "coproc.hpp")

set(bodies "")
foreach(header IN LISTS order)
    read_body("${header}" body)
    condition_of("${header}" condition)
    if(condition)
        set(body "#if ${condition}\n\n${body}\n\n#endif // ${condition}")
    endif()
    string(LENGTH "// ---- ${header} " length)
    math(EXPR length "120 - ${length}")
    string(REPEAT "-" ${length} rule)
    string(APPEND bodies "\n// ---- ${header} ${rule}\n\n${body}\n")
endforeach()

# Those of the system first, as in each header, and of them sys/types.h, which others need on some.
get_property(outside GLOBAL PROPERTY outside)
list(REMOVE_DUPLICATES outside)
list(SORT outside)
set(system "#include <sys/types.h>\n")
set(standard "")
foreach(name IN LISTS outside)
    if(name STREQUAL "sys/types.h")
        continue()
    elseif(name MATCHES "\\.h$")
        string(APPEND system "#include <${name}>\n")
    else()
        string(APPEND standard "#include <${name}>\n")
    endif()
endforeach()

file(WRITE "${OUT}/coproc.hpp" "#pragma once
// SPDX-License-Identifier: BSL-1.0
//
// coproc ${version}: child processes for C++20 coroutines, all in one header. Made from its many by
// tests/single_header/single_header.cmake: change those.
//
// Compile with -std=c++20 or newer, and with GCC from -O2 on with -fno-tree-slp-vectorize: GCC 12 otherwise makes wrong
// code of a coroutine that fills a vector in a loop with a co_await and returns it.
//${licence}

#if defined(COPROC_HPP)
#error \"two copies of coproc.hpp are included\"
#endif
#define COPROC_HPP

${system}
${standard}${bodies}")

# ---- Beside it, and in its place ---------------------------------------------------------------------------------------

file(GLOB_RECURSE all RELATIVE "${include}" "${include}/coproc/*.hpp")
foreach(header IN LISTS all)
    cmake_path(GET header PARENT_PATH folder)
    string(REGEX REPLACE "[^/]+" ".." up "${folder}")
    if(NOT header IN_LIST order)
        # On its own: what it needs of the others comes from the one.
        file(READ "${include}/${header}" text)
        includes_of("${header}" needed)
        set(before "#include \"${up}/coproc.hpp\"\n")
        foreach(included IN LISTS needed)
            cmake_path(GET included FILENAME name)
            if(included IN_LIST order)
                string(REGEX REPLACE "#[ \t]*include[ \t]+\"[^\"\n]*/${name}\"[^\n]*\n" "${before}" text "${text}")
                string(REGEX REPLACE "#[ \t]*include[ \t]+\"${name}\"[^\n]*\n" "${before}" text "${text}")
                set(before "")
            endif()
        endforeach()
        file(WRITE "${OUT}/${header}" "${text}")
    elseif(FORWARDS)
        file(WRITE "${FORWARDS}/${header}" "#include <coproc.hpp>\n")
    endif()
endforeach()
