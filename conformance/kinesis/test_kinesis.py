"""The Kinesis cases, through boto3, against any server that speaks Kinesis.

    python test_kinesis.py --endpoint http://127.0.0.1:4567 [--server embedded|kinesis-mock|kinesalite] [CASE...]

A case is agreed when the service model says so ([model]: botocore's service-2.json, or its documentation), when
kinesis-mock and kinesalite both say so ([servers]), or when recorded servers do ([recorded]: embedded/testdata). The
embedded server passes every case. What a stand-in gets wrong stands in FAULTS by name, with the reason: such a case is run
all the same, and fails the run when the stand-in passes it, so that the list stays true. No case is skipped.
"""

import argparse
import datetime
import functools
import hashlib
import json
import sys
import time
import unittest
import urllib.error
import urllib.request
import uuid

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

# Reasons that several faults share.
VALIDATION = "InvalidArgumentException where the service says ValidationException"
ABSENT = "SerializationException where a required member is absent: the service says ValidationException"
OLD = "written before the service had this member or operation"

# Statuses of the stand-ins pass by timers of their own: these cases may fail there or not.
TIMED = {name: "its status may pass sooner or later than it says" for name in ("test_while_creating", "test_while_updating")}

FAULTS = {
    "embedded": {},
    "kinesis-mock": {
        "test_bad_base64": "500 without a body, or an error without a type, for Data that is no base64",
        "test_bad_iterator": "500 for an iterator that is none",
        "test_bad_keys": VALIDATION,
        "test_bad_limits": VALIDATION,
        "test_bad_names": VALIDATION,
        "test_bad_type": "SerializationException for a value that is not in the enumeration",
        "test_batch_empty": "takes a batch of no records",
        "test_batch_too_long": "takes 501 records",
        "test_ends_of_ranges": "the last hash key of a range is one short",
        "test_explicit_hash_key_no_number": VALIDATION + ", and 500 for a text",
        "test_limits_of_limits": VALIDATION,
        "test_list_by_token": "HasMoreStreams without a NextToken",
        "test_no_data": ABSENT,
        "test_no_iterator": ABSENT,
        "test_no_key": ABSENT,
        "test_no_name": ABSENT,
        "test_no_nulls": "writes null for members that have no value",
        "test_no_shard_count": "makes four shards when none are asked for",
        "test_sequence_number_no_number": VALIDATION,
        "test_sequence_number_of_another_shard": "takes a number that another shard gave out",
        "test_sequence_number_of_nobody": "ResourceNotFoundException for a number that no shard gave out",
        "test_split": "the ending sequence number of a closed shard is 2^63-1, below its records",
        "test_split_where_it_cannot": "splits a shard at its first hash key",
        "test_too_large": VALIDATION,
        "test_unknown_operation": "AccessDeniedException for an operation that there is not",
        "test_update_shard_count": "the new shards are not of equal width",
        "test_update_shard_count_type": "SerializationException for a value that is not in the enumeration",
        "test_while_creating": "takes records before the stream is ACTIVE",
        "test_wrong_types": "takes a text for a number",
        "test_zero_shards": "LimitExceededException for no shards",
    },
    "kinesalite": {
        "test_arn": OLD + ": StreamARN",
        "test_at_timestamp_behind_all": "never answers when no record is that young",
        "test_behind": "MillisBehindLatest is 0 though records are left",
        "test_child_shards": OLD + ": ChildShards",
        "test_describe_limits": OLD + ": DescribeLimits",
        "test_describe_pages": "DescribeStream ignores Limit",
        "test_explicit_hash_key_no_number": "takes 01, and InvalidArgumentException where the service says ValidationException",
        "test_filter": OLD + ": ShardFilter",
        "test_list_by_token": OLD + ": NextToken of ListStreams",
        "test_list_shards_pages": "ListShards ignores MaxResults",
        "test_max_record_size": OLD + ": UpdateMaxRecordSize",
        "test_mode_is_told": OLD + ": StreamModeDetails",
        "test_on_demand": OLD + ": StreamModeDetails",
        "test_ordering_nonsense": "takes any number for SequenceNumberForOrdering",
        "test_sequence_number_no_number": "InvalidArgumentException for 01 and for 130 digits",
        "test_split_closed": "splits a shard that is split already",
        "test_tags_at_creation": OLD + ": Tags of CreateStream",
        "test_update_shard_count": OLD + ": UpdateShardCount",
        "test_update_shard_count_doubles": OLD + ": UpdateShardCount",
        "test_update_shard_count_type": OLD + ": UpdateShardCount",
        "test_year_of_retention": OLD + ": more than 168 hours",
    },
}

MAX_KEY = 2**128 - 1
ZERO = "shardId-000000000000"
ONE = "shardId-000000000001"
TWO = "shardId-000000000002"
ENDPOINT = ""
DEADLINE = 60  # seconds for one change of status on a busy machine


@functools.cache
def client():
    return boto3.client(
        "kinesis",
        endpoint_url=ENDPOINT,
        region_name="us-east-1",
        aws_access_key_id="any",
        aws_secret_access_key="any",
        # What the model forbids must reach the server; what it answers must reach the case.
        config=Config(parameter_validation=False, retries={"total_max_attempts": 1}, read_timeout=20),
    )


def raw(operation, body, content_type="application/x-amz-json-1.1"):
    """Sends a body as it is; returns status and text of the answer."""
    request = urllib.request.Request(ENDPOINT + "/", data=body, method="POST")
    request.add_header("Content-Type", content_type)
    request.add_header("X-Amz-Target", "Kinesis_20131202." + operation)
    request.add_header("X-Amz-Date", datetime.datetime.now(datetime.timezone.utc).strftime("%Y%m%dT%H%M%SZ"))
    request.add_header(
        "Authorization",
        "AWS4-HMAC-SHA256 Credential=any/20260101/us-east-1/kinesis/aws4_request, SignedHeaders=host, Signature=00",
    )
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


def hash_of(key):
    return int.from_bytes(hashlib.md5(key.encode()).digest(), "big")


