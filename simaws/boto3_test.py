#!/usr/bin/python3
"""simaws as Debian's boto3 and awscli see it: signatures, paging, metrics recomputed from the documented formula,
errors, credentials. usage: boto3_test.py PATH_TO_SIMAWS; exit code 77 (skipped) where boto3 is not installed, but for
continuous integration (CI), which has to have it."""
import datetime
import json
import os
import subprocess
import sys
import time
import unittest
import urllib.error
import urllib.request

try:
    import boto3
    import botocore.config
    import botocore.exceptions
    import botocore.session
    from botocore.credentials import ContainerProvider, InstanceMetadataProvider
    from botocore.utils import ContainerMetadataFetcher, InstanceMetadataFetcher
except ImportError as missing:
    print(f'skipped: {missing} (Debian package python3-boto3)')
    sys.exit(1 if os.environ.get('CI') else 77)

SIMAWS = sys.argv.pop(1)
KEY = 'AKIASIMAWS0000000000'
SECRET = 'simaws/not/a/real/secret/0000000000000000'
REGION = 'eu-west-1'
SEED = 7
INSTANCES = 1234
MASK = (1 << 64) - 1
GOLDEN = 0x9E3779B97F4A7C15


def fnv1a(data):
    out = 0xCBF29CE484222325
    for byte in data:
        out = (out ^ byte) * 0x100000001B3 & MASK
    return out


def mix(value):
    value = (value ^ value >> 30) * 0xBF58476D1CE4E5B9 & MASK
    value = (value ^ value >> 27) * 0x94D049BB133111EB & MASK
    return value ^ value >> 31


def instance_id(index, region=REGION):
    key = mix(fnv1a(f'{SEED}\n{region}'.encode()))
    return f'i-0{mix(index ^ key):016x}'


