"""Puts rows of the three tables pinterest_data, geolocation_data and user_data into the streams streaming-PREFIX-pin,
-geo and -user, about one post a second, through PUT /streams/STREAM/record.

    python user_posting_emulation_streaming.py --url http://localhost:8082 --builtin --count 10 --no-sleep
    DATABASE_URL=mysql+pymysql://USER:PASSWORD@HOST:3306/DATABASE python user_posting_emulation_streaming.py --url http://localhost:8082

Needs requests, and with a database sqlalchemy and pymysql.
"""
import argparse
import json
import os
import random
import sys
from pathlib import Path
from time import sleep

import requests

random.seed(100)


class AWSDBConnector:
    """The users' database: a random row of pinterest_data, and the rows of the other tables that belong to it."""

    def __init__(self, url):
        import sqlalchemy

        self.text = sqlalchemy.text
        url = sqlalchemy.engine.make_url(url)
        if url.drivername == "mysql":
            url = url.set(drivername="mysql+pymysql")
        self.engine = sqlalchemy.create_engine(url)
        with self.engine.connect() as connection:
            self.rows = connection.execute(self.text("SELECT COUNT(*) FROM pinterest_data")).scalar()

    def select(self, connection, query, **values):
        return dict(connection.execute(self.text(query), values).one()._mapping)

    def random_post(self):
        random_row = random.randrange(self.rows)
        with self.engine.connect() as connection:
            pin = self.select(connection, f"SELECT * FROM pinterest_data LIMIT {random_row}, 1")
            geo = self.select(connection, "SELECT * FROM geolocation_data WHERE ind = :ind LIMIT 1", ind=pin["index"])
            user = self.select(connection, "SELECT * FROM user_data WHERE ind = :ind LIMIT 1", ind=pin["index"])
        return pin, geo, user


class BuiltinRows:
    """The rows in posts.jsonl beside this script, for trying it without a database."""

    def __init__(self):
        with open(Path(__file__).parent / "posts.jsonl", encoding="utf-8") as lines:
            self.posts = [json.loads(line) for line in lines]

    def random_post(self):
        post = random.choice(self.posts)
        return post["pinterest_data"], post["geolocation_data"], post["user_data"]


def send(session, url, stream, data, partition_key):
    """Puts one record and tells whether it is stored: status 200, and a sequence number inside."""
    payload = json.dumps({"StreamName": stream, "Data": data, "PartitionKey": partition_key}, default=str)
    headers = {"Content-Type": "application/json"}
    response = session.put(f"{url}/streams/{stream}/record", headers=headers, data=payload, timeout=35)
    print(stream, response.status_code, response.text)
    return response.status_code == 200 and "SequenceNumber" in response.json()


def run_infinite_post_data_loop(rows, args):
    failed = posts = 0
    with requests.Session() as session:
        while args.count == 0 or posts < args.count:
            if not args.no_sleep:
                sleep(random.randrange(0, 2))
            pin, geo, user = rows.random_post()
            for event, value in (("pin", pin), ("geo", geo), ("user", user)):
                if not send(session, args.url, f"streaming-{args.prefix}-{event}", value, str(pin["index"])):
                    failed += 1
            posts += 1
    print(f"{posts} posts, {failed} of {3 * posts} records failed")
    return failed


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--url", required=True, help="of the gateway, with its stage if it has one: https://HOST/prod")
    parser.add_argument("--prefix", default="demo", help="of the streams (default: demo)")
    parser.add_argument("--builtin", action="store_true", help="take the rows of posts.jsonl instead of a database")
    parser.add_argument("--count", type=int, default=0, help="posts to send; 0, the default, goes on for ever")
    parser.add_argument("--no-sleep", action="store_true", help="don't pause between posts")
    args = parser.parse_args()
    args.url = args.url.rstrip("/")
    if not args.builtin and "DATABASE_URL" not in os.environ:
        parser.error("want --builtin, or DATABASE_URL=mysql+pymysql://USER:PASSWORD@HOST:3306/DATABASE in the environment")
    rows = BuiltinRows() if args.builtin else AWSDBConnector(os.environ["DATABASE_URL"])
    sys.exit(1 if run_infinite_post_data_loop(rows, args) else 0)


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        pass
