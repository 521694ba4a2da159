#include "mk/cel/authorizer.h"
#include "test_eval.h"

namespace mk::cel::testing {

TEST_CASE("standard functions of text") {
  check_rows({{"size('h\u00e9llo')", "5"},
              {"'abc'.size()", "3"},
              {"size([1, 2])", "2"},
              {"{'a': 1}.size()", "1"},
              {"size(b'\\xff')", "1"},
              {"'hello'.contains('ell')", "true"},
              {"'hello'.startsWith('he')", "true"},
              {"'hello'.endsWith('he')", "false"},
              {"'hello'.matches('^h.*o$')", "true"},
              {"'xhello'.matches('^h')", "false"},
              {"matches('abc', 'b')", "true"},
              {"'a'.matches('(')", "error: error parsing regexp: missing ): (: `(`"},
              {"'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaab'.matches('(a*)*c')", "false"}});
}

TEST_CASE("strings extension") {
  check_rows({{"'h\u00e9llo'.charAt(1)", "\"\u00e9\""},
              {"'abc'.charAt(3)", "\"\""},
              {"'abc'.charAt(4)", "error: index out of range: 4"},
              {"'hello'.indexOf('l')", "2"},
              {"'hello'.indexOf('l', 3)", "3"},
              {"'hello'.indexOf('z')", "-1"},
              {"'hello'.lastIndexOf('l')", "3"},
              {"'hello'.lastIndexOf('l', 2)", "2"},
              {"'HeLLo'.lowerAscii()", "\"hello\""},
              {"'hello'.upperAscii()", "\"HELLO\""},
              {"'hello hello'.replace('he', 'we')", "\"wello wello\""},
              {"'hello hello'.replace('he', 'we', 1)", "\"wello hello\""},
              {"'ab'.replace('', '_')", "\"_a_b_\""},
              {"'a,b,c'.split(',')", "[\"a\", \"b\", \"c\"]"},
              {"'a,b,c'.split(',', 2)", "[\"a\", \"b,c\"]"},
              {"'abc'.split('')", "[\"a\", \"b\", \"c\"]"},
              {"'abc'.split(',', 0)", "[]"},
              {"['a', 'b'].join('-')", "\"a-b\""},
              {"['a', 'b'].join()", "\"ab\""},
              {"'hello'.substring(1)", "\"ello\""},
              {"'hello'.substring(1, 3)", "\"el\""},
              {"'hello'.substring(3, 1)", "error: invalid substring range. start: 3, end: 1"},
              {"'  \\t a \\n'.trim()", "\"a\""},
              {"'h\u00e9'.reverse()", "\"\u00e9h\""},
              {"strings.quote('a\"b\\n')", "\"\\\"a\\\\\\\"b\\\\n\\\"\""}});
}

TEST_CASE("format") {
  check_rows({{"'%s is %d'.format(['x', 3])", "\"x is 3\""},
              {"'%.2f'.format([1.005])", "\"1.00\""},
              {"'%f'.format([2.0])", "\"2.000000\""},
              {"'%e'.format([1234.5])", "\"1.234500e+03\""},
              {"'%b %o %x %X'.format([5, 8, 255, 255])", "\"101 10 ff FF\""},
              {"'%x'.format(['hi'])", "\"6869\""},
              {"'%s'.format([[1, 'a', true]])", "\"[1, a, true]\""},
              {"'%s'.format([{'b': 1, 'a': 2}])", "\"{a: 2, b: 1}\""},
              {"'100%%'.format([])", "\"100%\""},
              {"'%d'.format(['x'])", "error: error during formatting: \"%d\" cannot be given a string"},
              {"'%s %s'.format([1])", "error: index 1 out of range"}});
}

TEST_CASE("lists and sets") {
  check_rows({{"[1, 2, 3].isSorted()", "true"},
              {"['b', 'a'].isSorted()", "false"},
              {"[1, 2, 3].sum()", "6"},
              {"[1.5, 1.5].sum()", "3"},
              {"[duration('1s'), duration('2s')].sum()", "duration(\"3s\")"},
              {"[3, 1, 2].min()", "1"},
              {"[3, 1, 2].max()", "3"},
              {"[].map(x, 1).min()", "error: min called on empty list"},
              {"['a', 'b', 'a'].indexOf('a')", "0"},
              {"['a', 'b', 'a'].lastIndexOf('a')", "2"},
              {"[1].indexOf(5)", "-1"},
              {"sets.contains([1, 2, 3], [3, 1])", "true"},
              {"sets.contains([1], [2])", "false"},
              {"sets.equivalent([1, 2, 2], [2, 1])", "true"},
              {"sets.intersects([1, 2], [2, 3])", "true"},
              {"sets.intersects([], [1])", "false"}});
}

TEST_CASE("regular expressions find") {
  check_rows({{"'abc 123 def 45'.find('[0-9]+')", "\"123\""},
              {"'abc'.find('[0-9]+')", "\"\""},
              {"'1, 2 and 3'.findAll('[0-9]')", "[\"1\", \"2\", \"3\"]"},
              {"'1, 2 and 3'.findAll('[0-9]', 2)", "[\"1\", \"2\"]"},
              {"'1'.findAll('x')", "[]"}});
}

TEST_CASE("URLs") {
  check_rows({{"isURL('https://example.com:80/p?q=1')", "true"},
              {"isURL('/absolute/path')", "true"},
              {"isURL('example.com/x')", "false"},
              {"isURL('https://a b/')", "false"},
              {"isURL('../relative')", "false"},
              {"url('https://example.com:8080/a b').getScheme()", "\"https\""},
              {"url('https://example.com:8080/a b').getHost()", "\"example.com:8080\""},
              {"url('https://example.com:8080/a b').getHostname()", "\"example.com\""},
              {"url('https://example.com:8080/a b').getPort()", "\"8080\""},
              {"url('https://example.com/a b').getPort()", "\"\""},
              {"url('https://example.com/a b').getEscapedPath()", "\"/a%20b\""},
              {"url('https://[::1]:80/').getHostname()", "\"::1\""},
              {"url('https://x/?k=1&k=2&l').getQuery()['k']", "[\"1\", \"2\"]"},
              {"url('https://x/') == url('https://x/')", "true"}});
}

TEST_CASE("addresses and blocks") {
  check_rows({{"isIP('10.0.0.1')", "true"},
              {"isIP('10.0.0.256')", "false"},
              {"isIP('::ffff:1.2.3.4')", "false"},
              {"ip('::1').family()", "6"},
              {"ip('127.0.0.1').isLoopback()", "true"},
              {"ip('0.0.0.0').isUnspecified()", "true"},
              {"ip('169.254.1.1').isLinkLocalUnicast()", "true"},
              {"ip('224.0.0.1').isLinkLocalMulticast()", "true"},
              {"ip('8.8.8.8').isGlobalUnicast()", "true"},
              {"ip('255.255.255.255').isGlobalUnicast()", "false"},
              {"ip.isCanonical('2001:DB8::1')", "false"},
              {"ip.isCanonical('2001:db8::1')", "true"},
              {"string(ip('2001:DB8::1'))", "\"2001:db8::1\""},
              {"ip('1.2.3.4') == ip('1.2.3.4')", "true"},
              {"type(ip('1.2.3.4')) == net.IP", "true"},
              {"isCIDR('10.0.0.0/8')", "true"},
              {"isCIDR('10.0.0.0/33')", "false"},
              {"cidr('10.0.0.0/8').containsIP('10.1.2.3')", "true"},
              {"cidr('10.0.0.0/8').containsIP(ip('11.1.2.3'))", "false"},
              {"cidr('10.0.0.0/8').containsCIDR('10.1.0.0/16')", "true"},
              {"cidr('10.0.0.0/16').containsCIDR(cidr('10.0.0.0/8'))", "false"},
              {"cidr('10.1.2.3/8').masked() == cidr('10.0.0.0/8')", "true"},
              {"cidr('10.1.2.3/8').prefixLength()", "8"},
              {"string(cidr('10.1.2.3/8').ip())", "\"10.1.2.3\""}});
}

TEST_CASE("quantities") {
  check_rows({{"isQuantity('1.5Gi')", "true"},
              {"isQuantity('x')", "false"},
              {"quantity('1k') == quantity('1000')", "true"},
              {"quantity('200M').isLessThan(quantity('1G'))", "true"},
              {"quantity('1Gi').isGreaterThan(quantity('1G'))", "true"},
              {"quantity('1').compareTo(quantity('1000m'))", "0"},
              {"quantity('-5').sign()", "-1"},
              {"quantity('50k').asInteger()", "50000"},
              {"quantity('50m').isInteger()", "false"},
              {"quantity('50m').asInteger()", "error: cannot convert value to integer"},
              {"quantity('1500m').asApproximateFloat()", "1.5"},
              {"quantity('1').add(quantity('500m')) == quantity('1500m')", "true"},
              {"quantity('5').sub(2) == quantity('3')", "true"}});
}

TEST_CASE("semantic versions") {
  check_rows({{"isSemver('1.2.3')", "true"},
              {"isSemver('v1.2')", "false"},
              {"isSemver('v1.2', true)", "true"},
              {"isSemver('01.2.3')", "false"},
              {"semver('1.2.3').minor()", "2"},
              {"semver('1.10.0').isGreaterThan(semver('1.9.0'))", "true"},
              {"semver('1.0.0-alpha.1').isLessThan(semver('1.0.0-alpha.beta'))", "true"},
              {"semver('1.0.0-rc.1').isLessThan(semver('1.0.0'))", "true"},
              {"semver('1.0.0').compareTo(semver('1.0.0+build'))", "0"}});
}

TEST_CASE("named formats") {
  check_rows(
      {{"format.dns1123Label().validate('good-name')", "optional.none()"},
       {"format.dns1123Label().validate('Bad').hasValue()", "true"},
       {"format.named('uuid').value().validate('123e4567-e89b-12d3-a456-426614174000').hasValue()", "false"},
       {"format.uuid().validate('x').value()[0]", "\"does not match the UUID format\""},
       {"format.named('nothing').hasValue()", "false"},
       {"format.date().validate('2024-02-30').hasValue()", "true"},
       {"format.dns1123LabelPrefix().validate('web-').hasValue()", "false"},
       {"jsonpatch.escapeKey('a/b~c')", "\"a~1b~0c\""}});
}

namespace {
class OnlyReaders : public AuthorizationSource {
 public:
  AuthorizationAnswer authorize(const AuthorizationQuery& query) const override {
    last = query;
    return {query.verb == "get" || query.path == "/healthz", query.verb == "get" ? "reader" : "", ""};
  }
  mutable AuthorizationQuery last;
};
}  // namespace

TEST_CASE("the authorizer asks the caller") {
  const OnlyReaders source;
  AuthorizationQuery request;
  request.resource_request = true;
  request.resource = "pods";
  request.ns = "n";
  const Env env({Variable("authorizer", authorizer_type())});
  check_rows(
      env,
      {{"authorizer.group('apps').resource('deployments').namespace('n').name('x').check('get').allowed()",
        "true"},
       {"authorizer.group('').resource('pods').check('get').reason()", "\"reader\""},
       {"authorizer.path('/healthz').check('post').allowed()", "true"},
       {"authorizer.path('/x').check('post').errored()", "false"},
       {"authorizer.path('')", "error: path must not be empty"},
       {"authorizer.serviceAccount('n', 'sa').requestResource.check('update').allowed()", "false"}},
      {authorizer_value(source, &request)});
  CHECK(source.last.resource == "pods");
  CHECK(source.last.service_account_name == "sa");
  CHECK(source.last.verb == "update");
}

TEST_CASE("evaluation stops when its cost is spent") {
  const Env env({Variable("l", types::list(types::integer()))});
  const auto program = env.compile("l.all(x, l.all(y, l.all(z, x + y + z >= 0)))");
  REQUIRE(program.ok());
  std::vector<Value> many(1000, Value::integer(1));
  Budget budget;
  const auto value = program->evaluate(ValueBindings({Value::list(std::move(many))}), budget);
  REQUIRE(!value.ok());
  CHECK(value.error().message() == "operation cancelled: actual cost limit exceeded");
  CHECK(budget.exceeded);
  CHECK(budget.left < limits::kCostBudget);
  Budget little(3);
  CHECK(!env.compile("1 + 1 + 1 + 1 + 1 + 1 == 6")->evaluate(ValueBindings({Value::null()}), little).ok());
  CHECK(little.exceeded);
  // An error that a cost limit made is absorbed by nothing.
  Budget spent(0);
  CHECK(
      !env.compile("true || l[0] == 1 || l[0] == 2")->evaluate(ValueBindings({Value::null()}), spent).ok() ==
      spent.exceeded);
}

TEST_CASE("values become JSON and back") {
  const Env env({});
  Budget budget;
  const auto value = env.compile("{'a': [1, 2.5, 'x', true, null].map(x, dyn(x)), 't': duration('1m')}");
  CHECK(!value.ok());  // literals are of one type
  const auto mixed =
      env.compile("{'a': [dyn(1), 2.5, null], 'b': {'c': dyn(duration('1m'))}, 'd': dyn(b'hi')}");
  REQUIRE(!mixed.ok());
  const auto dynamic =
      env.compile("{'a': dyn([dyn(1), 2.5, null]), 'b': dyn({'c': duration('1m')}), 'd': dyn(b'hi')}");
  REQUIRE(dynamic.ok());
  const auto json = to_json(*dynamic->evaluate(ValueBindings({}), budget));
  REQUIRE(json.ok());
  CHECK(api::to_json(*json) == R"({"a":[1,2.5,null],"b":{"c":"60s"},"d":"aGk="})");
  CHECK(!to_json(*env.compile("{1: 2}")->evaluate(ValueBindings({}), budget)).ok());
  CHECK(!to_json(*env.compile("quantity('1')")->evaluate(ValueBindings({}), budget)).ok());
}

}  // namespace mk::cel::testing
