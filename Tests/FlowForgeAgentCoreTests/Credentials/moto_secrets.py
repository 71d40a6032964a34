#!/usr/bin/env python3
"""Amazon's Secrets Manager and IAM as moto plays them, with signatures verified.

    moto_secrets.py NAME=VALUE...

Makes a secret of each, a user who may read them and one who may not; then every request must be
signed by somebody. Prints a line of JSON with url, region, id and key; ends when its standard input does.
"""

import json
import logging
import sys
import urllib.request

import boto3
from moto.server import ThreadedMotoServer

logging.getLogger("werkzeug").setLevel(logging.ERROR)
region = "eu-central-1"
server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
server.start()
host, port = server.get_host_and_port()
url = f"http://127.0.0.1:{port}"


def client(service):
    return boto3.client(
        service, endpoint_url=url, region_name=region, aws_access_key_id="setup", aws_secret_access_key="setup"
    )


secrets, iam = client("secretsmanager"), client("iam")
for argument in sys.argv[1:]:
    name, value = argument.split("=", 1)
    secrets.create_secret(Name=name, SecretString=value)
    if name == "rotated":
        secrets.put_secret_value(SecretId=name, SecretString=value + "-2")
iam.create_user(UserName="agent")
statements = [
    {"Effect": "Allow", "Action": "secretsmanager:GetSecretValue", "Resource": "*"},
]
iam.put_user_policy(
    UserName="agent",
    PolicyName="read",
    PolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": statements}),
)
iam.create_user(UserName="nobody")
key = iam.create_access_key(UserName="agent")["AccessKey"]
nobody = iam.create_access_key(UserName="nobody")["AccessKey"]
# As a form it would be read and gone.
plain = {"Content-Type": "text/plain"}
urllib.request.urlopen(urllib.request.Request(f"{url}/moto-api/reset-auth", data=b"0", headers=plain, method="POST")).read()
print(
    json.dumps(
        {
            "url": url,
            "region": region,
            "id": key["AccessKeyId"],
            "key": key["SecretAccessKey"],
            "nobodyId": nobody["AccessKeyId"],
            "nobodyKey": nobody["SecretAccessKey"],
        }
    ),
    flush=True,
)
sys.stdin.read()
server.stop()
