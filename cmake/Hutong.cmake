# What every folder's CMakeLists.txt uses: one static library a folder, tests beside the code.
include(GNUInstallDirs)
find_package(PkgConfig REQUIRED)

set(CMAKE_C_STANDARD 17)
set(CMAKE_C_STANDARD_REQUIRED ON)
set(CMAKE_C_EXTENSIONS OFF)
set(CMAKE_POSITION_INDEPENDENT_CODE ON)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)
set(CMAKE_RUNTIME_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR}/bin)

add_library(hutong_flags INTERFACE)
target_compile_definitions(hutong_flags INTERFACE _GNU_SOURCE HUTONG_VERSION="${PROJECT_VERSION}")
target_compile_options(hutong_flags INTERFACE
  -Wall -Wextra -Wshadow -Wconversion -Wsign-conversion
  $<$<COMPILE_LANGUAGE:C>:-Wstrict-prototypes> $<$<COMPILE_LANGUAGE:C>:-Wmissing-prototypes>
  -Wpointer-arith -Wcast-qual -Wwrite-strings -Wvla -Wformat=2 -Wundef -fno-common
  $<$<C_COMPILER_ID:Clang>:-Wno-cast-qual> # it also looks into the macros of protobuf-c's headers
  $<$<BOOL:${HUTONG_WERROR}>:-Werror>)
target_include_directories(hutong_flags INTERFACE ${PROJECT_SOURCE_DIR})

# hutong_library(NAME SOURCES a.c … LINK lib …): a folder's static library; LINK is public (its edges in the house).
function(hutong_library name)
  cmake_parse_arguments(arg "" "" "SOURCES;LINK" ${ARGN})
  add_library(${name} STATIC ${arg_SOURCES})
  target_link_libraries(${name} PUBLIC hutong_flags ${arg_LINK})
endfunction()

# hutong_program(NAME SOURCES … LINK …)
function(hutong_program name)
  cmake_parse_arguments(arg "" "" "SOURCES;LINK" ${ARGN})
  add_executable(${name} ${arg_SOURCES})
  target_link_libraries(${name} PRIVATE hutong_flags ${arg_LINK})
endfunction()

# hutong_test(NAME SOURCES x_test.c … LINK … [WRAP_ALLOC]): a cmocka program, run by ctest from the source folder.
# WRAP_ALLOC routes malloc, calloc, realloc through test/support/alloc_fail.h, so that a test can fail the N-th.
function(hutong_test name)
  cmake_parse_arguments(arg "WRAP_ALLOC" "" "SOURCES;LINK" ${ARGN})
  add_executable(${name} ${arg_SOURCES})
  target_link_libraries(${name} PRIVATE hutong_flags ${arg_LINK} PkgConfig::cmocka)
  if(arg_WRAP_ALLOC)
    target_link_libraries(${name} PRIVATE hutong_test_support)
    target_link_options(${name} PRIVATE -Wl,--wrap=malloc,--wrap=calloc,--wrap=realloc,--wrap=strdup,--wrap=strndup)
  endif()
  target_compile_definitions(${name} PRIVATE HUTONG_SOURCE_DIR="${PROJECT_SOURCE_DIR}"
                                             HUTONG_BUILD_DIR="${PROJECT_BINARY_DIR}")
  add_test(NAME ${name} COMMAND ${name} WORKING_DIRECTORY ${PROJECT_SOURCE_DIR})
  set_tests_properties(${name} PROPERTIES TIMEOUT 300 LABELS unit) # a busy disk syncs a hundred times slower
endfunction()

# hutong_fuzzer(NAME SOURCES x_fuzz.c LINK … CORPUS dir): defines LLVMFuzzerTestOneInput. Always built; ctest runs the
# corpus. With HUTONG_FUZZERS it is a libFuzzer program, otherwise test/support/fuzz_main.c feeds it the corpus.
function(hutong_fuzzer name)
  cmake_parse_arguments(arg "" "CORPUS" "SOURCES;LINK" ${ARGN})
  add_executable(${name} ${arg_SOURCES})
  target_link_libraries(${name} PRIVATE hutong_flags ${arg_LINK})
  target_compile_definitions(${name} PRIVATE HUTONG_SOURCE_DIR="${PROJECT_SOURCE_DIR}"
                                             HUTONG_BUILD_DIR="${PROJECT_BINARY_DIR}")
  if(HUTONG_FUZZERS)
    target_compile_options(${name} PRIVATE -fsanitize=fuzzer)
    target_link_options(${name} PRIVATE -fsanitize=fuzzer)
    add_test(NAME ${name} COMMAND ${name} -runs=0 ${PROJECT_SOURCE_DIR}/${arg_CORPUS})
  else()
    target_sources(${name} PRIVATE ${PROJECT_SOURCE_DIR}/test/support/fuzz_main.c)
    add_test(NAME ${name} COMMAND ${name} ${PROJECT_SOURCE_DIR}/${arg_CORPUS})
  endif()
  set_tests_properties(${name} PROPERTIES TIMEOUT 120 LABELS fuzz)
endfunction()

# The libraries of the house, each as PkgConfig::name; a folder links only those it uses.
foreach(pair
    zmq:libzmq czmq:libczmq protobufc:libprotobuf-c yaml:yaml-0.1 crypto:libcrypto odbc:odbc curl:libcurl
    xml2:libxml-2.0 microhttpd:libmicrohttpd jansson:jansson pcre2:libpcre2-8 zlib:zlib rdkafka:rdkafka cmocka:cmocka)
  string(REPLACE ":" ";" pair ${pair})
  list(GET pair 0 short)
  list(GET pair 1 module)
  pkg_check_modules(${short} REQUIRED QUIET IMPORTED_TARGET ${module})
endforeach()