class KinesisCase(unittest.TestCase):
    def setUp(self):
        self.kinesis = client()
        self.made = []

    def tearDown(self):
        for name in self.made:
            try:
                self.kinesis.delete_stream(StreamName=name)
            except ClientError:
                pass  # the case deleted it

    # What cases are made of.

    def name(self):
        name = "case-" + uuid.uuid4().hex[:12]
        self.made.append(name)
        return name

    def stream(self, shards=1, **more):
        name = self.name()
        self.kinesis.create_stream(StreamName=name, ShardCount=shards, **more)
        self.active(name)
        return name

    def status(self, name):
        return self.kinesis.describe_stream(StreamName=name)["StreamDescription"]["StreamStatus"]

    def active(self, name):
        self.until(lambda: self.status(name) == "ACTIVE", "stream %s is ACTIVE" % name)

    def until(self, true, what):
        end = time.monotonic() + DEADLINE
        while not true():
            self.assertLess(time.monotonic(), end, "not after %d s: %s" % (DEADLINE, what))
            time.sleep(0.02)

    def passing(self, name, status, since):
        """The status that the last call gave a stream can be seen, unless a slow answer missed its 50 ms."""
        try:
            got = self.status(name)
        except self.kinesis.exceptions.ResourceNotFoundException:
            got = "gone"
        if time.monotonic() - since < 0.05:
            self.assertEqual(got, status)

    def refused(self, error_type, call, /, **args):
        with self.assertRaises(ClientError) as caught:
            call(**args)
        error = caught.exception.response
        self.assertEqual(error["Error"]["Code"], error_type, error)
        self.assertEqual(error["ResponseMetadata"]["HTTPStatusCode"], 400, error)

    def put(self, name, key="k", data=b"x", **more):
        return self.kinesis.put_record(StreamName=name, PartitionKey=key, Data=data, **more)

    def iterator(self, name, shard=ZERO, kind="TRIM_HORIZON", **more):
        return self.kinesis.get_shard_iterator(StreamName=name, ShardId=shard, ShardIteratorType=kind, **more)["ShardIterator"]

    def read(self, name, shard=ZERO, kind="TRIM_HORIZON", **more):
        """Reads a shard to what is its end now; returns the records and the last answer."""
        iterator, records = self.iterator(name, shard, kind, **more), []
        for _ in range(1000):
            answer = self.kinesis.get_records(ShardIterator=iterator)
            records += answer["Records"]
            iterator = answer.get("NextShardIterator")
            if not iterator or not answer["Records"]:
                return records, answer
        self.fail("a shard without end")

    def data(self, *args, **more):
        return [r["Data"] for r in self.read(*args, **more)[0]]

    def shards(self, name, **more):
        return self.kinesis.list_shards(StreamName=name, **more)["Shards"]

    def open_shards(self, name):
        """The open shards by hash key; fails when they leave a key out."""
        shards = [s for s in self.shards(name) if not s["SequenceNumberRange"].get("EndingSequenceNumber")]
        shards.sort(key=lambda s: int(s["HashKeyRange"]["StartingHashKey"]))
        at = 0
        for shard in shards:
            self.assertEqual(int(shard["HashKeyRange"]["StartingHashKey"]), at, shards)
            at = int(shard["HashKeyRange"]["EndingHashKey"]) + 1
        self.assertEqual(at, MAX_KEY + 1, shards)
        return shards


