# Every public header compiles alone: one generated file per header, which includes it twice (so a
# missing guard shows too). The build fails when one does not.
file(GLOB_RECURSE headers CONFIGURE_DEPENDS RELATIVE "${PROJECT_SOURCE_DIR}/include"
  "${PROJECT_SOURCE_DIR}/include/*.h")
set(sources "")
foreach(header IN LISTS headers)
  string(MAKE_C_IDENTIFIER "${header}" name)
  set(source "${CMAKE_CURRENT_BINARY_DIR}/header_selftest/${name}.cc")
  file(CONFIGURE OUTPUT "${source}" CONTENT "#include \"@header@\"\n#include \"@header@\"\n" @ONLY)
  list(APPEND sources "${source}")
endforeach()
add_library(header_selftest OBJECT ${sources})
target_link_libraries(header_selftest PRIVATE tsingest::core tsingest_warnings)
# Nothing is run: do not spend time on code.
target_compile_options(header_selftest PRIVATE -O0 -g0)
