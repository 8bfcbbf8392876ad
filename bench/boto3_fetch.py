"""The rival in the fetching benchmark: one resident process that reads CloudWatch with boto3, 500 metrics a call.

Reads metric names as JSON lines [namespace, metric, [[dimension, value], ...], statistic, period] from a file, then for
each line "start end" (unix seconds) on standard input reads all of them over that window and prints one JSON object:
CPU seconds of this process for that reading, calls made, values received, resident bytes. The client is made, and used
once, before the first reading: what is measured is the loop.
"""

import datetime
import json
import os
import sys
import time

import boto3

QUERIES_PER_CALL = 500


def resident_bytes():
    with open("/proc/self/statm", encoding="ascii") as file:
        return int(file.read().split()[1]) * 4096


def queries_of(lines):
    for number, line in enumerate(lines):
        namespace, metric, dimensions, statistic, period = json.loads(line)
        yield {"Id": f"m{number % QUERIES_PER_CALL}", "MetricStat": {
            "Metric": {"Namespace": namespace, "MetricName": metric,
                       "Dimensions": [{"Name": name, "Value": value} for name, value in dimensions]},
            "Period": period, "Stat": statistic}}


def read(client, batches, start, end):
    calls = values = 0
    for batch in batches:
        request = {"MetricDataQueries": batch, "StartTime": start, "EndTime": end, "ScanBy": "TimestampDescending"}
        while True:
            page = client.get_metric_data(**request)
            calls += 1
            values += sum(1 for result in page["MetricDataResults"] if result["Values"])
            if "NextToken" not in page:
                break
            request["NextToken"] = page["NextToken"]
    return calls, values


def main():
    with open(sys.argv[1], encoding="utf-8") as file:
        queries = list(queries_of(file))
    batches = [queries[at:at + QUERIES_PER_CALL] for at in range(0, len(queries), QUERIES_PER_CALL)]
    # Debian 12's boto3 does not know AWS_ENDPOINT_URL by itself.
    client = boto3.client("cloudwatch", endpoint_url=os.environ["AWS_ENDPOINT_URL"])
    now = datetime.datetime.now(datetime.timezone.utc)
    read(client, batches[:1], now - datetime.timedelta(minutes=10), now)
    print("ready", flush=True)
    for line in sys.stdin:
        start, end = (datetime.datetime.fromtimestamp(int(word), datetime.timezone.utc) for word in line.split())
        cpu, wall = time.process_time(), time.monotonic()
        calls, values = read(client, batches, start, end)
        print(json.dumps({"cpu_seconds": time.process_time() - cpu, "seconds": time.monotonic() - wall, "calls": calls,
                          "values": values, "metrics": len(queries), "resident_bytes": resident_bytes()}), flush=True)


if __name__ == "__main__":
    main()
