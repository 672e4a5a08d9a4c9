# Dependencies (Debian packages) and the three functions every folder uses: p2p_library, p2p_program, p2p_test.
find_package(Threads REQUIRED)
find_package(Protobuf REQUIRED)  # Debian ships no protobuf-config.cmake: module mode.
find_package(gRPC CONFIG REQUIRED)  # Brings absl::* too.
find_package(OpenSSL REQUIRED)
find_package(SQLite3 REQUIRED)
find_package(SQLiteCpp CONFIG REQUIRED)
find_package(spdlog CONFIG REQUIRED)
find_package(CLI11 CONFIG REQUIRED)
find_package(nlohmann_json CONFIG REQUIRED)
find_package(tomlplusplus CONFIG REQUIRED)
find_package(PkgConfig REQUIRED)
pkg_check_modules(ARGON2 REQUIRED IMPORTED_TARGET libargon2)
pkg_check_modules(EDIT REQUIRED IMPORTED_TARGET libedit)
pkg_check_modules(UTF8PROC REQUIRED IMPORTED_TARGET libutf8proc)

add_library(p2p_asio INTERFACE)
# Asio decides by a macro of libstdc++ that is not there yet when an Asio header comes first: sources would then disagree on
# how coroutine frames are freed.
target_compile_definitions(p2p_asio INTERFACE ASIO_STANDALONE ASIO_NO_DEPRECATED ASIO_HAS_STD_ALIGNED_ALLOC=1
  $<$<CXX_COMPILER_ID:Clang>:ASIO_HAS_CO_AWAIT=1> $<$<CXX_COMPILER_ID:Clang>:ASIO_HAS_STD_COROUTINE=1>)
# g++ 12 takes Asio's frame allocator for a mismatch when a coroutine frame is larger than its cache.
target_compile_options(p2p_asio INTERFACE $<$<CXX_COMPILER_ID:GNU>:-Wno-mismatched-new-delete>)
if(P2P_SANITIZE MATCHES thread)
  # ThreadSanitizer does not model fences; Asio's are only a belt over its mutexes' braces.
  target_compile_definitions(p2p_asio INTERFACE ASIO_DISABLE_FENCED_BLOCK)
endif()
target_link_libraries(p2p_asio INTERFACE Threads::Threads)

add_library(p2p_flags INTERFACE)
target_compile_options(p2p_flags INTERFACE
  -Wall -Wextra -Wshadow -Wnon-virtual-dtor -Woverloaded-virtual -Wcast-align -Wswitch -Werror
  $<$<CXX_COMPILER_ID:Clang>:-Wthread-safety>
  # Debian's gtest and Abseil headers with clang 14 and g++ 12 raise these on correct code.
  $<$<CXX_COMPILER_ID:GNU>:-Wno-maybe-uninitialized> $<$<CXX_COMPILER_ID:GNU>:-Wno-stringop-overflow>
  $<$<CXX_COMPILER_ID:GNU>:-Wno-restrict> $<$<CXX_COMPILER_ID:GNU>:-Wno-stringop-overread>)
# offsetof in a class with private members: conditionally supported, and both compilers do.
target_compile_options(p2p_flags INTERFACE $<$<CXX_COMPILER_ID:Clang>:-Wno-invalid-offsetof>)
if(P2P_FUZZ)  # What a target reaches in the libraries guides it.
  target_compile_options(p2p_flags INTERFACE -fsanitize=fuzzer-no-link
    -Wno-error)  # Clang's warnings end the preset tidy.
endif()
target_include_directories(p2p_flags INTERFACE ${PROJECT_SOURCE_DIR})
if(P2P_SANITIZE)
  target_compile_options(p2p_flags INTERFACE -fsanitize=${P2P_SANITIZE} -fno-omit-frame-pointer
    -fno-sanitize-recover=all)
  target_link_options(p2p_flags INTERFACE -fsanitize=${P2P_SANITIZE})
  # clang 14 puts a mark of this check before the split parts of a coroutine, and cannot assemble it there.
  target_compile_options(p2p_flags INTERFACE $<$<CXX_COMPILER_ID:Clang>:-fno-sanitize=function>)
else()
  target_compile_options(p2p_flags INTERFACE -D_FORTIFY_SOURCE=2 -fstack-protector-strong)
endif()

# For the tests' own sources, after p2p_flags. Checking every pointer that is followed takes a quarter of the compile time of an
# undefined-behaviour build, and most of that is GoogleTest's; the libraries under test are checked in full, and a bad pointer of
# a test still ends under AddressSanitizer.
add_library(p2p_test_flags INTERFACE)
if(P2P_SANITIZE MATCHES undefined)
  target_compile_options(p2p_test_flags INTERFACE -fno-sanitize=null,alignment,object-size,vptr)