class Streams(KinesisCase):
    def test_life(self):
        """[servers] CREATING, ACTIVE, DELETING, gone; each can be seen."""
        name = self.name()
        since = time.monotonic()
        self.kinesis.create_stream(StreamName=name, ShardCount=2)
        self.passing(name, "CREATING", since)
        self.active(name)
        since = time.monotonic()
        self.kinesis.delete_stream(StreamName=name)
        self.passing(name, "DELETING", since)

        def gone():
            try:
                self.status(name)
            except self.kinesis.exceptions.ResourceNotFoundException:
                return True
            return False

        self.until(gone, "stream %s is gone" % name)

    def test_describe(self):
        """[servers] All required members, of the right types."""
        name = self.stream(2)
        d = self.kinesis.describe_stream(StreamName=name)["StreamDescription"]
        self.assertEqual(d["StreamName"], name)
        self.assertRegex(d["StreamARN"], r"^arn:aws:kinesis:us-east-1:\d{12}:stream/%s$" % name)
        self.assertEqual(d["RetentionPeriodHours"], 24)
        self.assertEqual(d["EnhancedMonitoring"], [{"ShardLevelMetrics": []}])
        self.assertEqual(d["EncryptionType"], "NONE")
        self.assertIs(d["HasMoreShards"], False)
        self.assertEqual([s["ShardId"] for s in d["Shards"]], [ZERO, ONE])
        age = datetime.datetime.now(datetime.timezone.utc) - d["StreamCreationTimestamp"]
        self.assertLess(abs(age.total_seconds()), 600)

    def test_mode_is_told(self):
        """[model] DescribeStream tells the mode."""
        d = self.kinesis.describe_stream(StreamName=self.stream())["StreamDescription"]
        self.assertEqual(d["StreamModeDetails"], {"StreamMode": "PROVISIONED"})

    def test_summary(self):
        """[servers] DescribeStreamSummary counts the open shards."""
        s = self.kinesis.describe_stream_summary(StreamName=self.stream(3))["StreamDescriptionSummary"]
        self.assertEqual((s["OpenShardCount"], s["StreamStatus"], s["ConsumerCount"]), (3, "ACTIVE", 0))

    def test_hash_ranges(self):
        """[recorded] Ranges are an integer division, the last one takes the remainder."""
        width = 2**128 // 3
        got = [(int(s["HashKeyRange"]["StartingHashKey"]), int(s["HashKeyRange"]["EndingHashKey"])) for s in self.shards(self.stream(3))]
        self.assertEqual(got, [(0, width - 1), (width, 2 * width - 1), (2 * width, MAX_KEY)])

    def test_duplicate(self):
        """[servers]"""
        self.refused("ResourceInUseException", self.kinesis.create_stream, StreamName=self.stream(), ShardCount=1)

    def test_missing(self):
        """[servers] Every call on a stream that is not there."""
        k, stream = self.kinesis, {"StreamName": "not-there"}
        for call, more in (
            (k.describe_stream, {}),
            (k.describe_stream_summary, {}),
            (k.delete_stream, {}),
            (k.list_shards, {}),
            (k.list_tags_for_stream, {}),
            (k.put_record, {"PartitionKey": "k", "Data": b"x"}),
            (k.put_records, {"Records": [{"PartitionKey": "k", "Data": b"x"}]}),
            (k.get_shard_iterator, {"ShardId": ZERO, "ShardIteratorType": "LATEST"}),
            (k.split_shard, {"ShardToSplit": ZERO, "NewStartingHashKey": "10"}),
            (k.merge_shards, {"ShardToMerge": ZERO, "AdjacentShardToMerge": ONE}),
            (k.add_tags_to_stream, {"Tags": {"a": "b"}}),
            (k.increase_stream_retention_period, {"RetentionPeriodHours": 48}),
        ):
            with self.subTest(call.__name__):
                self.refused("ResourceNotFoundException", call, **stream, **more)

    def test_zero_shards(self):
        """[recorded]"""
        self.refused("ValidationException", self.kinesis.create_stream, StreamName=self.name(), ShardCount=0)

    def test_no_shard_count(self):
        """[model] ShardCount is what a provisioned stream needs."""
        self.refused("ValidationException", self.kinesis.create_stream, StreamName=self.name())

    def test_bad_names(self):
        """[model] [a-zA-Z0-9_.-]+, 1 to 128 characters."""
        for name in ("", "a b", "é", "x" * 129, "a/b"):
            with self.subTest(name):
                self.refused("ValidationException", self.kinesis.create_stream, StreamName=name, ShardCount=1)

    def test_long_name(self):
        """[model] 128 characters are allowed."""
        name = (uuid.uuid4().hex * 4)[:128]
        self.made.append(name)
        self.kinesis.create_stream(StreamName=name, ShardCount=1)
        self.active(name)

    def test_no_name(self):
        """[recorded]"""
        self.refused("ValidationException", self.kinesis.create_stream, ShardCount=1)

    def test_shard_limit(self):
        """[servers] More shards than the account may have."""
        self.refused("LimitExceededException", self.kinesis.create_stream, StreamName=self.name(), ShardCount=50_000)

    def test_on_demand(self):
        """[model] An ON_DEMAND stream needs no count and begins with 4 shards."""
        name = self.name()
        self.kinesis.create_stream(StreamName=name, StreamModeDetails={"StreamMode": "ON_DEMAND"})
        self.active(name)
        self.assertEqual(len(self.open_shards(name)), 4)
        d = self.kinesis.describe_stream(StreamName=name)["StreamDescription"]
        self.assertEqual(d["StreamModeDetails"], {"StreamMode": "ON_DEMAND"})

    def test_arn(self):
        """[model] StreamARN names a stream everywhere."""
        k, name = self.kinesis, self.stream()
        arn = k.describe_stream(StreamName=name)["StreamDescription"]["StreamARN"]
        self.assertEqual(k.describe_stream(StreamARN=arn)["StreamDescription"]["StreamName"], name)
        self.assertEqual(k.describe_stream_summary(StreamARN=arn)["StreamDescriptionSummary"]["StreamName"], name)
        self.assertEqual(len(k.list_shards(StreamARN=arn)["Shards"]), 1)
        k.put_record(StreamARN=arn, PartitionKey="k", Data=b"one")
        k.put_records(StreamARN=arn, Records=[{"PartitionKey": "k", "Data": b"two"}])
        it = k.get_shard_iterator(StreamARN=arn, ShardId=ZERO, ShardIteratorType="TRIM_HORIZON")["ShardIterator"]
        self.assertEqual([r["Data"] for r in k.get_records(StreamARN=arn, ShardIterator=it)["Records"]], [b"one", b"two"])
        since = time.monotonic()
        k.delete_stream(StreamARN=arn)
        self.passing(name, "DELETING", since)

    def test_list_by_name(self):
        """[servers] Limit, ExclusiveStartStreamName, HasMoreStreams."""
        names = sorted(self.stream() for _ in range(3))
        got, page = [], self.kinesis.list_streams(Limit=2)
        while True:
            self.assertLessEqual(len(page["StreamNames"]), 2)
            got += page["StreamNames"]
            if not page["HasMoreStreams"]:
                break
            page = self.kinesis.list_streams(Limit=2, ExclusiveStartStreamName=got[-1])
        self.assertEqual([n for n in got if n in names], names)

    def test_list_by_token(self):
        """[model] NextToken, which boto3's own paginator follows; summaries beside the names."""
        names = sorted(self.stream() for _ in range(3))
        pages = list(self.kinesis.get_paginator("list_streams").paginate(PaginationConfig={"PageSize": 2}))
        got = [n for page in pages for n in page["StreamNames"]]
        self.assertEqual([n for n in got if n in names], names)
        summaries = [s["StreamName"] for page in pages for s in page["StreamSummaries"]]
        self.assertEqual(summaries, got)

    def test_describe_pages(self):
        """[model] Limit, ExclusiveStartShardId, HasMoreShards."""
        name = self.stream(3)
        d = self.kinesis.describe_stream(StreamName=name, Limit=2)["StreamDescription"]
        self.assertEqual(([s["ShardId"] for s in d["Shards"]], d["HasMoreShards"]), ([ZERO, ONE], True))
        d = self.kinesis.describe_stream(StreamName=name, ExclusiveStartShardId=ONE)["StreamDescription"]
        self.assertEqual(([s["ShardId"] for s in d["Shards"]], d["HasMoreShards"]), ([TWO], False))
        pages = self.kinesis.get_paginator("describe_stream").paginate(StreamName=name, PaginationConfig={"PageSize": 1})
        self.assertEqual([s["ShardId"] for p in pages for s in p["StreamDescription"]["Shards"]], [ZERO, ONE, TWO])

    def test_list_shards_after(self):
        """[servers] ExclusiveStartShardId."""
        self.assertEqual([s["ShardId"] for s in self.shards(self.stream(3), ExclusiveStartShardId=ZERO)], [ONE, TWO])

    def test_list_shards_pages(self):
        """[model] MaxResults and NextToken, which goes without a name."""
        name = self.stream(3)
        page = self.kinesis.list_shards(StreamName=name, MaxResults=2)
        self.assertEqual([s["ShardId"] for s in page["Shards"]], [ZERO, ONE])
        rest = self.kinesis.list_shards(NextToken=page["NextToken"])
        self.assertEqual([s["ShardId"] for s in rest["Shards"]], [TWO])
        self.assertNotIn("NextToken", rest)

    def test_list_shards_token_and_name(self):
        """[servers] Either NextToken or a name, never both and never none."""
        name = self.stream()
        self.refused("InvalidArgumentException", self.kinesis.list_shards, StreamName=name, NextToken="eA==")
        self.refused("InvalidArgumentException", self.kinesis.list_shards)

    def test_limits_of_limits(self):
        """[model] Limit is 1 to 10000."""
        name = self.stream()
        for limit in (0, 10_001):
            with self.subTest(limit):
                self.refused("ValidationException", self.kinesis.describe_stream, StreamName=name, Limit=limit)
                self.refused("ValidationException", self.kinesis.list_streams, Limit=limit)

    def test_waiters(self):
        """[servers] boto3's waiters."""
        name = self.name()
        self.kinesis.create_stream(StreamName=name, ShardCount=1)
        quick = {"Delay": 1, "MaxAttempts": DEADLINE}
        self.kinesis.get_waiter("stream_exists").wait(StreamName=name, WaiterConfig=quick)
        self.kinesis.delete_stream(StreamName=name)
        self.kinesis.get_waiter("stream_not_exists").wait(StreamName=name, WaiterConfig=quick)

    def test_describe_limits(self):
        """[model] The open shards of the account count; other cases' streams may be among them."""
        self.stream(3)
        limits = self.kinesis.describe_limits()
        self.assertGreaterEqual(limits["OpenShardCount"], 3)
        self.assertGreaterEqual(limits["ShardLimit"], limits["OpenShardCount"])
        self.assertIn("OnDemandStreamCount", limits)
        self.assertIn("OnDemandStreamCountLimit", limits)

    def test_tags(self):
        """[servers]"""
        k, name = self.kinesis, self.stream()
        k.add_tags_to_stream(StreamName=name, Tags={"b": "2", "a": "1", "c": "3"})
        k.add_tags_to_stream(StreamName=name, Tags={"b": "two"})
        k.remove_tags_from_stream(StreamName=name, TagKeys=["c", "not there"])
        got = k.list_tags_for_stream(StreamName=name)
        self.assertEqual(got["Tags"], [{"Key": "a", "Value": "1"}, {"Key": "b", "Value": "two"}])
        self.assertIs(got["HasMoreTags"], False)
        page = k.list_tags_for_stream(StreamName=name, Limit=1)
        self.assertEqual((page["Tags"], page["HasMoreTags"]), ([{"Key": "a", "Value": "1"}], True))
        page = k.list_tags_for_stream(StreamName=name, ExclusiveStartTagKey="a")
        self.assertEqual(page["Tags"], [{"Key": "b", "Value": "two"}])

    def test_tags_at_creation(self):
        """[model]"""
        name = self.stream(Tags={"a": "1"})
        self.assertEqual(self.kinesis.list_tags_for_stream(StreamName=name)["Tags"], [{"Key": "a", "Value": "1"}])

    def test_retention(self):
        """[servers]"""
        k, name = self.kinesis, self.stream()
        k.increase_stream_retention_period(StreamName=name, RetentionPeriodHours=48)
        self.assertEqual(k.describe_stream(StreamName=name)["StreamDescription"]["RetentionPeriodHours"], 48)
        self.refused("InvalidArgumentException", k.increase_stream_retention_period, StreamName=name, RetentionPeriodHours=36)
        self.refused("InvalidArgumentException", k.decrease_stream_retention_period, StreamName=name, RetentionPeriodHours=72)
        self.refused("InvalidArgumentException", k.decrease_stream_retention_period, StreamName=name, RetentionPeriodHours=23)
        k.decrease_stream_retention_period(StreamName=name, RetentionPeriodHours=24)
        self.assertEqual(k.describe_stream(StreamName=name)["StreamDescription"]["RetentionPeriodHours"], 24)

    def test_year_of_retention(self):
        """[model] Up to 8760 hours."""
        k, name = self.kinesis, self.stream()
        k.increase_stream_retention_period(StreamName=name, RetentionPeriodHours=8760)
        self.refused("InvalidArgumentException", k.increase_stream_retention_period, StreamName=name, RetentionPeriodHours=8761)