def samples(namespace, metric, dimensions, start, period, low, span, quantum, step=15, region=REGION):
    """The samples of one period in millionths: the formula of docs/simaws.md."""
    text = f'{SEED}\n{region}\n{namespace}\n{metric}\n' + ''.join(f'{n}={v}\n' for n, v in sorted(dimensions.items()))
    series = fnv1a(text.encode())
    out = []
    for at in range(-(-start // step) * step, start + period, step):
        noise = mix(series ^ ((at + 1) * GOLDEN & MASK)) >> 54
        minute = (at + series % 86400) // 60 % 1440
        wave = min(minute, 1439 - minute) * 1023 // 719
        level = (3 * wave + noise) // 4
        out.append(low + span * level // 1023 // quantum * quantum)
    return out


class Simulator:
    def __init__(self, *options):
        self.process = subprocess.Popen(
            [SIMAWS, '--port', '0', '--seed', str(SEED), '--regions', 'eu-west-1,us-east-1', *options],
            stdout=subprocess.PIPE, text=True)
        line = self.process.stdout.readline()
        assert line.startswith('simaws (a simulator, not AWS) listens on http://127.0.0.1:'), line
        self.url = line.split('listens on ')[1].split(';')[0]

    def stop(self):
        self.process.terminate()
        code = self.process.wait(timeout=20)
        self.process.stdout.close()
        return code

    def client(self, service, region=REGION, key=KEY, secret=SECRET, token=None, **config):
        settings = {'retries': {'max_attempts': 0}, 'connect_timeout': 10, 'read_timeout': 60, **config}
        return boto3.client(service, region_name=region, endpoint_url=self.url, aws_access_key_id=key,
                            aws_secret_access_key=secret, aws_session_token=token,
                            config=botocore.config.Config(**settings))

    def get(self, path, headers=None, method='GET', data=None):
        request = urllib.request.Request(self.url + path, headers=headers or {}, method=method, data=data)
        with urllib.request.urlopen(request, timeout=20) as reply:
            return reply.read().decode()

    def faults(self, spec):
        self.get('/simaws/faults', method='POST', data=spec.encode())

    def stats(self):
        return json.loads(self.get('/simaws/stats'))


def cpu_query(index, number, stat='Average', period=300):
    return {'Id': f'q{number}', 'MetricStat': {
        'Metric': {'Namespace': 'AWS/EC2', 'MetricName': 'CPUUtilization',
                   'Dimensions': [{'Name': 'InstanceId', 'Value': instance_id(index)}]},
        'Period': period, 'Stat': stat}}


def utc(seconds):
    return datetime.datetime.fromtimestamp(seconds, datetime.timezone.utc)


class AsBotoSeesIt(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.sim = Simulator('--instances', str(INSTANCES))

    @classmethod
    def tearDownClass(cls):
        assert cls.sim.stop() == 0

    def setUp(self):
        self.sim.faults('')

    def refused(self, code, call, status=None):
        with self.assertRaises(botocore.exceptions.ClientError) as caught:
            call()
        self.assertEqual(caught.exception.response['Error']['Code'], code, caught.exception)
        if status:
            self.assertEqual(caught.exception.response['ResponseMetadata']['HTTPStatusCode'], status)
        return caught.exception.response['Error']['Message']

    # EC2

    def all_instances(self, region=REGION):
        pages = list(self.sim.client('ec2', region).get_paginator('describe_instances').paginate(
            PaginationConfig={'PageSize': 1000}))
        self.assertEqual(len(pages), 2)
        return [i for page in pages for r in page['Reservations'] for i in r['Instances']]

    def test_every_instance_is_listed_once_with_its_documented_id(self):
        instances = self.all_instances()
        self.assertEqual([i['InstanceId'] for i in instances], [instance_id(n) for n in range(INSTANCES)])
        self.assertEqual(instances[0]['Tags'][0], {'Key': 'Name', 'Value': 'web-1'})
        self.assertIn({'Key': 'simulated', 'Value': 'true'}, instances[0]['Tags'])
        self.assertEqual(instances[0]['State'], {'Code': 16, 'Name': 'running'})
        other = self.all_instances('us-east-1')
        self.assertFalse({i['InstanceId'] for i in instances} & {i['InstanceId'] for i in other})

    def test_odd_names_survive(self):
        names = [[t['Value'] for t in i.get('Tags', []) if t['Key'] == 'Name'] for i in self.all_instances()]
        self.assertEqual(names.count(['web-1']), 1)
        self.assertEqual(names.count(['dup-name']), 2)
        self.assertEqual(names[10:13], [[], [], ['']])
        for name in ('日本語サーバー', 'quoted "name"', 'comma,name', '[brackets]', "a&b <c> 'd'", '  leading spaces',
                     'trailing spaces  ', 'back\\slash', 'long-' + 250 * 'x', '🚀 emoji', '50% off\ttab', 'Web-1'):
            self.assertEqual(names.count([name]), 1, name)

    def test_filters_and_ids(self):
        ec2 = self.sim.client('ec2')

        def ids(**arguments):
            return [i['InstanceId'] for r in ec2.describe_instances(**arguments)['Reservations']
                    for i in r['Instances']]
        self.assertEqual(ids(Filters=[{'Name': 'tag:Name', 'Values': ['web-3']}]), [instance_id(2)])
        self.assertEqual(ids(Filters=[{'Name': 'tag:Name', 'Values': ['日本語サーバー']}]), [instance_id(17)])
        self.assertEqual(ids(InstanceIds=[instance_id(6), instance_id(7)]), [instance_id(6), instance_id(7)])
        self.assertIn(instance_id(27), ids(Filters=[{'Name': 'instance-state-name', 'Values': ['stopped']}]))
        self.refused('InvalidInstanceID.NotFound', lambda: ids(InstanceIds=['i-00000000000000000']), 400)
        self.refused('InvalidInstanceID.Malformed', lambda: ids(InstanceIds=['i-nonsense']), 400)
        self.refused('InvalidParameterValue', lambda: ids(MaxResults=4), 400)
        self.refused('InvalidParameterValue', lambda: ids(MaxResults=1001), 400)
        self.refused('InvalidParameterCombination', lambda: ids(InstanceIds=[instance_id(1)], MaxResults=5), 400)
        self.refused('InvalidParameterValue', lambda: ids(Filters=[{'Name': 'tog', 'Values': ['x']}]), 400)
        self.refused('InvalidNextToken', lambda: ids(MaxResults=5, NextToken='bm9uc2Vuc2U='), 400)

    def test_regions(self):
        regions = self.sim.client('ec2').describe_regions()['Regions']
        self.assertEqual([r['RegionName'] for r in regions], ['eu-west-1', 'us-east-1'])

    # CloudWatch

    def metrics(self, start, end, queries, **more):
        pages = self.sim.client('cloudwatch').get_paginator('get_metric_data').paginate(
            StartTime=utc(start), EndTime=utc(end), MetricDataQueries=queries, **more)
        out = {}
        for page in pages:
            for result in page['MetricDataResults']:
                known = out.setdefault(result['Id'], ([], []))
                known[0].extend(int(t.timestamp()) for t in result['Timestamps'])
                known[1].extend(result['Values'])
        return out

    def test_values_are_the_documented_function(self):
        end = int(time.time()) // 300 * 300 - 300
        start = end - 3600
        stats = ['Average', 'Sum', 'Minimum', 'Maximum', 'SampleCount', 'p90', 'TM(10%:90%)']
        got = self.metrics(start, end, [cpu_query(3, n, stat) for n, stat in enumerate(stats)])
        for n, stat in enumerate(stats):
            times, values = got[f'q{n}']
            self.assertEqual(times, list(range(end - 300, start - 1, -300)), stat)
            for at, value in zip(times, values):
                micro = samples('AWS/EC2', 'CPUUtilization', {'InstanceId': instance_id(3)}, at, 300,
                                1_000_000, 98_000_000, 10_000)
                order = sorted(micro)
                self.assertEqual(len(order), 20)
                expected = {'Average': (sum(micro) + 10) // 20, 'Sum': sum(micro), 'Minimum': order[0],
                            'Maximum': order[-1], 'SampleCount': 20_000_000, 'p90': order[17],
                            'TM(10%:90%)': (sum(order[2:18]) + 8) // 16}[stat]
                self.assertEqual(value, expected / 1e6, stat)

    def test_500_queries_are_answered_and_501_refused(self):
        end = int(time.time()) // 60 * 60
        queries = [cpu_query(n % 10, n) for n in range(501)]
        before = self.sim.stats()
        self.assertEqual(len(self.metrics(end - 1800, end, queries[:500])), 500)
        after = self.sim.stats()
        self.assertEqual(after['metrics_requested'] - before['metrics_requested'], 500)
        self.assertEqual(after['metrics_billed'] - before['metrics_billed'], 10)
        message = self.refused('ValidationError', lambda: self.metrics(end - 1800, end, queries), 400)
        self.assertIn('500', message)

    def test_long_answers_come_in_pages_and_lose_nothing(self):
        end = int(time.time()) // 86400 * 86400
        start = end - 10 * 86400
        queries = [cpu_query(n, n, period=60) for n in range(9)]  # 9 x 14,400 points
        cloudwatch = self.sim.client('cloudwatch')
        first = cloudwatch.get_metric_data(StartTime=utc(start), EndTime=utc(end), MetricDataQueries=queries)
        self.assertEqual(sum(len(r['Values']) for r in first['MetricDataResults']), 100_800)
        self.assertEqual([r['StatusCode'] for r in first['MetricDataResults']], ['Complete'] * 7 + ['PartialData'] * 2)
        got = self.metrics(start, end, queries)
        for times, _ in got.values():
            self.assertEqual(times, list(range(end - 60, start - 1, -60)))

    def test_what_does_not_exist_is_empty_and_complete(self):
        end = int(time.time()) // 60 * 60
        query = cpu_query(0, 0)
        query['MetricStat']['Metric']['MetricName'] = 'NoSuchMetric'
        stopped = cpu_query(27, 1)
        result = self.sim.client('cloudwatch').get_metric_data(
            StartTime=utc(end - 1800), EndTime=utc(end), MetricDataQueries=[query, stopped])['MetricDataResults']
        for one in result:
            self.assertEqual((one['StatusCode'], one['Values'], one['Timestamps']), ('Complete', [], []))

    def test_no_point_is_given_before_its_period_has_ended(self):
        now = int(time.time())
        times, _ = self.metrics(now // 300 * 300 - 900, now + 3600, [cpu_query(0, 0)])['q0']
        self.assertLessEqual(times[0] + 300, int(time.time()))

    def test_bad_metric_requests_are_refused(self):
        end = int(time.time())

        def ask(change=None, **more):
            query = cpu_query(0, 0)
            query['MetricStat'].update(change or {})
            return lambda: self.metrics(more.get('start', end - 600), end, more.get('queries', [query]))
        self.refused('ValidationError', ask({'Period': 61}), 400)
        self.refused('ValidationError', ask({'Stat': 'Avg'}), 400)
        self.refused('ValidationError', ask(start=end), 400)
        self.refused('ValidationError', ask(queries=[cpu_query(0, 0), cpu_query(1, 0)]), 400)
        upper = cpu_query(0, 0)
        upper['Id'] = 'Q0'
        self.refused('ValidationError', ask(queries=[upper]), 400)

    def test_list_metrics_pages_and_filters(self):
        cloudwatch = self.sim.client('cloudwatch')
        pages = list(cloudwatch.get_paginator('list_metrics').paginate(Namespace='AWS/EC2', MetricName='CPUUtilization'))
        listed = [m['Dimensions'][0]['Value'] for page in pages for m in page['Metrics']]
        self.assertEqual([len(page['Metrics']) for page in pages][:2], [500, 500])
        self.assertEqual(len(listed), len(set(listed)))
        self.assertIn(instance_id(0), listed)
        self.assertNotIn(instance_id(27), listed)  # stopped
        mine = cloudwatch.list_metrics(Dimensions=[{'Name': 'InstanceId', 'Value': instance_id(0)}],
                                       RecentlyActive='PT3H')['Metrics']
        self.assertEqual({m['Namespace'] for m in mine}, {'AWS/EC2'})
        self.assertEqual(len(mine), 18)
        apps = cloudwatch.list_metrics(Namespace='Sim/App')['Metrics']
        self.assertIn([], [m['Dimensions'] for m in apps])
        self.assertEqual(max(len(m['Dimensions']) for m in apps), 3)
        odd = [m for m in apps if m['Dimensions'] and m['Dimensions'][0]['Value'] == 'odd = "name"; [x], ü']
        self.assertEqual(len(odd), 1)
        end = int(time.time()) // 60 * 60
        query = {'Id': 'odd', 'MetricStat': {'Metric': odd[0], 'Period': 60, 'Stat': 'Sum'}}
        self.assertEqual(len(self.metrics(end - 600, end, [query])['odd'][1]), 10)

    def test_alarms_page_and_have_what_they_watch(self):
        cloudwatch = self.sim.client('cloudwatch')
        pages = list(cloudwatch.get_paginator('describe_alarms').paginate(AlarmTypes=['MetricAlarm', 'CompositeAlarm'],
                                                                          PaginationConfig={'PageSize': 100}))
        alarms = {alarm['AlarmName']: alarm for page in pages for alarm in page['MetricAlarms']}
        self.assertEqual(len(pages[0]['MetricAlarms']), 100)
        self.assertEqual([alarm['AlarmName'] for page in pages for alarm in page['CompositeAlarms']], ['simaws-composite'])
        cpu = alarms[f'CPUUtilization of {instance_id(0)}']
        self.assertEqual(cpu['Dimensions'], [{'Name': 'InstanceId', 'Value': instance_id(0)}])
        self.assertEqual((cpu['Threshold'], cpu['Period'], cpu['Statistic'], cpu['ActionsEnabled']), (90.0, 300, 'Average', True))
        self.assertLess(cpu['StateUpdatedTimestamp'].timestamp(), time.time())
        self.assertNotIn(f'CPUUtilization of {instance_id(27)}', alarms)  # stopped
        self.assertEqual([query['Id'] for query in alarms['simaws-math']['Metrics']], ['m0', 'm1', 'e'])
        self.assertEqual(len(alarms), len({alarm['AlarmArn'] for alarm in alarms.values()}))
        self.sim.get('/simaws/alarms', method='POST', data=b'ALARM simaws-composite')
        alarmed = cloudwatch.describe_alarms(StateValue='ALARM', AlarmTypes=['CompositeAlarm'])['CompositeAlarms']
        self.assertEqual([alarm['StateReason'] for alarm in alarmed], ['Set by hand.'])
        self.sim.get('/simaws/alarms', method='POST', data=b'')
        self.refused('ValidationError', lambda: cloudwatch.describe_alarms(AlarmNames=['simaws-math']), 400)
        self.refused('InvalidNextToken', lambda: cloudwatch.describe_alarms(NextToken='x'), 400)

    def test_expressions_are_computed(self):
        end = int(time.time()) // 300 * 300 - 300
        low, high = cpu_query(3, 'low', 'Minimum'), cpu_query(3, 'high', 'Maximum')
        for query in (low, high):
            query['ReturnData'] = False
        before = self.sim.stats()
        got = self.metrics(end - 900, end, [{'Id': 'range', 'Expression': '(qhigh - qlow) / 2'}, low, high])
        after = self.sim.stats()
        self.assertEqual(list(got), ['range'])
        self.assertEqual(got['range'][0], [end - 300, end - 600, end - 900])
        for at, value in zip(*got['range']):
            micro = samples('AWS/EC2', 'CPUUtilization', {'InstanceId': instance_id(3)}, at, 300, 1_000_000, 98_000_000, 10_000)
            self.assertAlmostEqual(value, (max(micro) - min(micro)) / 2e6, places=9)
        self.assertEqual(after['metrics_billed'] - before['metrics_billed'], 1)
        message = self.refused('ValidationError', lambda: self.metrics(end - 900, end, [{'Id': 'e', 'Expression': 'm9 + 1'}]), 400)
        self.assertIn("'m9'", message)

    # STS and signatures

    def test_who_am_i(self):
        identity = self.sim.client('sts').get_caller_identity()
        self.assertEqual(identity['Account'], '000000000000')
        self.assertIn('simaws', identity['Arn'])

    def test_roles(self):
        sts = self.sim.client('sts')
        arn = 'arn:aws:iam::111122223333:role/'
        issued = sts.assume_role(RoleArn=arn + 'reader', RoleSessionName='test')['Credentials']
        mine = {'key': issued['AccessKeyId'], 'secret': issued['SecretAccessKey'], 'token': issued['SessionToken']}
        identity = self.sim.client('sts', **mine).get_caller_identity()
        self.assertEqual(identity['Arn'], 'arn:aws:sts::111122223333:assumed-role/reader/test')
        self.sim.client('ec2', **mine).describe_instances(MaxResults=5)
        wrong = {**mine, 'token': mine['token'][:-5] + 'AAA=='}
        self.refused('AuthFailure', lambda: self.sim.client('ec2', **wrong).describe_instances(MaxResults=5), 401)
        self.refused('InvalidClientTokenId', lambda: self.sim.client('sts', **wrong).get_caller_identity(), 403)
        self.refused('AccessDenied', lambda: sts.assume_role(RoleArn=arn + 'denied', RoleSessionName='test'), 403)
        self.refused('AccessDenied', lambda: sts.assume_role(RoleArn=arn + 'external-1', RoleSessionName='test'), 403)
        sts.assume_role(RoleArn=arn + 'external-1', RoleSessionName='test', ExternalId='simaws-external')
        self.refused('ValidationError', lambda: sts.assume_role(RoleArn='arn:aws:iam::1:role/reader', RoleSessionName='test'), 400)

    def test_web_identity(self):
        sts = self.sim.client('sts')
        arguments = {'RoleArn': 'arn:aws:iam::111122223333:role/reader', 'RoleSessionName': 'pod'}
        issued = sts.assume_role_with_web_identity(WebIdentityToken='simaws-web-identity-token', **arguments)
        self.assertTrue(issued['Credentials']['AccessKeyId'].startswith('ASIA'))
        self.refused('InvalidIdentityToken', lambda: sts.assume_role_with_web_identity(WebIdentityToken='other', **arguments))

    def test_wrong_keys_are_refused_in_each_services_words(self):
        for service, code, call in (('ec2', 'AuthFailure', 'describe_regions'), ('sts', 'SignatureDoesNotMatch', 'get_caller_identity'),
                                    ('cloudwatch', 'SignatureDoesNotMatch', 'list_metrics')):
            self.refused(code, getattr(self.sim.client(service, secret='wrong'), call))
        for service, code, call in (('ec2', 'AuthFailure', 'describe_regions'), ('sts', 'InvalidClientTokenId', 'get_caller_identity')):
            self.refused(code, getattr(self.sim.client(service, key='AKIAUNKNOWN000000000'), call))
        message = self.refused('SignatureDoesNotMatch', self.sim.client('sts', region='ap-northeast-1').get_caller_identity)
        self.assertIn('valid region', message)

    def test_a_wrong_clock_is_refused(self):
        self.sim.faults('*:skew=3600')
        self.refused('RequestExpired', self.sim.client('ec2').describe_regions, 400)
        self.refused('SignatureDoesNotMatch', self.sim.client('sts').get_caller_identity, 403)

    # metadata

    def test_instance_metadata_gives_working_credentials(self):
        fetcher = InstanceMetadataFetcher(base_url=self.sim.url + '/', timeout=10)
        credentials = InstanceMetadataProvider(iam_role_fetcher=fetcher).load().get_frozen_credentials()
        identity = self.sim.client('sts', key=credentials.access_key, secret=credentials.secret_key,
                                   token=credentials.token).get_caller_identity()
        self.assertIn('assumed-role/simaws-role/i-', identity['Arn'])

    def test_instance_metadata_wants_version_2(self):
        for headers, status in (({}, 401), ({'X-aws-ec2-metadata-token': 'wrong'}, 401)):
            with self.assertRaises(urllib.error.HTTPError) as caught:
                self.sim.get('/latest/meta-data/instance-id', headers)
            self.assertEqual(caught.exception.code, status)
        ttl = {'X-aws-ec2-metadata-token-ttl-seconds': '60'}
        for headers, status in (({}, 400), ({**ttl, 'X-Forwarded-For': '10.0.0.1'}, 403),
                                ({'X-aws-ec2-metadata-token-ttl-seconds': '21601'}, 400)):
            with self.assertRaises(urllib.error.HTTPError) as caught:
                self.sim.get('/latest/api/token', headers, 'PUT')
            self.assertEqual(caught.exception.code, status)
        token = {'X-aws-ec2-metadata-token': self.sim.get('/latest/api/token', ttl, 'PUT')}
        self.assertEqual(self.sim.get('/latest/meta-data/placement/region', token), REGION)
        self.assertEqual(self.sim.get('/latest/meta-data/instance-id', token), instance_id(0))

    def test_container_credentials(self):
        environ = {'AWS_CONTAINER_CREDENTIALS_FULL_URI': self.sim.url + '/simaws/container-credentials',
                   'AWS_CONTAINER_AUTHORIZATION_TOKEN': 'simaws-container-token'}
        provider = ContainerProvider(environ=environ, fetcher=ContainerMetadataFetcher())
        credentials = provider.load().get_frozen_credentials()
        self.assertIn('simaws-container-role', self.sim.client(
            'sts', key=credentials.access_key, secret=credentials.secret_key, token=credentials.token).get_caller_identity()['Arn'])

    # faults

    def test_faults(self):
        ec2, cloudwatch = self.sim.client('ec2'), self.sim.client('cloudwatch')
        self.sim.faults('DescribeRegions:throttle:1,ListMetrics:throttle:1')
        self.refused('RequestLimitExceeded', ec2.describe_regions, 503)
        self.refused('Throttling', cloudwatch.list_metrics, 400)
        ec2.describe_regions()  # the count is used up
        self.sim.faults('*:denied')
        self.assertIn('ec2:DescribeRegions', self.refused('UnauthorizedOperation', ec2.describe_regions, 403))
        self.assertIn('cloudwatch:ListMetrics', self.refused('AccessDenied', cloudwatch.list_metrics, 403))
        self.sim.faults('ec2:expired')
        self.refused('RequestExpired', ec2.describe_regions, 400)
        self.sim.faults('ec2:cut')
        with self.assertRaises((botocore.exceptions.HTTPClientError, botocore.parsers.ResponseParserError)):
            ec2.describe_regions()
        self.sim.faults('ec2:reset')
        with self.assertRaises(botocore.exceptions.HTTPClientError):
            ec2.describe_regions()
        self.sim.faults('ec2:garbage')
        with self.assertRaises(botocore.parsers.ResponseParserError):
            ec2.describe_regions()
        self.sim.faults('ec2:hang')
        with self.assertRaises(botocore.exceptions.ReadTimeoutError):
            self.sim.client('ec2', read_timeout=1).describe_regions()
        with self.assertRaises(urllib.error.HTTPError):
            self.sim.faults('ec2:nonsense')

    def test_partial_data_is_completed_by_the_next_page(self):
        end = int(time.time()) // 300 * 300
        whole = self.metrics(end - 7200, end, [cpu_query(n, n) for n in range(4)])
        self.sim.faults('GetMetricData:partial')
        self.assertEqual(self.metrics(end - 7200, end, [cpu_query(n, n) for n in range(4)]), whole)
        self.sim.faults('GetMetricData:internal')
        results = self.sim.client('cloudwatch').get_metric_data(
            StartTime=utc(end - 600), EndTime=utc(end), MetricDataQueries=[cpu_query(n, n) for n in range(2)])
        self.assertEqual([r['StatusCode'] for r in results['MetricDataResults']], ['Complete', 'InternalError'])


class WithOptions(unittest.TestCase):
    def test_a_monitoring_account_reads_the_accounts_linked_to_it(self):
        sim = Simulator('--linked-accounts', '111111111111')
        try:
            cloudwatch, end = sim.client('cloudwatch'), int(time.time()) // 60 * 60
            listed = cloudwatch.list_metrics(Namespace='Sim/App', MetricName='Temperature', IncludeLinkedAccounts=True)
            self.assertEqual(listed['OwningAccounts'], ['000000000000', '111111111111'])
            stat = {'Metric': listed['Metrics'][1], 'Period': 60, 'Stat': 'Sum'}
            results = cloudwatch.get_metric_data(StartTime=utc(end - 300), EndTime=utc(end), MetricDataQueries=[
                {'Id': f'a{account}', 'AccountId': account, 'MetricStat': stat}
                for account in ('000000000000', '111111111111', '222222222222')])['MetricDataResults']
            self.assertEqual([r['StatusCode'] for r in results], ['Complete', 'Complete', 'Forbidden'])
            self.assertNotEqual(results[0]['Values'], results[1]['Values'])
            self.assertEqual(results[2]['Values'], [])
        finally:
            sim.stop()

    def test_each_account_has_its_own_fleet_and_an_organization_lists_them(self):
        sim = Simulator('--organization', '30')
        try:
            pages = list(sim.client('organizations', 'us-east-1').get_paginator('list_accounts').paginate())
            accounts = [account for page in pages for account in page['Accounts']]
            self.assertEqual([len(page['Accounts']) for page in pages], [20, 11])
            active = [account['Id'] for account in accounts if account['Status'] == 'ACTIVE']
            role = f'arn:aws:iam::{active[1]}:role/reader'
            issued = sim.client('sts').assume_role(RoleArn=role, RoleSessionName='test')['Credentials']
            mine = {'key': issued['AccessKeyId'], 'secret': issued['SecretAccessKey'], 'token': issued['SessionToken']}
            theirs = sim.client('ec2', **mine).describe_instances(MaxResults=5)['Reservations'][0]
            self.assertEqual(theirs['OwnerId'], active[1])
            own = sim.client('ec2').describe_instances(MaxResults=5)['Reservations'][0]
            self.assertNotEqual(own['Instances'][0]['InstanceId'], theirs['Instances'][0]['InstanceId'])
            self.assertEqual(sim.stats()['accounts'][active[1]][REGION]['calls'], {'ec2.DescribeInstances': 1})
        finally:
            sim.stop()

    def test_points_are_published_late(self):
        sim = Simulator('--publish', 'AWS/EC2=3600', '--late', '0:0', '--revise', '0.5:60')
        try:
            cloudwatch, end = sim.client('cloudwatch'), int(time.time()) // 300 * 300
            values = cloudwatch.get_metric_data(StartTime=utc(end - 3000), EndTime=utc(end), MetricDataQueries=[cpu_query(0, 0)])
            self.assertEqual(values['MetricDataResults'][0]['Values'], [])
            sim.get('/simaws/publication', method='POST', data=b'')
            values = cloudwatch.get_metric_data(StartTime=utc(end - 3000), EndTime=utc(end), MetricDataQueries=[cpu_query(0, 0)])
            self.assertEqual(len(values['MetricDataResults'][0]['Values']), 10)
        finally:
            sim.stop()

    def test_throttle_lets_a_burst_through_and_then_refuses(self):
        sim = Simulator('--throttle', '3')
        try:
            ec2, codes = sim.client('ec2'), []
            for _ in range(6):
                try:
                    ec2.describe_regions()
                    codes.append('ok')
                except botocore.exceptions.ClientError as error:
                    codes.append(error.response['Error']['Code'])
            self.assertEqual(codes[:3], ['ok'] * 3)
            self.assertIn('RequestLimitExceeded', codes)
        finally:
            sim.stop()

    def test_the_log_has_a_line_for_each_request_and_no_secret(self):
        path = os.path.join(os.environ.get('TMPDIR', '/tmp'), f'simaws-log-{os.getpid()}.jsonl')
        sim = Simulator('--log', path)
        try:
            sim.client('sts').get_caller_identity()
            sim.client('ec2').describe_regions()
            with open(path) as log:
                lines = [json.loads(line) for line in log]
            self.assertEqual([line['action'] for line in lines], ['sts.GetCallerIdentity', 'ec2.DescribeRegions'])
            with open(path) as log:
                self.assertNotIn(SECRET, log.read())
        finally:
            sim.stop()
            os.unlink(path)

    def test_credentials_end_when_they_are_told_to(self):
        sim = Simulator('--credential-seconds', '1')
        try:
            issued = sim.client('sts').assume_role(RoleArn='arn:aws:iam::111122223333:role/reader',
                                                   RoleSessionName='test')['Credentials']
            time.sleep(2.1)
            with self.assertRaises(botocore.exceptions.ClientError) as caught:
                sim.client('sts', key=issued['AccessKeyId'], secret=issued['SecretAccessKey'],
                           token=issued['SessionToken']).get_caller_identity()
            self.assertEqual(caught.exception.response['Error']['Code'], 'ExpiredToken')
        finally:
            sim.stop()

    def test_awscli_reads_instances_metrics_and_identity(self):
        if not os.path.exists('/usr/bin/aws'):
            self.assertNotIn('CI', os.environ, 'Debian package awscli')
            self.skipTest('Debian package awscli')
        sim = Simulator()
        try:
            environment = {'PATH': '/usr/bin:/bin', 'HOME': '/nonexistent', 'AWS_ACCESS_KEY_ID': KEY, 'AWS_EC2_METADATA_DISABLED': 'true',
                           'AWS_SECRET_ACCESS_KEY': SECRET, 'AWS_DEFAULT_REGION': REGION, 'AWS_MAX_ATTEMPTS': '1'}

            def aws(*arguments):
                done = subprocess.run(['/usr/bin/aws', '--endpoint-url', sim.url, '--output', 'json', *arguments],
                                      env=environment, capture_output=True, text=True, timeout=60)
                self.assertEqual(done.returncode, 0, done.stderr)
                return json.loads(done.stdout)
            self.assertEqual(aws('sts', 'get-caller-identity')['Account'], '000000000000')
            found = aws('ec2', 'describe-instances', '--filters', 'Name=tag:Name,Values=web-1')
            self.assertEqual(found['Reservations'][0]['Instances'][0]['InstanceId'], instance_id(0))
            end = int(time.time()) // 300 * 300
            data = aws('cloudwatch', 'get-metric-data', '--metric-data-queries', json.dumps([cpu_query(0, 0)]),
                       '--start-time', utc(end - 900).isoformat(), '--end-time', utc(end).isoformat())
            self.assertEqual(len(data['MetricDataResults'][0]['Values']), 3)
            listed = aws('cloudwatch', 'list-metrics', '--namespace', 'Sim/App')
            self.assertGreater(len(listed['Metrics']), 5)
        finally:
            sim.stop()

    def test_print_env_is_for_a_shell(self):
        out = subprocess.run([SIMAWS, '--port', '4711', '--print-env'], capture_output=True, text=True, timeout=20, check=True)
        self.assertEqual(out.stdout.splitlines(), [
            f"export AWS_ACCESS_KEY_ID='{KEY}'", f"export AWS_SECRET_ACCESS_KEY='{SECRET}'",
            "export AWS_ENDPOINT_URL='http://127.0.0.1:4711'", "export AWS_REGION='eu-west-1'"])


if __name__ == '__main__':
    unittest.main(verbosity=2, warnings='ignore')
