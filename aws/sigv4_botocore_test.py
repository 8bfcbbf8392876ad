"""Compares our Signature Version 4 with botocore's for every kind of request that is sent.

Usage: sigv4_botocore_test.py PATH_TO_sigv4_print. Exits with 77 (skipped) where botocore is not installed, with 1 in
continuous integration (CI), which has to have it.
"""

import datetime
import json
import os
import random
import subprocess
import sys
from unittest import mock

try:
    import botocore.auth
    from botocore.awsrequest import AWSRequest
    from botocore.credentials import Credentials
except ImportError as missing:
    print(f"skipped: {missing}")
    sys.exit(1 if os.environ.get("CI") else 77)

FORM = "application/x-www-form-urlencoded; charset=utf-8"
SECRETS = ["wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY", "s", "+/=" * 40]
TOKENS = ["", "IQoJb3JpZ2luX2VjEXAMPLE//////////wEaCWV1+==", "t" * 2000]
TIMES = [1440938160, 0, 951782400, 1709251199, 4102444799]
ODD = ["", "a", "a b", "a+b", "~", "*", "%", "%41", "a=b", "a&b", "/", "?", "#", "é", "名前", "🚀", "'\"<>\\", "\t", "%zz", "-_.~"]


def case(method, url, service, region="eu-west-1", headers=(), body=b"", parameters=()):
    return {
        "method": method, "url": url, "service": service, "region": region,
        "headers": [list(header) for header in headers], "body_hex": body.hex(),
        "parameters": [list(pair) for pair in parameters],
    }


def requests_sent():
    """What the agent sends: query and ec2 forms, JSON 1.0 and 1.1, GET with and without a query string."""
    form = [("Content-Type", FORM)]
    for body in (b"Action=GetCallerIdentity&Version=2011-06-15",
                 "Action=AssumeRole&Version=2011-06-15&RoleSessionName=%C3%A9&ExternalId=a%20b%2Bc~".encode(), b""):
        yield case("POST", "https://sts.eu-west-1.amazonaws.com/", "sts", headers=form, body=body)
    yield case("POST", "https://ec2.eu-west-1.amazonaws.com/", "ec2", headers=form,
               body=b"Action=DescribeInstances&Version=2016-11-15&MaxResults=1000&NextToken=a%2Bb%2Fc%3D%3D")
    for port in ("", ":80", ":443", ":8080"):
        yield case("POST", f"http://127.0.0.1{port}/", "ec2", headers=form, body=b"Action=DescribeRegions")
        yield case("POST", f"https://VPCE-1.EC2.eu-west-1.vpce.amazonaws.com{port}/", "ec2", headers=form, body=b"x")
    yield case("POST", "https://ec2.cn-north-1.amazonaws.com.cn/", "ec2", region="cn-north-1", headers=form, body=b"A=B")
    bodies = [b"{}", json.dumps({"Namespace": "名前 🚀 +~*%"}).encode(), "{\"a\":\"é\"}".encode(), bytes(range(256)),
              b"x" * 200000]
    for version in ("1.0", "1.1"):
        for body in bodies:
            yield case("POST", "https://monitoring.us-gov-west-1.amazonaws.com/", "monitoring", region="us-gov-west-1",
                       headers=[("Content-Type", f"application/x-amz-json-{version}"),
                                ("X-Amz-Target", "GraniteServiceVersion20100801.GetMetricData")], body=body)
    yield case("GET", "https://monitoring.eu-west-1.amazonaws.com", "monitoring")
    yield case("GET", "https://monitoring.eu-west-1.amazonaws.com/api/v1/query", "monitoring")
    for odd in ODD:
        yield case("GET", "https://monitoring.eu-west-1.amazonaws.com/api/v1/query", "monitoring",
                   parameters=[("query", odd), ("odd" + odd, "1"), ("", odd)])
    yield case("GET", "https://monitoring.eu-west-1.amazonaws.com/", "monitoring",
               parameters=[("b", "2"), ("a", "2"), ("a", "1"), ("A", "3"), ("a", "1"), ("a-b", "0"), ("aa", "0"), ("a", "")])
    # Written by hand: parameters without a value, in any order.
    for query in ("Action=ListMetrics", "b&a", "b=&a=", "a=%20&a=%2B", "Param2=value2&Param1=value1"):
        yield case("GET", f"https://monitoring.eu-west-1.amazonaws.com/?{query}", "monitoring")