class Writing(KinesisCase):
    def test_bytes(self):
        """[servers] What is read is what was written: bytes, key and number."""
        name = self.stream()
        data = [b"", b"x", bytes(range(256)), "h\u00e9llo \U0001f600".encode(), b"y" * 100_000]
        numbers = [self.put(name, "key \u00e9\"\\", d)["SequenceNumber"] for d in data]
        records, _ = self.read(name)
        self.assertEqual([r["Data"] for r in records], data)
        self.assertEqual([r["SequenceNumber"] for r in records], numbers)
        self.assertEqual({r["PartitionKey"] for r in records}, {"key \u00e9\"\\"})

    def test_arrival(self):
        """[servers] Arrival is a time with a fraction, not before the writing."""
        name, before = self.stream(), datetime.datetime.now(datetime.timezone.utc)
        self.put(name)
        at = self.read(name)[0][0]["ApproximateArrivalTimestamp"]
        self.assertLess(abs((at - before).total_seconds()), 600)

    def test_sequence_numbers(self):
        """[servers] 56 digits, growing, over PutRecord and PutRecords."""
        name = self.stream()
        numbers = []
        for _ in range(3):
            numbers.append(self.put(name)["SequenceNumber"])
            batch = [{"PartitionKey": "k", "Data": b"x"}] * 5
            numbers += [r["SequenceNumber"] for r in self.kinesis.put_records(StreamName=name, Records=batch)["Records"]]
        self.assertEqual([int(n) for n in numbers], sorted({int(n) for n in numbers}))
        self.assertEqual({len(n) for n in numbers}, {56})
        first = self.shards(name)[0]["SequenceNumberRange"]["StartingSequenceNumber"]
        self.assertLess(int(first), int(numbers[0]))

    def test_ordering(self):
        """[servers] SequenceNumberForOrdering is taken, and grows."""
        name, last = self.stream(), None
        for _ in range(5):
            more = {"SequenceNumberForOrdering": last} if last else {}
            number = self.put(name, **more)["SequenceNumber"]
            self.assertTrue(last is None or int(number) > int(last))
            last = number

    def test_ordering_nonsense(self):
        """[model] A number no shard gave out."""
        self.refused("InvalidArgumentException", self.put, name=self.stream(), SequenceNumberForOrdering="7")

    def test_routing(self):
        """[servers] MD5 of the key chooses the shard, in both calls."""
        name = self.stream(4)
        shards = self.shards(name)
        keys = ["key-%d" % i for i in range(30)] + ["\u00e9", "\U0001f600"]

        def home(key):
            for s in shards:
                if int(s["HashKeyRange"]["StartingHashKey"]) <= hash_of(key) <= int(s["HashKeyRange"]["EndingHashKey"]):
                    return s["ShardId"]

        got = self.kinesis.put_records(StreamName=name, Records=[{"PartitionKey": k, "Data": b"x"} for k in keys])
        self.assertEqual([r["ShardId"] for r in got["Records"]], [home(k) for k in keys])
        self.assertEqual([self.put(name, k)["ShardId"] for k in keys[:5]], [home(k) for k in keys[:5]])

    def test_explicit_hash_key(self):
        """[servers] ExplicitHashKey overrides the key."""
        name = self.stream(2)
        for explicit, shard in ((0, ZERO), (2**127 - 2, ZERO), (2**127, ONE), (MAX_KEY - 1, ONE)):
            self.assertEqual(self.put(name, ExplicitHashKey=str(explicit))["ShardId"], shard, explicit)

    def test_ends_of_ranges(self):
        """[recorded] The very last key of the space, and of the first of two shards."""
        name = self.stream(2)
        self.assertEqual(self.put(name, ExplicitHashKey=str(MAX_KEY))["ShardId"], ONE)
        self.assertEqual(self.put(name, ExplicitHashKey=str(2**127 - 1))["ShardId"], ZERO)

    def test_explicit_hash_key_too_large(self):
        """[servers]"""
        name = self.stream()
        self.refused("InvalidArgumentException", self.put, name=name, ExplicitHashKey=str(MAX_KEY + 1))

    def test_explicit_hash_key_no_number(self):
        """[model] 0 or a decimal number without leading zeros."""
        name = self.stream()
        for text in ("01", "x", "-1", "1" * 40):
            with self.subTest(text):
                self.refused("ValidationException", self.put, name=name, ExplicitHashKey=text)

    def test_long_key(self):
        """[servers] 256 characters are allowed."""
        name = self.stream()
        self.put(name, "k" * 256)
        self.assertEqual(self.read(name)[0][0]["PartitionKey"], "k" * 256)

    def test_bad_keys(self):
        """[model] 1 to 256 characters."""
        name = self.stream()
        for key in ("", "k" * 257):
            with self.subTest(len(key)):
                self.refused("ValidationException", self.put, name=name, key=key)
                self.refused("ValidationException", self.kinesis.put_records, StreamName=name, Records=[{"PartitionKey": key, "Data": b"x"}])

    def test_no_key(self):
        """[model]"""
        self.refused("ValidationException", self.kinesis.put_record, StreamName=self.stream(), Data=b"x")

    def test_no_data(self):
        """[recorded]"""
        self.refused("ValidationException", self.kinesis.put_record, StreamName=self.stream(), PartitionKey="k")

    def test_large(self):
        """[servers] Nearly 1 MiB is taken."""
        name, data = self.stream(), b"z" * (2**20 - 100)
        self.put(name, data=data)
        self.assertEqual(self.data(name), [data])

    def test_too_large(self):
        """[recorded] 1 MiB and a byte, counted before base64."""
        self.refused("ValidationException", self.put, name=self.stream(), data=b"z" * (2**20 + 1))

    def test_max_record_size(self):
        """[model] A stream can be raised to larger records."""
        k, name = self.kinesis, self.stream()
        arn = k.describe_stream(StreamName=name)["StreamDescription"]["StreamARN"]
        k.update_max_record_size(StreamARN=arn, MaxRecordSizeInKiB=3072)
        self.active(name)
        data = b"z" * (2 * 2**20)
        self.put(name, data=data)
        self.assertEqual(self.data(name), [data])
        self.assertEqual(k.describe_stream_summary(StreamName=name)["StreamDescriptionSummary"]["MaxRecordSizeInKiB"], 3072)

    def test_batch(self):
        """[servers] 500 records, answered in the order of the request."""
        name = self.stream(3)
        records = [{"PartitionKey": "key-%d" % (i % 17), "Data": b"%d" % i} for i in range(500)]
        answer = self.kinesis.put_records(StreamName=name, Records=records)
        self.assertEqual(answer["FailedRecordCount"], 0)
        where = {(r["ShardId"], r["SequenceNumber"]): records[i]["Data"] for i, r in enumerate(answer["Records"])}
        self.assertEqual(len(where), 500)
        for shard in (ZERO, ONE, TWO):
            for r in self.read(name, shard)[0]:
                self.assertEqual(where.pop((shard, r["SequenceNumber"])), r["Data"])
        self.assertEqual(where, {})

    def test_batch_keeps_order(self):
        """[servers] Records of one key are read in the order of the batch."""
        name = self.stream()
        self.kinesis.put_records(StreamName=name, Records=[{"PartitionKey": "k", "Data": b"%d" % i} for i in range(50)])
        self.assertEqual(self.data(name), [b"%d" % i for i in range(50)])

    def test_batch_too_long(self):
        """[model] 500 at most."""
        self.refused("ValidationException", self.kinesis.put_records, StreamName=self.stream(), Records=[{"PartitionKey": "k", "Data": b""}] * 501)

    def test_batch_empty(self):
        """[recorded]"""
        self.refused("ValidationException", self.kinesis.put_records, StreamName=self.stream(), Records=[])

    def test_batch_with_a_bad_entry(self):
        """[servers] One bad entry refuses the whole batch, and nothing is written."""
        name = self.stream()
        with self.assertRaises(ClientError):
            self.kinesis.put_records(StreamName=name, Records=[{"PartitionKey": "k", "Data": b"x"}, {"PartitionKey": "", "Data": b"y"}])
        self.assertEqual(self.data(name), [])

    def test_while_creating(self):
        """[model] A stream that is CREATING takes no records."""
        name = self.name()
        since = time.monotonic()
        self.kinesis.create_stream(StreamName=name, ShardCount=1)
        try:
            self.put(name)
        except self.kinesis.exceptions.ResourceNotFoundException:
            return
        self.assertGreater(time.monotonic() - since, 0.05)


