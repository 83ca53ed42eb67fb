# The target's name differs: yaml-cpp up to 0.7, yaml-cpp::yaml-cpp from 0.8.
find_package(yaml-cpp QUIET)
if(TARGET yaml-cpp AND NOT TARGET yaml-cpp::yaml-cpp)
  add_library(yaml-cpp::yaml-cpp INTERFACE IMPORTED GLOBAL)
  target_link_libraries(yaml-cpp::yaml-cpp INTERFACE yaml-cpp)
endif()
set(tsingest_service_needs yaml-cpp::yaml-cpp)
set(tsingest_service_packages "libyaml-cpp-dev")
