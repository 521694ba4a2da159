#include "test_eval.h"

namespace mk::cel::testing {

TEST_CASE("literals, escapes and comments") {
  check_rows({{"1", "1"},
              {"-9223372036854775808", "-9223372036854775808"},
              {"0xFF", "255"},
              {"-0x10", "-16"},
              {"7u", "7u"},
              {"1.5e3", "1500"},
              {".5", "0.5"},
              {"true", "true"},
              {"null", "null"},
              {"'a\\n\\x41\\u00e9\\101'", "\"a\\nA\u00e9A\""},
              {"r'a\\n'", "\"a\\\\n\""},
              {"'''two\nlines'''", "\"two\\nlines\""},
              {"b'\\xff\\000'", "b\"ff00\""},
              {"1 // one\n + 2", "3"},
              {"[1, 2,]", "[1, 2]"},
              {"{'a': 1,}", "{\"a\": 1}"}});
}

TEST_CASE("operators bind as the grammar says") {
  check_rows({{"1 + 2 * 3", "7"},
              {"(1 + 2) * 3", "9"},
              {"7 - 2 - 1", "4"},
              {"-2 * -3", "6"},
              {"!true || true", "true"},
              {"!!true", "true"},
              {"1 < 2 && 2 < 3", "true"},
              {"false ? 1 : true ? 2 : 3", "2"},
              {"-(1)", "-1"},
              {"1 - -1", "2"},
              {"8 / 3", "2"},
              {"-8 / 3", "-2"},
              {"8 % 3", "2"},
              {"7u / 2u", "3u"},
              {"1.0 / 2.0", "0.5"},
              {"'a' + 'b'", "\"ab\""},
              {"[1] + [2]", "[1, 2]"},
              {"2 in [1, 2]", "true"},
              {"'a' in {'a': 1}", "true"},
              {"[1, 2, 3][1]", "2"},
              {"{'a': {'b': 2}}.a.b", "2"},
              {"{1: 'x'}[1]", "\"x\""}});
}

TEST_CASE("arithmetic that does not fit is an error") {
  check_rows({{"9223372036854775807 + 1", "error: integer overflow"},
              {"-9223372036854775808 - 1", "error: integer overflow"},
              {"9223372036854775807 * 2", "error: integer overflow"},
              {"-(-9223372036854775808)", "error: integer overflow"},
              {"-9223372036854775808 / -1", "error: integer overflow"},
              {"0u - 1u", "error: integer overflow"},
              {"1 / 0", "error: division by zero"},
              {"1 % 0", "error: modulus by zero"},
              {"1u / 0u", "error: division by zero"},
              {"1.0 / 0.0 > 1.0", "true"}});
}

TEST_CASE("logic absorbs errors that do not decide") {
  check_rows({{"false && 1 / 0 == 1", "false"},
              {"1 / 0 == 1 && false", "false"},
              {"true || 1 / 0 == 1", "true"},
              {"1 / 0 == 1 || true", "true"},
              {"1 / 0 == 1 && true", "error: division by zero"},
              {"false || 1 / 0 == 1", "error: division by zero"},
              {"true ? 1 : 1 / 0", "1"},
              {"dyn(1) && false", "false"},
              {"dyn(1) && true", "error: no such overload"},
              {"dyn(1) ? 1 : 2", "error: no such overload"}});
}

TEST_CASE("equality is by value across numeric types and false across kinds") {
  check_rows({{"dyn(1) == 1.0", "true"},
              {"dyn(1) == 1u", "true"},
              {"dyn(1) == 'a'", "false"},
              {"dyn(1) != 'a'", "true"},
              {"dyn(9223372036854775807) < 9223372036854775808.0", "false"},
              {"dyn(1) < 9223372036854775809.0 * 2.0", "true"},
              {"dyn(0u) > -0.5", "true"},
              {"1 < 1.5", "true"},
              {"2u > 1.5", "true"},
              {"-1 < 1u", "true"},
              {"[1, 2] == [1, 2]", "true"},
              {"dyn([1]) == [1.0]", "true"},
              {"{'a': 1, 'b': 2} == {'b': 2, 'a': 1}", "true"},
              {"{'a': 1} == {'a': 2}", "false"},
              {"null == null", "true"},
              {"dyn(null) == 1", "false"},
              {"double('NaN') == double('NaN')", "false"},
              {"double('NaN') < 1.0", "false"},
              {"b'a' < b'b'", "true"},
              {"'a' < 'b'", "true"},
              {"false < true", "true"},
              {"dyn(1) in [1.0]", "true"}});
}

TEST_CASE("missing keys and indexes") {
  check_rows({{"{'a': 1}.b", "error: no such key: b"},
              {"{'a': 1}['b']", "error: no such key: b"},
              {"[1][5]", "error: index out of bounds: 5"},
              {"[1][-1]", "error: index out of bounds: -1"},
              {"dyn(1).a", "error: no such overload"},
              {"has({'a': 1}.a)", "true"},
              {"has({'a': 1}.b)", "false"},
              {"has({'a': null}.a)", "true"},
              {"{'a': 1, 'a': 2}", "error: Failed with repeated key: a"},
              {"has({'a': {'b': 1}}.a.b)", "true"}});
}

TEST_CASE("macros over lists and maps") {
  check_rows({{"[1, 2, 3].all(x, x > 0)", "true"},
              {"[1, 2, 3].all(x, x > 1)", "false"},
              {"[].all(x, x > 1)", "true"},
              {"[1, 2, 3].exists(x, x == 2)", "true"},
              {"[0, 1].exists(x, 1 / x == 1)", "true"},
              {"[0, 2].exists(x, 1 / x == 1)", "error: division by zero"},
              {"[1, 2, 2].exists_one(x, x == 1)", "true"},
              {"[1, 2, 2].existsOne(x, x == 2)", "false"},
              {"[1, 2, 3].map(x, x * 2)", "[2, 4, 6]"},
              {"[1, 2, 3].map(x, x > 1, x * 2)", "[4, 6]"},
              {"[1, 2, 3].filter(x, x != 2)", "[1, 3]"},
              {"{'a': 1, 'b': 2}.map(k, k)", "[\"a\", \"b\"]"},
              {"{'a': 1}.all(k, k == 'a')", "true"},
              {"[[1], [2, 3]].map(l, l.map(x, x + 1))", "[[2], [3, 4]]"},
              {"[1, 2].map(x, [10, 20].map(y, x * y))", "[[10, 20], [20, 40]]"},
              {"[1, 2].exists(x, [2, 3].exists(x, x == 3) && x == 1)", "true"}});
}

TEST_CASE("comprehensions with two variables") {
  check_rows({{"[5, 6].all(i, v, v == i + 5)", "true"},
              {"{'a': 1}.exists(k, v, k == 'a' && v == 1)", "true"},
              {"[1, 1].existsOne(i, v, i == v)", "true"},
              {"[3, 4].transformList(i, v, i * v)", "[0, 4]"},
              {"[3, 4].transformList(i, v, i > 0, v)", "[4]"},
              {"{'a': 1, 'b': 2}.transformMap(k, v, v * 10)", "{\"a\": 10, \"b\": 20}"},
              {"{'a': 1, 'b': 2}.transformMap(k, v, v > 1, v)", "{\"b\": 2}"},
              {"{'a': 'b'}.transformMapEntry(k, v, {v: k})", "{\"b\": \"a\"}"},
              {"['x', 'x'].transformMapEntry(i, v, {v: i})", "error: insert failed: key x already exists"}});
}

TEST_CASE("cel.bind and optionals") {
  check_rows({{"cel.bind(x, 2, x * x)", "4"},
              {"cel.bind(x, 2, cel.bind(y, x + 1, x * y))", "6"},
              {"{'a': 1}.?a", "optional.of(1)"},
              {"{'a': 1}.?b", "optional.none()"},
              {"{'a': {'b': 1}}.?a.b", "optional.of(1)"},
              {"{'a': {'b': 1}}.?x.b.orValue(3)", "3"},
              {"[1][?0]", "optional.of(1)"},
              {"[1][?3].orValue(9)", "9"},
              {"{'a': 1}[?'a'].hasValue()", "true"},
              {"optional.of(1).value()", "1"},
              {"optional.none().value()", "error: optional.none() dereference"},
              {"optional.ofNonZeroValue('').hasValue()", "false"},
              {"optional.none().or(optional.of(2)).value()", "2"},
              {"optional.of(3).optMap(x, x + 1)", "optional.of(4)"},
              {"optional.none().optMap(x, x + 1)", "optional.none()"},
              {"optional.of(3).optFlatMap(x, x > 3 ? optional.of(x) : optional.none())", "optional.none()"},
              {"[1, ?optional.none(), ?optional.of(2)]", "[1, 2]"},
              {"{?'a': optional.none(), ?'b': optional.of(2)}", "{\"b\": 2}"},
              {"optional.of(1) == optional.of(1)", "true"},
              {"has({'a': {'b': 1}}.?a.b)", "true"},
              {"optional.of([4, 5])[1].orValue(0)", "5"}});
}

TEST_CASE("a chain of optional map lookups") {
  check_rows(
      Env({Variable("o", types::dyn())}),
      {{"o.?spec.?replicas.orValue(1)", "1"},
       {"o.?spec.hasValue()", "true"},
       {"o.?spec.?x.?y", "optional.none()"}},
      {Value::map(
          {{Value::string("spec"),
            Value::map({{Value::string("x"), Value::map(std::vector<std::pair<Value, Value>>())}})}})});
}

TEST_CASE("conversions and types") {
  check_rows({{"int('42')", "42"},
              {"int(3.9)", "3"},
              {"int('x')", "error: strconv.ParseInt: parsing \"x\": invalid syntax"},
              {"int(1e300)", "error: integer overflow"},
              {"uint(3)", "3u"},
              {"uint(-1)", "error: unsigned integer overflow"},
              {"double('1.5')", "1.5"},
              {"string(1)", "\"1\""},
              {"string(1.5)", "\"1.5\""},
              {"string(true)", "\"true\""},
              {"string(b'abc')", "\"abc\""},
              {"string(b'\\xff')", "error: invalid UTF-8 in bytes, cannot convert to string"},
              {"bytes('a')", "b\"61\""},
              {"bool('true')", "true"},
              {"type(1) == int", "true"},
              {"type('') == string", "true"},
              {"type([]) == list", "true"},
              {"type(type(1)) == type", "true"},
              {"type(null) == null_type", "true"},
              {"type(timestamp('2020-01-01T00:00:00Z')) == google.protobuf.Timestamp", "true"}});
}

TEST_CASE("timestamps and durations") {
  check_rows(
      {{"timestamp('2024-02-29T12:30:45.5Z')", "timestamp(\"2024-02-29T12:30:45.5Z\")"},
       {"timestamp('2024-02-29T12:30:45+02:00')", "timestamp(\"2024-02-29T10:30:45Z\")"},
       {"timestamp('2023-02-29T12:30:45Z')", "error: cannot parse \"2023-02-29T12:30:45Z\" as a timestamp"},
       {"timestamp('2024-01-01T00:00:00Z') + duration('36h')", "timestamp(\"2024-01-02T12:00:00Z\")"},
       {"timestamp('2024-01-02T00:00:00Z') - timestamp('2024-01-01T00:00:00Z') == duration('24h')", "true"},
       {"timestamp('2024-02-29T12:30:45Z').getFullYear()", "2024"},
       {"timestamp('2024-02-29T12:30:45Z').getMonth()", "1"},
       {"timestamp('2024-02-29T12:30:45Z').getDate()", "29"},
       {"timestamp('2024-02-29T12:30:45Z').getDayOfMonth()", "28"},
       {"timestamp('2024-02-29T12:30:45Z').getDayOfYear()", "59"},
       {"timestamp('2024-02-29T12:30:45Z').getDayOfWeek()", "4"},
       {"timestamp('2024-02-29T12:30:45Z').getHours('+05:30')", "18"},
       {"timestamp('2024-02-29T12:30:45Z').getHours('Nowhere/Else')",
        "error: unknown time zone Nowhere/Else"},
       {"duration('1h30m')", "duration(\"5400s\")"},
       {"duration('1.5s').getMilliseconds()", "500"},
       {"duration('90m').getHours()", "1"},
       {"duration('-1ms') < duration('0s')", "true"},
       {"duration('1x')", "error: time: invalid duration \"1x\""},
       {"timestamp('9999-12-31T23:59:59Z') + duration('1s')", "error: timestamp overflow"},
       {"string(duration('1m'))", "\"60s\""}});
}

}  // namespace mk::cel::testing