class Reading(KinesisCase):
    def setUp(self):
        super().setUp()
        self.s = self.stream()
        self.numbers = [self.put(self.s, data=b"%d" % i)["SequenceNumber"] for i in range(5)]

    def test_trim_horizon(self):
        """[servers]"""
        self.assertEqual(self.data(self.s), [b"0", b"1", b"2", b"3", b"4"])

    def test_at_sequence_number(self):
        """[servers]"""
        self.assertEqual(self.data(self.s, kind="AT_SEQUENCE_NUMBER", StartingSequenceNumber=self.numbers[2]), [b"2", b"3", b"4"])

    def test_after_sequence_number(self):
        """[servers]"""
        got = self.data(self.s, kind="AFTER_SEQUENCE_NUMBER", StartingSequenceNumber=self.numbers[2])
        self.assertEqual(got, [b"3", b"4"])
        self.assertEqual(self.data(self.s, kind="AFTER_SEQUENCE_NUMBER", StartingSequenceNumber=self.numbers[4]), [])

    def test_at_first_number_of_shard(self):
        """[servers]"""
        first = self.shards(self.s)[0]["SequenceNumberRange"]["StartingSequenceNumber"]
        self.assertEqual(len(self.data(self.s, kind="AT_SEQUENCE_NUMBER", StartingSequenceNumber=first)), 5)

    def test_latest(self):
        """[servers] Only what comes later."""
        it = self.iterator(self.s, kind="LATEST")
        answer = self.kinesis.get_records(ShardIterator=it)
        self.assertEqual((answer["Records"], answer["MillisBehindLatest"]), ([], 0))
        self.put(self.s, data=b"later")
        answer = self.kinesis.get_records(ShardIterator=answer["NextShardIterator"])
        self.assertEqual([r["Data"] for r in answer["Records"]], [b"later"])

    def test_at_timestamp(self):
        """[servers]"""
        time.sleep(1.1)  # the stand-ins know whole seconds only
        at = datetime.datetime.now(datetime.timezone.utc)
        time.sleep(1.1)
        self.put(self.s, data=b"later")
        self.assertEqual(self.data(self.s, kind="AT_TIMESTAMP", Timestamp=at), [b"later"])
        hour = datetime.timedelta(hours=1)
        self.assertEqual(len(self.data(self.s, kind="AT_TIMESTAMP", Timestamp=at - hour)), 6)

    def test_at_timestamp_behind_all(self):
        """[model] A time after the last record: only what comes later."""
        time.sleep(1.1)
        now = datetime.datetime.now(datetime.timezone.utc) - datetime.timedelta(milliseconds=50)
        self.assertEqual(self.data(self.s, kind="AT_TIMESTAMP", Timestamp=now), [])

    def test_at_timestamp_to_come(self):
        """[servers]"""
        later = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(hours=1)
        self.refused("InvalidArgumentException", self.iterator, name=self.s, kind="AT_TIMESTAMP", Timestamp=later)

    def test_timestamp_missing(self):
        """[servers]"""
        self.refused("InvalidArgumentException", self.iterator, name=self.s, kind="AT_TIMESTAMP")

    def test_sequence_number_missing(self):
        """[servers]"""
        for kind in ("AT_SEQUENCE_NUMBER", "AFTER_SEQUENCE_NUMBER"):
            self.refused("InvalidArgumentException", self.iterator, name=self.s, kind=kind)

    def test_sequence_number_of_nobody(self):
        """[model] A number that no shard gave out."""
        for text in ("7", "9" * 56):
            with self.subTest(text):
                self.refused("InvalidArgumentException", self.iterator, name=self.s, kind="AT_SEQUENCE_NUMBER", StartingSequenceNumber=text)

    def test_sequence_number_of_another_shard(self):
        """[model] A number is one of the shard that is named."""
        name = self.stream(2)
        number = self.put(name, ExplicitHashKey="0")["SequenceNumber"]
        self.refused("InvalidArgumentException", self.iterator, name=name, shard=ONE, kind="AT_SEQUENCE_NUMBER", StartingSequenceNumber=number)

    def test_sequence_number_no_number(self):
        """[model] 0 or a decimal number of up to 129 digits."""
        for text in ("", "x", "01", "1" * 130):
            with self.subTest(text):
                self.refused("ValidationException", self.iterator, name=self.s, kind="AT_SEQUENCE_NUMBER", StartingSequenceNumber=text)

    def test_bad_type(self):
        """[recorded]"""
        self.refused("ValidationException", self.iterator, name=self.s, kind="NOPE")

    def test_missing_shard(self):
        """[servers]"""
        self.refused("ResourceNotFoundException", self.iterator, name=self.s, shard="shardId-000000000099")

    def test_limit(self):
        """[servers] Limit, and going on with NextShardIterator."""
        it, got = self.iterator(self.s), []
        for want in (2, 2, 1, 0):
            answer = self.kinesis.get_records(ShardIterator=it, Limit=2)
            self.assertEqual(len(answer["Records"]), want)
            got += [r["Data"] for r in answer["Records"]]
            it = answer["NextShardIterator"]
        self.assertEqual(got, [b"0", b"1", b"2", b"3", b"4"])

    def test_behind(self):
        """[model] MillisBehindLatest: how far the answer is from the tip; 0: nothing is left."""
        time.sleep(0.05)
        it = self.iterator(self.s)
        answer = self.kinesis.get_records(ShardIterator=it, Limit=2)
        self.assertGreater(answer["MillisBehindLatest"], 0)
        answer = self.kinesis.get_records(ShardIterator=answer["NextShardIterator"], Limit=3)
        self.assertEqual((len(answer["Records"]), answer["MillisBehindLatest"]), (3, 0))

    def test_iterator_again(self):
        """[servers] An iterator can be used twice."""
        it = self.iterator(self.s)
        for _ in range(2):
            self.assertEqual(len(self.kinesis.get_records(ShardIterator=it)["Records"]), 5)

    def test_bad_limits(self):
        """[model] Limit is 1 to 10000."""
        it = self.iterator(self.s)
        for limit in (0, 10_001):
            with self.subTest(limit):
                self.refused("ValidationException", self.kinesis.get_records, ShardIterator=it, Limit=limit)

    def test_bad_iterator(self):
        """[model] InvalidArgumentException for what is no iterator."""
        for text in ("x", "AAAA", self.iterator(self.s)[:-4] + "AAA="):
            with self.subTest(text):
                self.refused("InvalidArgumentException", self.kinesis.get_records, ShardIterator=text)

    def test_no_iterator(self):
        """[model]"""
        self.refused("ValidationException", self.kinesis.get_records)
        self.refused("ValidationException", self.kinesis.get_records, ShardIterator="")


