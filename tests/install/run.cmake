# Installs the build tree BUILD to a fresh prefix, then builds and runs the consumer project against
# it as a stranger would, and asks for components that are not there. The same with an installation of
# the core alone.
# cmake -DBUILD=… -DSOURCE=<root> -DCOMPILER=… -DCOMPONENTS=core,csv,postgres -P run.cmake
cmake_minimum_required(VERSION 3.25)
string(REPLACE "," ";" COMPONENTS "${COMPONENTS}")
set(work "${BUILD}/install-test")
file(REMOVE_RECURSE "${work}")

function(run what)
  execute_process(COMMAND ${ARGN} RESULT_VARIABLE code OUTPUT_VARIABLE output ERROR_VARIABLE output)
  if(NOT code EQUAL 0)
    message(FATAL_ERROR "${what} failed (${code}):\n${output}")
  endif()
endfunction()

function(configure_consumer wanted out_code out_output)
  execute_process(
    COMMAND "${CMAKE_COMMAND}" -S "${SOURCE}/tests/install" -B "${work}/consumer" -G Ninja --fresh
      -DCMAKE_CXX_COMPILER=${COMPILER} -DCMAKE_BUILD_TYPE=Debug "-DCMAKE_CXX_FLAGS=${FLAGS}"
      "-DCMAKE_PREFIX_PATH=${work}/prefix" "-DWANTED=${wanted}"
    RESULT_VARIABLE code OUTPUT_VARIABLE output ERROR_VARIABLE output)
  set(${out_code} ${code} PARENT_SCOPE)
  set(${out_output} "${output}" PARENT_SCOPE)
endfunction()

# expect_refused(COMPONENT WORDS): the configure step fails and says why.
function(expect_refused component words)
  configure_consumer("core;${component}" code output)
  string(REGEX REPLACE "[ \n]+" " " output "${output}")
  if(code EQUAL 0)
    message(FATAL_ERROR "component ${component} is not installed, yet find_package found it")
  endif()
  string(FIND "${output}" "component \"${component}\" is missing: ${words}" at)
  if(at EQUAL -1)
    message(FATAL_ERROR "no word on why component ${component} is missing:\n${output}")
  endif()
endfunction()

# try_installation(COMPONENT…): the consumer with these components builds and runs.
function(try_installation)
  configure_consumer("${ARGN}" code output)
  if(NOT code EQUAL 0)
    message(FATAL_ERROR "configuring the consumer failed:\n${output}")
  endif()
  run("building the consumer" "${CMAKE_COMMAND}" --build "${work}/consumer")
  run("running the consumer" "${work}/consumer/consumer")
endfunction()

run("install" "${CMAKE_COMMAND}" --install "${BUILD}" --prefix "${work}/prefix")
try_installation(${COMPONENTS})
expect_refused(nonsense "there is no such component")

file(REMOVE_RECURSE "${work}/prefix")
set(off "")
foreach(component CSV POSTGRES KAFKA MQTT SERVICE)
  list(APPEND off -DTSINGEST_WITH_${component}=OFF)
endforeach()
run("configuring the core alone" "${CMAKE_COMMAND}" -S "${SOURCE}" -B "${work}/core" -G Ninja ${off}
  -DCMAKE_CXX_COMPILER=${COMPILER} -DTSINGEST_BUILD_TOOLS=OFF -DTSINGEST_BUILD_TESTS=OFF
  -DTSINGEST_BUILD_EXAMPLES=OFF)
run("installing the core alone" "${CMAKE_COMMAND}" --install "${work}/core" --prefix "${work}/prefix")
try_installation(core)
expect_refused(postgres "it was built with -DTSINGEST_WITH_POSTGRES=OFF")
