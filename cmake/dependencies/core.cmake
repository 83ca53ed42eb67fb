# What tsingest::core links. Read by the build and, installed, by tsingestConfig.cmake.
find_package(absl QUIET)
find_package(fmt QUIET)
find_package(Threads QUIET)
set(tsingest_core_needs absl::status absl::statusor absl::time fmt::fmt Threads::Threads)
set(tsingest_core_packages "libabsl-dev libfmt-dev")
