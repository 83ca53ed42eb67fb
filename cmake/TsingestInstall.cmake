# Headers, export files (one per component, so that each can be missing) and tsingestConfig.cmake.
include(CMakePackageConfigHelpers)

set(config_dir "${CMAKE_INSTALL_LIBDIR}/cmake/tsingest")
get_property(components GLOBAL PROPERTY TSINGEST_COMPONENTS)

install(DIRECTORY "${PROJECT_SOURCE_DIR}/include/tsingest" DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}
  FILES_MATCHING PATTERN "*.h")
install(DIRECTORY "${PROJECT_SOURCE_DIR}/sql/" DESTINATION ${CMAKE_INSTALL_DATADIR}/tsingest/sql
  FILES_MATCHING PATTERN "*.sql")
install(FILES "${PROJECT_SOURCE_DIR}/LICENSE" DESTINATION ${CMAKE_INSTALL_DOCDIR})

foreach(component IN LISTS components)
  install(EXPORT tsingest-${component} NAMESPACE tsingest:: DESTINATION ${config_dir})
  if(EXISTS "${PROJECT_SOURCE_DIR}/cmake/dependencies/${component}.cmake")
    install(FILES "${PROJECT_SOURCE_DIR}/cmake/dependencies/${component}.cmake"
      DESTINATION ${config_dir}/dependencies)
  endif()
endforeach()

# Why a component that exists in the source is not in this installation.
set(TSINGEST_REASONS "")
foreach(component csv postgres kafka mqtt service)
  string(TOUPPER ${component} upper)
  if(NOT component IN_LIST components)
    if(TSINGEST_WITH_${upper})
      set(reason "version ${PROJECT_VERSION} does not have it")
    else()
      set(reason "it was built with -DTSINGEST_WITH_${upper}=OFF")
    endif()
    string(APPEND TSINGEST_REASONS "set(tsingest_${component}_reason \"${reason}\")\n")
  endif()
endforeach()

configure_package_config_file("${PROJECT_SOURCE_DIR}/cmake/tsingestConfig.cmake.in"
  "${PROJECT_BINARY_DIR}/tsingestConfig.cmake" INSTALL_DESTINATION ${config_dir})
write_basic_package_version_file("${PROJECT_BINARY_DIR}/tsingestConfigVersion.cmake"
  COMPATIBILITY SameMinorVersion)
install(FILES "${PROJECT_BINARY_DIR}/tsingestConfig.cmake"
  "${PROJECT_BINARY_DIR}/tsingestConfigVersion.cmake" DESTINATION ${config_dir})
