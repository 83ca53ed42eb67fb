# Mistakes in a model are compile errors that say what is wrong.
function(tsingest_mistake number words)
  set(name house.model_mistake_${number})
  add_test(NAME ${name} COMMAND "${CMAKE_CXX_COMPILER}" -std=c++20 -fsyntax-only -DFMT_SHARED
    "-I${PROJECT_SOURCE_DIR}/include" -DMISTAKE=${number}
    "${CMAKE_CURRENT_SOURCE_DIR}/compile_fail/model_mistakes.cc")
  set_tests_properties(${name} PROPERTIES LABELS house TIMEOUT 300)
  if(words)
    set_tests_properties(${name} PROPERTIES PASS_REGULAR_EXPRESSION "tsingest: .*${words}")
  endif()
endfunction()

tsingest_mistake(0 "")  # the model without a mistake compiles
tsingest_mistake(1 "needs a table: static constexpr std::string_view kTable")
tsingest_mistake(2 "needs a list of fields")
tsingest_mistake(3 "two fields of the model have the same column")
tsingest_mistake(4 "a column of the model has no name")
tsingest_mistake(5 "more than 63 bytes")
tsingest_mistake(6 "a Key field cannot be std::optional")
tsingest_mistake(7 "are rules of text fields")
tsingest_mistake(8 "a lower bound above its upper bound")
tsingest_mistake(9 "Default has a value of another type than its field")
tsingest_mistake(10 "a field has one of From, FromTopic, FromTopicLevel and Rest")
tsingest_mistake(11 "neither an option of Field")
tsingest_mistake(12 "a Default is out of the range")
tsingest_mistake(13 "kLayout.time_column is not the name of one column")
tsingest_mistake(14 "kLayout.segment_by names something that is no column")
tsingest_mistake(15 "a field cannot have this type")
