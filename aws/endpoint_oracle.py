"""What botocore's own endpoint rules say, one line each: SERVICE REGION FIPS DUALSTACK URL SIGNING_REGION (or "error").

Used by endpoint_test.cpp. Exits with 77 where botocore is not installed.
"""
import sys

try:
    import botocore.loaders
    from botocore.endpoint_provider import EndpointProvider
    from botocore.exceptions import EndpointProviderError
except ImportError:
    sys.exit(77)

loader = botocore.loaders.create_loader()
partitions = loader.load_data("partitions")
regions = [region for partition in partitions["partitions"] for region in partition["regions"]
           if not region.endswith("-global")]
regions += ["eu-somewhere-9", "cn-new-1", "us-gov-north-1", "xx-unknown-1", "us-iso-new-1"]
for service in ("ec2", "cloudwatch", "sts"):
    provider = EndpointProvider(loader.load_service_model(service, "endpoint-rule-set-1"), partitions)
    for region in regions + (["aws-global"] if service == "sts" else []):
        for fips in (False, True):
            for dualstack in (False, True):
                if region == "aws-global" and (fips or dualstack):
                    continue
                parameters = {"Region": region, "UseFIPS": fips, "UseDualStack": dualstack}
                if service == "sts":
                    parameters["UseGlobalEndpoint"] = False
                try:
                    endpoint = provider.resolve_endpoint(**parameters)
                    schemes = endpoint.properties.get("authSchemes", [{}])
                    answer = f"{endpoint.url} {schemes[0].get('signingRegion', region)}"
                except EndpointProviderError:
                    answer = "error -"
                print(service, region, int(fips), int(dualstack), answer)
