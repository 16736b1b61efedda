"""delta-rs beside us on one folder: python foreign.py read|append|optimize|checkpoint TABLE [FIRST N]."""
import datetime
import json
import os
import sys

import pyarrow as pa
from deltalake import DeltaTable, write_deltalake

action, path = sys.argv[1:3]


def rows(first, n):
    """The rows of delta_test.go: pins first…first+n-1; every tenth has nulls."""
    at = [datetime.datetime.fromtimestamp(0, datetime.timezone.utc) + datetime.timedelta(microseconds=1_600_000_000_000_000 + i * 1001) for i in range(first, first + n)]
    none = [i % 10 == 9 for i in range(first, first + n)]
    keep = lambda values: [None if no else v for v, no in zip(values, none)]
    return pa.table({
        "ind": pa.array(range(first, first + n), pa.int32()),
        "title": pa.array(keep([f"title {i}" for i in range(first, first + n)]), pa.string()),
        "coordinates": pa.array(keep([[i / 2, None] for i in range(first, first + n)]), pa.list_(pa.float64())),
        "at": pa.array(keep(at), pa.timestamp("us", tz="UTC")),
    })


if action == "read":
    table = DeltaTable(path)
    data = pa.table(table.to_pyarrow_table() if hasattr(table, "to_pyarrow_table") else table.to_pyarrow_dataset().to_table())
    for row in sorted(data.to_pylist(), key=lambda r: r["ind"]):
        if row["at"] is not None:
            row["at"] = row["at"].isoformat(timespec="microseconds")
        print(json.dumps(row))
    print(json.dumps({"version": table.version(), "columns": [f"{f.name} {f.type}" for f in data.schema]}))
elif action == "append":
    first, n = map(int, sys.argv[3:5])
    for i in range(first, first + n):
        write_deltalake(path, rows(i, 1), mode="append")
elif action == "optimize":
    DeltaTable(path).optimize.compact()
elif action == "checkpoint":
    DeltaTable(path).create_checkpoint()
sys.stdout.flush()
os._exit(0)  # its threads may abort an interpreter that ends by itself