class Resharding(KinesisCase):
    HALF = str(2**127)

    def split(self, name):
        self.kinesis.split_shard(StreamName=name, ShardToSplit=ZERO, NewStartingHashKey=self.HALF)
        self.active(name)

    def test_split(self):
        """[model] Two children cover the parent, which is closed and keeps its records."""
        name = self.stream()
        old = self.put(name, "a", b"old")
        since = time.monotonic()
        self.kinesis.split_shard(StreamName=name, ShardToSplit=ZERO, NewStartingHashKey=self.HALF)
        self.passing(name, "UPDATING", since)
        self.active(name)
        parent, left, right = self.shards(name)
        ranges = [(s["HashKeyRange"]["StartingHashKey"], s["HashKeyRange"]["EndingHashKey"]) for s in (left, right)]
        self.assertEqual(ranges[0], ("0", str(2**127 - 1)))
        self.assertEqual(ranges[1][0], self.HALF)
        for child in (left, right):
            self.assertEqual(child["ParentShardId"], ZERO)
            self.assertFalse(child.get("AdjacentParentShardId"))
        end = int(parent["SequenceNumberRange"]["EndingSequenceNumber"])
        self.assertGreater(end, int(old["SequenceNumber"]))
        new = self.put(name, "a", b"new")
        self.assertEqual(new["ShardId"], ONE)
        self.assertGreater(int(new["SequenceNumber"]), end)
        self.assertEqual((self.data(name), self.data(name, ONE)), ([b"old"], [b"new"]))

    def test_end_of_closed_shard(self):
        """[servers] NextShardIterator has no value when a closed shard is read to its end."""
        name = self.stream()
        self.put(name)
        self.split(name)
        records, last = self.read(name)
        self.assertEqual(len(records), 1)
        self.assertFalse(last.get("NextShardIterator"))

    def test_child_shards(self):
        """[model] The end of a closed shard names its children."""
        name = self.stream()
        self.put(name)
        self.split(name)
        children = self.read(name)[1]["ChildShards"]
        self.assertEqual([(c["ShardId"], c["ParentShards"]) for c in children], [(ONE, [ZERO]), (TWO, [ZERO])])
        self.assertEqual(children[1]["HashKeyRange"]["StartingHashKey"], self.HALF)

    def test_merge(self):
        """[servers] One child with two parents."""
        name = self.stream(2)
        self.put(name, ExplicitHashKey="0", data=b"low")
        since = time.monotonic()
        self.kinesis.merge_shards(StreamName=name, ShardToMerge=ZERO, AdjacentShardToMerge=ONE)
        self.passing(name, "UPDATING", since)
        self.active(name)
        a, b, child = self.shards(name)
        for parent in (a, b):
            self.assertTrue(parent["SequenceNumberRange"]["EndingSequenceNumber"])
        self.assertEqual((child["ParentShardId"], child["AdjacentParentShardId"]), (ZERO, ONE))
        self.assertEqual(child["HashKeyRange"]["StartingHashKey"], "0")
        self.assertEqual(self.put(name)["ShardId"], TWO)
        self.assertEqual(self.data(name), [b"low"])

    def test_update_shard_count(self):
        """[model] The open shards become as many as was asked for, of equal width; no record is lost."""
        name = self.stream(2)
        for i in range(10):
            self.put(name, "key-%d" % i)
        for before, target in ((2, 4), (4, 3), (3, 6), (6, 3), (3, 2)):
            answer = self.kinesis.update_shard_count(StreamName=name, TargetShardCount=target, ScalingType="UNIFORM_SCALING")
            self.assertEqual((answer["CurrentShardCount"], answer["TargetShardCount"]), (before, target))
            self.active(name)
            shards = self.open_shards(name)
            self.assertEqual(len(shards), target)
            for i, s in enumerate(shards):
                self.assertLess(abs(int(s["HashKeyRange"]["StartingHashKey"]) - i * 2**128 // target), 2**100)
        self.assertEqual(sum(len(self.data(name, s["ShardId"])) for s in self.shards(name)), 10)

    def test_update_shard_count_doubles(self):
        """[model] At most double."""
        with self.assertRaises(ClientError) as caught:
            self.kinesis.update_shard_count(StreamName=self.stream(), TargetShardCount=3, ScalingType="UNIFORM_SCALING")
        self.assertIn(caught.exception.response["Error"]["Code"], ("LimitExceededException", "InvalidArgumentException"))

    def test_update_shard_count_type(self):
        """[model] UNIFORM_SCALING is the only way."""
        self.refused("ValidationException", self.kinesis.update_shard_count, StreamName=self.stream(), TargetShardCount=2, ScalingType="NOPE")

    def test_while_updating(self):
        """[servers] Writes work; another split does not."""
        name = self.stream()
        self.kinesis.split_shard(StreamName=name, ShardToSplit=ZERO, NewStartingHashKey=self.HALF)
        self.put(name, data=b"in between")
        self.active(name)
        self.kinesis.split_shard(StreamName=name, ShardToSplit=ONE, NewStartingHashKey="1000")
        since = time.monotonic()
        try:
            self.kinesis.split_shard(StreamName=name, ShardToSplit=TWO, NewStartingHashKey=str(2**127 + 1000))
        except self.kinesis.exceptions.ResourceInUseException:
            return
        self.assertGreater(time.monotonic() - since, 0.02)

    def test_split_where_it_cannot(self):
        """[model] Within the range of the shard, and not at its ends."""
        name = self.stream()
        for at in ("0", "1", str(MAX_KEY)):
            with self.subTest(at):
                self.refused("InvalidArgumentException", self.kinesis.split_shard, StreamName=name, ShardToSplit=ZERO, NewStartingHashKey=at)

    def test_split_no_shard(self):
        """[servers]"""
        name = self.stream()
        self.refused("ResourceNotFoundException", self.kinesis.split_shard, StreamName=name, ShardToSplit="shardId-000000000077", NewStartingHashKey=self.HALF)

    def test_split_closed(self):
        """[model] A shard is split once."""
        name = self.stream()
        self.split(name)
        with self.assertRaises(ClientError) as caught:
            self.kinesis.split_shard(StreamName=name, ShardToSplit=ZERO, NewStartingHashKey=self.HALF)
        self.assertIn(caught.exception.response["Error"]["Code"], ("InvalidArgumentException", "ResourceInUseException"))

    def test_merge_apart(self):
        """[servers] Only neighbours."""
        name = self.stream(3)
        self.refused("InvalidArgumentException", self.kinesis.merge_shards, StreamName=name, ShardToMerge=ZERO, AdjacentShardToMerge=TWO)

    def test_filter(self):
        """[model] ShardFilter AT_LATEST: the open ones only."""
        name = self.stream()
        self.split(name)
        got = self.shards(name, ShardFilter={"Type": "AT_LATEST"})
        self.assertEqual([s["ShardId"] for s in got], [ONE, TWO])
        got = self.shards(name, ShardFilter={"Type": "AFTER_SHARD_ID", "ShardId": ONE})
        self.assertEqual([s["ShardId"] for s in got], [TWO])


class Wire(KinesisCase):
    def test_no_body(self):
        """[servers] Create and delete answer 200 with no body at all."""
        name = self.name()
        self.assertEqual(raw("CreateStream", json.dumps({"StreamName": name, "ShardCount": 1}).encode()), (200, ""))
        self.active(name)
        self.assertEqual(raw("DeleteStream", json.dumps({"StreamName": name}).encode()), (200, ""))

    def test_no_nulls(self):
        """[recorded] Members without a value are left out."""
        name = self.stream()
        self.put(name)
        for operation, body in (
            ("DescribeStream", {"StreamName": name}),
            ("DescribeStreamSummary", {"StreamName": name}),
            ("ListShards", {"StreamName": name}),
            ("ListStreams", {}),
            ("GetRecords", {"ShardIterator": self.iterator(name)}),
        ):
            with self.subTest(operation):
                status, text = raw(operation, json.dumps(body).encode())
                self.assertEqual((status, "null" in text), (200, False), text)

    def test_numbers(self):
        """[servers] Times are JSON numbers, keys and sequence numbers are strings."""
        name = self.stream()
        d = json.loads(raw("DescribeStream", json.dumps({"StreamName": name}).encode())[1])["StreamDescription"]
        self.assertIsInstance(d["StreamCreationTimestamp"], (int, float))
        self.assertIsInstance(d["Shards"][0]["HashKeyRange"]["EndingHashKey"], str)
        self.assertIsInstance(d["Shards"][0]["SequenceNumberRange"]["StartingSequenceNumber"], str)

    def errors(self, operation, body):
        status, text = raw(operation, body)
        return status, json.loads(text)["__type"].rpartition("#")[2]

    def test_no_json(self):
        """[servers]"""
        for body in (b"{", b"nope", b'{"StreamName":"x"', b'{"a":}'):
            with self.subTest(body):
                self.assertEqual(self.errors("PutRecord", body), (400, "SerializationException"))

    def test_wrong_types(self):
        """[model]"""
        for body in (b'{"StreamName":7}', b'{"StreamName":["x"]}', b'{"StreamName":"x","Limit":"1"}'):
            with self.subTest(body):
                self.assertEqual(self.errors("DescribeStream", body), (400, "SerializationException"))

    def test_bad_base64(self):
        """[model] Data is a blob: base64 in JSON."""
        name = self.stream()
        for data in ("abc", "ab-d", "!!!!", "eB=="):
            with self.subTest(data):
                body = json.dumps({"StreamName": name, "PartitionKey": "k", "Data": data}).encode()
                self.assertEqual(self.errors("PutRecord", body), (400, "SerializationException"))

    def test_unknown_operation(self):
        """[recorded]"""
        self.assertEqual(self.errors("NoSuchOperation", b"{}"), (400, "UnknownOperationException"))

    def test_unknown_members(self):
        """[servers] Members that the model does not have are ignored."""
        name = self.stream()
        body = json.dumps({"StreamName": name, "PartitionKey": "k", "Data": "eA==", "New": {"a": [1]}}).encode()
        self.assertEqual(raw("PutRecord", body)[0], 200)

    def test_nulls_taken(self):
        """[servers] null is as good as absent."""
        name = self.stream()
        body = json.dumps({"StreamName": name, "PartitionKey": "k", "Data": "eA==", "ExplicitHashKey": None}).encode()
        self.assertEqual(raw("PutRecord", body)[0], 200)


class Report(unittest.TextTestResult):
    """Turns a failure that is on the list of faults into a success, and the reverse."""

    faults = {}

    def __init__(self, *args):
        super().__init__(*args)
        self.known, self.cured, self.broken = set(), [], set()

    def case(self, test):
        test = getattr(test, "test_case", test)  # of a subTest
        return test._testMethodName

    def addFailure(self, test, err):
        self.fail_or_known(test, err, super().addFailure)

    def addError(self, test, err):
        self.fail_or_known(test, err, super().addError)

    def addSubTest(self, test, subtest, err):
        if err is not None:
            self.fail_or_known(test, err, lambda _, e: super(Report, self).addSubTest(test, subtest, e))

    def fail_or_known(self, test, err, count):
        name = self.case(test)
        self.broken.add(name)
        if name in self.faults:
            self.known.add(name)
        else:
            count(test, err)

    def stopTest(self, test):
        super().stopTest(test)
        name = self.case(test)
        if name in self.faults and name not in self.broken:
            self.cured.append(name)


def cases(suite):
    for item in suite:
        if isinstance(item, unittest.TestSuite):
            yield from cases(item)
        else:
            yield item


def check_sources(all_cases):
    """A case that a stand-in fails stands on the model or on recorded answers, not on both stand-ins."""
    faults = {name for server in FAULTS.values() for name in server}
    known = {c._testMethodName: c._testMethodDoc or "" for c in all_cases}
    for name in sorted(faults - set(known)):
        yield "%s is in FAULTS, but there is no such case" % name
    for name, doc in sorted(known.items()):
        if not doc.startswith(("[model]", "[servers]", "[recorded]")):
            yield "%s does not say who agreed to it" % name
        elif doc.startswith("[servers]") and name in faults:
            yield "%s says [servers], but one of them fails it" % name
    for name in FAULTS["embedded"]:
        yield "%s: the embedded server has no known faults" % name


def main():
    global ENDPOINT
    args = argparse.ArgumentParser(description="Kinesis cases against any endpoint")
    args.add_argument("--endpoint", required=True)
    args.add_argument("--server", choices=sorted(FAULTS), default="embedded")
    args.add_argument("case", nargs="*", help="names of cases; none: all")
    options = args.parse_args()
    ENDPOINT = options.endpoint.rstrip("/")
    Report.faults = FAULTS[options.server] if options.server == "embedded" else TIMED | FAULTS[options.server]

    suite = list(cases(unittest.defaultTestLoader.loadTestsFromModule(sys.modules["__main__"])))
    wrong = list(check_sources(suite))
    for text in wrong:
        print("WRONG", text)
    if options.case:
        suite = [c for c in suite if c._testMethodName in options.case]
    runner = unittest.TextTestRunner(stream=sys.stdout, resultclass=Report, verbosity=0)
    result = runner.run(unittest.TestSuite(suite))
    for name in sorted(result.known):
        print("KNOWN", name + ":", Report.faults[name])
    result.cured = [name for name in result.cured if name not in TIMED]
    for name in result.cured:
        print("CURED", name + ": take it off the list of faults")
    failed = result.broken - result.known
    print(
        "%s: %d cases, %d passed, %d known faults, %d failed, %d skipped"
        % (options.server, len(suite), len(suite) - len(result.broken), len(result.known), len(failed), len(result.skipped))
    )
    if not suite or wrong or failed or result.cured or result.skipped or not result.wasSuccessful():
        sys.exit(1)


if __name__ == "__main__":
    main()
