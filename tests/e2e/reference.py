"""What boto3, asked on its own, reads from the simulator: the reference that values are compared with."""

import datetime
import time

import boto3

from lab import ACCESS_KEY, REGION, SECRET_KEY

DELAY = 120  # seconds after a period's end until the agent takes it for final: its default


class Reference:
    def __init__(self, url, region=REGION):
        def client(service):
            return boto3.client(service, region_name=region, endpoint_url=url, aws_access_key_id=ACCESS_KEY,
                                aws_secret_access_key=SECRET_KEY)
        self.ec2, self.cloudwatch = client("ec2"), client("cloudwatch")

    def close(self):
        for client in (self.ec2, self.cloudwatch):
            client._endpoint.http_session.close()  # boto3 has no close() for a client yet

    def instances(self):
        pages = self.ec2.get_paginator("describe_instances").paginate(PaginationConfig={"PageSize": 1000})
        return [instance for page in pages for group in page["Reservations"] for instance in group["Instances"]]

    def alarms(self):
        """Metric alarms and composite ones, by name."""
        pages = list(self.cloudwatch.get_paginator("describe_alarms").paginate(AlarmTypes=["MetricAlarm", "CompositeAlarm"],
                                                                               PaginationConfig={"PageSize": 100}))
        return [{alarm["AlarmName"]: alarm for page in pages for alarm in page[kind]} for kind in ("MetricAlarms", "CompositeAlarms")]

    @staticmethod
    def tags(instance):
        return {tag["Key"]: tag["Value"] for tag in instance.get("Tags", [])}

    def named(self, name):
        """The id of the one instance of that name."""
        found = [instance["InstanceId"] for instance in self.instances() if self.tags(instance).get("Name") == name]
        if len(found) != 1:
            raise ValueError(f"{len(found)} instances are named {name}")
        return found[0]

    def points(self, namespace, metric, dimensions, statistic, period, start, end):
        """{clock: value} of the metric's datapoints of [start, end), in calls of a size that AWS allows."""
        found = {}
        for begin in range(start // period * period, end, 1000 * period):
            named = {"Namespace": namespace, "MetricName": metric}
            if dimensions:
                named["Dimensions"] = [{"Name": name, "Value": value} for name, value in dimensions]
            data = self.cloudwatch.get_metric_data(
                MetricDataQueries=[{"Id": "m", "MetricStat": {"Metric": named, "Period": period, "Stat": statistic}}],
                StartTime=datetime.datetime.fromtimestamp(begin, datetime.timezone.utc),
                EndTime=datetime.datetime.fromtimestamp(min(end, begin + 1000 * period), datetime.timezone.utc))
            result = data["MetricDataResults"][0]
            found.update({int(stamp.timestamp()): value for stamp, value in zip(result["Timestamps"], result["Values"])})
        return found

    def newest(self, namespace, metric, dimensions, statistic, period):
        """The metric's newest final value; None if there is none."""
        end = (int(time.time()) - DELAY) // period * period
        def at(seconds):
            return datetime.datetime.fromtimestamp(seconds, datetime.timezone.utc)
        named = {"Namespace": namespace, "MetricName": metric}
        if dimensions:
            named["Dimensions"] = [{"Name": name, "Value": value} for name, value in dimensions]
        data = self.cloudwatch.get_metric_data(
            MetricDataQueries=[{"Id": "m", "MetricStat": {"Metric": named, "Period": period, "Stat": statistic}}],
            StartTime=at(end - 5 * period), EndTime=at(end), ScanBy="TimestampDescending")["MetricDataResults"][0]
        return data["Values"][0] if data["Values"] else None
