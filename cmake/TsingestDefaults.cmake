# What a build of the project itself uses unless told otherwise; nothing here reaches a consumer.

if(PROJECT_IS_TOP_LEVEL)
  if(NOT CMAKE_BUILD_TYPE AND NOT CMAKE_CONFIGURATION_TYPES)
    set(CMAKE_BUILD_TYPE Release CACHE STRING "Debug, Release, RelWithDebInfo or MinSizeRel" FORCE)
  endif()
  find_program(CCACHE_PROGRAM ccache)
  if(CCACHE_PROGRAM AND NOT DEFINED CMAKE_CXX_COMPILER_LAUNCHER)
    set(CMAKE_CXX_COMPILER_LAUNCHER "${CCACHE_PROGRAM}")
  endif()
  set(CMAKE_EXPORT_COMPILE_COMMANDS ON)
endif()

if(TSINGEST_SANITIZE)
  add_compile_options(-fsanitize=${TSINGEST_SANITIZE} -fno-omit-frame-pointer)
  add_link_options(-fsanitize=${TSINGEST_SANITIZE})
  if(TSINGEST_SANITIZE MATCHES undefined)
    add_compile_options(-fno-sanitize-recover=undefined)
    if(CMAKE_CXX_COMPILER_ID MATCHES Clang)
      add_compile_options(
        "-fsanitize-ignorelist=${CMAKE_CURRENT_LIST_DIR}/sanitizer_ignorelist.txt")
    endif()
  endif()
endif()
