# Precompiled headers, and sources compiled eight at a time, for the sanitizer builds (P2P_PCH): nobody edits in those, and
# most of their compile time was spent on reading the same headers and instantiating the same templates. The dev build goes
# without, so that every source proves that it includes what it uses.
# GCC takes one such file for targets whose further -D macros do not occur in it: so none of these headers may be of a library
# that is configured by macros (Asio, spdlog).
set(P2P_PCH_PLAIN <algorithm> <array> <chrono> <cstdint> <deque> <functional> <map> <memory> <optional> <set> <string>
  <string_view> <utility> <vector> <absl/container/flat_hash_map.h> <absl/functional/any_invocable.h> <absl/status/status.h>
  <absl/status/statusor.h> <absl/strings/str_cat.h> <absl/strings/str_format.h> <absl/strings/string_view.h>)
set(P2P_PCH_GRPC ${P2P_PCH_PLAIN} <google/protobuf/message.h> <grpcpp/grpcpp.h>)

# Makes the library that carries the precompiled header KIND.
function(p2p_precompile kind)
  cmake_parse_arguments(ARG "" "" "HEADERS;DEPS" ${ARGN})
  file(GENERATE OUTPUT ${CMAKE_BINARY_DIR}/pch/${kind}.cc CONTENT "// Carries a precompiled header.\n")
  add_library(p2p_pch_${kind} STATIC ${CMAKE_BINARY_DIR}/pch/${kind}.cc)
  target_link_libraries(p2p_pch_${kind} PRIVATE p2p_flags ${ARG_DEPS})
  target_precompile_headers(p2p_pch_${kind} PRIVATE ${ARG_HEADERS})
endfunction()

if(P2P_PCH)
  target_compile_options(p2p_flags INTERFACE -pthread)  # It defines macros; some dependencies bring it, others do not.
  set(P2P_ABSL absl::status absl::statusor absl::strings absl::str_format absl::flat_hash_map absl::any_invocable)
  p2p_precompile(plain HEADERS ${P2P_PCH_PLAIN} DEPS ${P2P_ABSL})
  p2p_precompile(grpc HEADERS ${P2P_PCH_GRPC} DEPS ${P2P_ABSL} gRPC::grpc++)
  if(P2P_BUILD_TESTS)
    find_package(GTest CONFIG REQUIRED)
    p2p_precompile(test HEADERS ${P2P_PCH_PLAIN} <gmock/gmock.h> <gtest/gtest.h> DEPS ${P2P_ABSL} GTest::gmock p2p_test_flags)
    p2p_precompile(grpc_test HEADERS ${P2P_PCH_GRPC} <gmock/gmock.h> <gtest/gtest.h>
      DEPS ${P2P_ABSL} gRPC::grpc++ GTest::gmock p2p_test_flags)
  endif()
endif()

# Lets TARGET use the precompiled header for what it includes, and compiles its sources together.
function(p2p_use_precompiled target speaks_grpc is_test)
  if(NOT P2P_PCH)
    return()
  endif()
  set(kind plain)
  if(speaks_grpc AND is_test)
    set(kind grpc_test)
  elseif(speaks_grpc)
    set(kind grpc)
  elseif(is_test)
    set(kind test)
  endif()
  target_precompile_headers(${target} REUSE_FROM p2p_pch_${kind})
  set_target_properties(${target} PROPERTIES UNITY_BUILD ON UNITY_BUILD_BATCH_SIZE 8)
endfunction()
