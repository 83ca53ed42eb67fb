# Helpers that every subdirectory uses.

# Warnings are errors in our own builds only; they never reach a consumer.
add_library(tsingest_warnings INTERFACE)
target_compile_options(tsingest_warnings INTERFACE
  -Wall -Wextra -Wpedantic -Wshadow -Wnon-virtual-dtor -Wold-style-cast -Woverloaded-virtual
  $<$<BOOL:${PROJECT_IS_TOP_LEVEL}>:-Werror>
  # g++ 12 sees overlapping copies in `"literal" + std::string` (GCC bug 105651), fixed in 13.
  $<$<AND:$<CXX_COMPILER_ID:GNU>,$<VERSION_LESS:$<CXX_COMPILER_VERSION>,13>>:-Wno-restrict>)

# tsingest_find(NAME): finds what the component needs (cmake/dependencies/NAME.cmake) and stops when
# it is not there, unless the component is switched off or has no sources in this tree.
macro(tsingest_find name)
  string(TOUPPER "${name}" tsingest_upper)
  if(("${name}" STREQUAL "core" OR TSINGEST_WITH_${tsingest_upper})
     AND EXISTS "${PROJECT_SOURCE_DIR}/cmake/dependencies/${name}.cmake")
    include("${PROJECT_SOURCE_DIR}/cmake/dependencies/${name}.cmake")
    foreach(target IN LISTS tsingest_${name}_needs)
      if(NOT TARGET ${target})
        message(FATAL_ERROR
          "tsingest::${name} needs ${target}, which was not found. Install it "
          "(Debian: ${tsingest_${name}_packages}; scripts/setup installs all), or leave the "
          "component out with -DTSINGEST_WITH_${tsingest_upper}=OFF.")
      endif()
    endforeach()
  endif()
endmacro()

# tsingest_component(NAME SOURCES file… [PUBLIC lib…] [PRIVATE lib…]): the library tsingest::NAME,
# installed with its own export file. Without sources nothing is made.
function(tsingest_component name)
  cmake_parse_arguments(ARG "" "" "SOURCES;PUBLIC;PRIVATE" ${ARGN})
  if(NOT ARG_SOURCES)
    return()
  endif()
  add_library(tsingest_${name} ${ARG_SOURCES})
  target_link_libraries(tsingest_${name} PUBLIC ${ARG_PUBLIC}
    PRIVATE ${ARG_PRIVATE} $<BUILD_INTERFACE:tsingest_warnings>)
  target_include_directories(tsingest_${name} PRIVATE "${PROJECT_SOURCE_DIR}/src")
  set_target_properties(tsingest_${name} PROPERTIES POSITION_INDEPENDENT_CODE ON
    VERSION ${PROJECT_VERSION} SOVERSION ${PROJECT_VERSION_MAJOR}.${PROJECT_VERSION_MINOR})
  tsingest_export(${name})
endfunction()

# Registers the target tsingest_NAME as the component tsingest::NAME.
function(tsingest_export name)
  add_library(tsingest::${name} ALIAS tsingest_${name})
  set_target_properties(tsingest_${name} PROPERTIES EXPORT_NAME ${name})
  install(TARGETS tsingest_${name} EXPORT tsingest-${name}
    ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR} LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR})
  set_property(GLOBAL APPEND PROPERTY TSINGEST_COMPONENTS ${name})
endfunction()

# tsingest_link_components(TARGET): links every component that this build has.
function(tsingest_link_components target)
  get_property(components GLOBAL PROPERTY TSINGEST_COMPONENTS)
  list(TRANSFORM components PREPEND tsingest::)
  target_link_libraries(${target} PRIVATE ${components} tsingest_warnings)
endfunction()