endif()

# Sets RESULT when the library includes gRPC's headers, by itself or through another one: clang-tidy is
# slow on each such source. They get the thread-safety analysis like all others, but not clang-tidy.
set_property(GLOBAL PROPERTY P2P_GRPC_LIBRARIES p2p_proto gRPC::grpc++)
function(p2p_speaks_grpc result name)
  get_property(libraries GLOBAL PROPERTY P2P_GRPC_LIBRARIES)
  set(${result} OFF PARENT_SCOPE)
  foreach(dep ${ARGN})
    if(dep IN_LIST libraries)
      set_property(GLOBAL APPEND PROPERTY P2P_GRPC_LIBRARIES ${name})
      set(${result} ON PARENT_SCOPE)
      return()
    endif()
  endforeach()
endfunction()

# A hundred programs are linked, some with all of gRPC's users in them: a fast linker saves minutes where there is one.
find_program(P2P_MOLD mold)
if(P2P_MOLD)
  add_link_options(-fuse-ld=mold)
endif()

include(GNUInstallDirs)
include(common/precompiled.cmake)

# p2p_library(NAME SRCS a.cc b.cc DEPS x y): one static library per folder.
function(p2p_library name)
  cmake_parse_arguments(ARG "" "" "SRCS;DEPS" ${ARGN})
  if(ARG_SRCS)
    add_library(${name} STATIC ${ARG_SRCS})
    target_link_libraries(${name} PUBLIC p2p_flags ${ARG_DEPS})
    p2p_speaks_grpc(speaks_grpc ${name} ${ARG_DEPS})
    p2p_use_precompiled(${name} ${speaks_grpc} OFF)
    if(P2P_TIDY AND NOT speaks_grpc)
      set_target_properties(${name} PROPERTIES CXX_CLANG_TIDY clang-tidy-14)
    endif()
  else()
    add_library(${name} INTERFACE)
    target_link_libraries(${name} INTERFACE p2p_flags ${ARG_DEPS})
  endif()
endfunction()

# p2p_program(NAME [INSTALL] SRCS main.cc DEPS x y): an executable in build/<preset>/bin; INSTALL: one that operators get.
function(p2p_program name)
  cmake_parse_arguments(ARG "INSTALL" "" "SRCS;DEPS" ${ARGN})
  add_executable(${name} ${ARG_SRCS})
  target_link_libraries(${name} PRIVATE p2p_flags ${ARG_DEPS})
  if(P2P_SANITIZE)  # The tests under sanitizers link the libraries; who wants such a program names it.
    set_target_properties(${name} PROPERTIES EXCLUDE_FROM_ALL ON)
  endif()
  if(ARG_INSTALL)
    install(TARGETS ${name} RUNTIME)
  endif()
endfunction()

# p2p_test(NAME SRCS a_test.cc DEPS x y LABELS unit): a GoogleTest binary, one ctest entry for the whole binary.
function(p2p_test name)
  cmake_parse_arguments(ARG "" "TIMEOUT" "SRCS;DEPS;LABELS" ${ARGN})
  add_executable(${name} ${ARG_SRCS})
  target_link_libraries(${name} PRIVATE p2p_flags ${ARG_DEPS} GTest::gmock_main p2p_test_flags)
  p2p_speaks_grpc(speaks_grpc ${name} ${ARG_DEPS})
  p2p_use_precompiled(${name} ${speaks_grpc} ON)
  set_target_properties(${name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/tests)
  add_test(NAME ${name} COMMAND ${name})
  if(NOT ARG_TIMEOUT)
    set(ARG_TIMEOUT 120)
  endif()
  set_tests_properties(${name} PROPERTIES LABELS "${ARG_LABELS}" TIMEOUT ${ARG_TIMEOUT} SKIP_RETURN_CODE 77
    ENVIRONMENT "LSAN_OPTIONS=suppressions=${PROJECT_SOURCE_DIR}/tests/tools/lsan.supp:print_suppressions=0")
  if("integration" IN_LIST ARG_LABELS)
    set_tests_properties(${name} PROPERTIES RUN_SERIAL ON)  # Some measure: nothing else runs beside them.
  endif()
  if("tsan" IN_LIST ARG_LABELS)
    if(NOT TARGET tsan_tests)
      add_custom_target(tsan_tests)
    endif()
    add_dependencies(tsan_tests ${name})
  endif()
endfunction()
