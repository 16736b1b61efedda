"""Reads with boto3 what a gateway and its sink wrote, and prints it as JSON lines for the test that asks.

    read_back.py objects ENDPOINT BUCKET PREFIX COUNT   waits for COUNT objects below PREFIX: {"key": …, "text": …}
    read_back.py records ENDPOINT STREAM                all records: {"key": partition key, "text": data, "sequence": …}
    read_back.py drawn DIRECTORY COUNT                  the posts that the scripts in DIRECTORY draw: {"pin": …, "geo": …, "user": …}
"""
import json
import sys
import time

import boto3
from botocore.config import Config

CREDENTIALS = {"region_name": "us-east-1", "aws_access_key_id": "test", "aws_secret_access_key": "testsecret"}
LIMIT = 60  # seconds


def objects(endpoint, bucket, prefix, count):
    s3 = boto3.client("s3", endpoint_url=endpoint, config=Config(s3={"addressing_style": "path"}), **CREDENTIALS)
    deadline = time.monotonic() + LIMIT
    while True:
        pages = s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix)
        keys = [entry["Key"] for page in pages for entry in page.get("Contents", [])]
        if len(keys) >= int(count) or time.monotonic() > deadline:
            break
        time.sleep(0.1)
    for key in keys:
        yield {"key": key, "text": s3.get_object(Bucket=bucket, Key=key)["Body"].read().decode("utf-8")}


def records(endpoint, stream):
    kinesis = boto3.client("kinesis", endpoint_url=endpoint, **CREDENTIALS)
    for shard in kinesis.describe_stream(StreamName=stream)["StreamDescription"]["Shards"]:
        iterator = kinesis.get_shard_iterator(StreamName=stream, ShardId=shard["ShardId"], ShardIteratorType="TRIM_HORIZON")["ShardIterator"]
        while True:
            answer = kinesis.get_records(ShardIterator=iterator, Limit=1000)
            for record in answer["Records"]:
                yield {"key": record["PartitionKey"], "text": record["Data"].decode("utf-8"), "sequence": record["SequenceNumber"]}
            iterator = answer.get("NextShardIterator")
            if iterator is None or not answer["Records"]:
                break


def drawn(directory, count):
    sys.path.insert(0, directory)
    import user_posting_emulation  # seeds random, as the script does

    rows = user_posting_emulation.BuiltinRows()
    for _ in range(int(count)):
        yield dict(zip(("pin", "geo", "user"), rows.random_post()))


for line in {"objects": objects, "records": records, "drawn": drawn}[sys.argv[1]](*sys.argv[2:]):
    print(json.dumps(line))