def odd_paths_and_headers():
    for path in ("/", "//", "/a//b/", "/./", "/a/../b", "/../x", "/a%20b/%E3%81%82", "/~user/*", "/a:b@c,d;e=f", "/a/b/.."):
        yield case("GET", f"https://lambda.eu-west-1.amazonaws.com{path}", "lambda")
    for value in ("", " ", "a   b", "  a  b  ", "\"a   b\"", "a\tb", "tail  ", "A,B"):
        yield case("POST", "https://sqs.eu-west-1.amazonaws.com/", "sqs", headers=[("X-Amz-Odd", value)], body=b"{}")
    yield case("POST", "https://sqs.eu-west-1.amazonaws.com/", "sqs", body=b"{}",
               headers=[("User-Agent", "bakusoku/1"), ("Expect", "100-continue"), ("x-b", "2"), ("X-A", "1")])


def random_requests(count):
    chance = random.Random(20150830)
    alphabet = "abzABZ09-_.~ +*%/?&=#'\"\\é名🚀"
    for _ in range(count):
        word = lambda longest: "".join(chance.choice(alphabet) for _ in range(chance.randrange(longest)))
        yield case("GET", "https://monitoring.eu-west-1.amazonaws.com/api/v1/query", "monitoring",
                   parameters=[(word(5), word(12)) for _ in range(chance.randrange(8))])
        yield case("POST", "https://ec2.eu-west-1.amazonaws.com/", "ec2", headers=[("Content-Type", FORM)],
                   body=word(200).encode())


class FixedClock(datetime.datetime):
    moment = 0

    @classmethod
    def utcnow(cls):
        return datetime.datetime(1970, 1, 1) + datetime.timedelta(seconds=cls.moment)


def botocores_answer(given):
    request = AWSRequest(method=given["method"], url=given["url"], data=bytes.fromhex(given["body_hex"]),
                         params=[tuple(pair) for pair in given["parameters"]] or None)
    for name, value in given["headers"]:
        request.headers[name] = value
    FixedClock.moment = given["time"]
    signer = botocore.auth.SigV4Auth(
        Credentials(given["access_key_id"], given["secret_access_key"], given["session_token"] or None),
        given["service"], given["region"])
    signer.add_auth(request)
    return request.headers["Authorization"]


def main():
    program = sys.argv[1]
    cases = []
    for at, given in enumerate([*requests_sent(), *odd_paths_and_headers(), *random_requests(300)]):
        for token in TOKENS:
            cases.append(dict(given, access_key_id="AKIDEXAMPLE", secret_access_key=SECRETS[at % len(SECRETS)],
                              session_token=token, time=TIMES[at % len(TIMES)]))
    lines = "".join(json.dumps(given) + "\n" for given in cases)
    done = subprocess.run([program], input=lines.encode(), stdout=subprocess.PIPE, timeout=100, check=True)
    ours = done.stdout.decode().splitlines()
    assert len(ours) == len(cases), f"{len(ours)} answers to {len(cases)} cases"
    clock = mock.Mock(wraps=datetime)
    clock.datetime = FixedClock
    wrong = 0
    with mock.patch.object(botocore.auth, "datetime", clock):
        for given, answer in zip(cases, ours):
            expected = botocores_answer(given)
            if answer != expected:
                wrong += 1
                if wrong <= 10:
                    given = dict(given, body_hex=given["body_hex"][:80], session_token=given["session_token"][:20])
                    print(f"{json.dumps(given)}\n  ours:     {answer}\n  botocore: {expected}")
    print(f"{len(cases)} signatures compared with botocore {botocore.__version__}, {wrong} differ")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
