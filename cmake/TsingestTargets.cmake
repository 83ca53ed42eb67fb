# Helpers that every subdirectory uses.

# Warnings are errors in our own builds only; they never reach a consumer.
add_library(tsingest_warnings INTERFACE)
target_compile_options(tsingest_warnings INTERFACE
  -Wall -Wextra -Wpedantic -Wshadow -Wnon-virtual-dtor -Wold-style-cast -Woverloaded-virtual
  $<$<BOOL:${PROJECT_IS_TOP_LEVEL}>:-Werror>)

# tsingest_component(NAME SOURCES file… [PUBLIC lib…] [PRIVATE lib…]): the compiled library tsingest::NAME.
function(tsingest_component name)
  cmake_parse_arguments(ARG "" "" "SOURCES;PUBLIC;PRIVATE" ${ARGN})
  add_library(tsingest_${name} ${ARG_SOURCES})
  add_library(tsingest::${name} ALIAS tsingest_${name})
  set_target_properties(tsingest_${name} PROPERTIES EXPORT_NAME ${name} POSITION_INDEPENDENT_CODE ON)
  target_link_libraries(tsingest_${name} PUBLIC ${ARG_PUBLIC}
    PRIVATE ${ARG_PRIVATE} $<BUILD_INTERFACE:tsingest_warnings>)
  target_include_directories(tsingest_${name} PRIVATE "${PROJECT_SOURCE_DIR}/src")
  set_property(GLOBAL APPEND PROPERTY TSINGEST_COMPONENTS ${name})
endfunction()
