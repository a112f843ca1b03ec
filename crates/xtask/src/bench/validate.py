"""The other side of `cargo xtask bench validate`: the same work with torch, scikit-learn and pyarrow.

Subcommands print one line of JSON. Imports stand where they are needed, so that each subcommand pays for its own.
"""

import json
import os
import sys
import time


def make(folder, datasets, rows_auc, rows_read, rows_gate):
    """Writes scores and labels, Parquet to read, and the rows and model of a gate."""
    import numpy as np
    import pyarrow as pa
    import pyarrow.parquet as pq

    random = np.random.default_rng(20_260_101)
    for rows in rows_auc:
        labels = random.random(rows) < 0.02
        scores = (random.standard_normal(rows) + 2.0 * labels).astype(np.float32)
        scores.tofile(f"{folder}/scores-{rows}.f32")
        labels.astype(np.uint8).tofile(f"{folder}/labels-{rows}.u8")
    features = random.standard_normal((rows_read, 32)).astype(np.float32)
    columns = {f"x{index}": pa.array(features[:, index]) for index in range(32)}
    columns["label"] = pa.array((features[:, 0] > 1.0).astype(np.int64))
    table = pa.table(columns)
    for compression in ["snappy", "zstd"]:
        os.makedirs(f"{folder}/read-{compression}")
        path = f"{folder}/read-{compression}/part-0.parquet"
        pq.write_table(table, path, compression=compression, row_group_size=65_536)
    source = pq.read_table(f"{datasets}/validation").combine_chunks()
    chosen = random.integers(0, len(source), rows_gate)
    gate = source.take(pa.array(chosen))
    # A little noise, so that rows are distinct.
    for index, name in enumerate(gate.column_names):
        if name != "label":
            noisy = gate[name].to_numpy() * (1 + 0.01 * random.standard_normal(rows_gate))
            gate = gate.set_column(index, name, pa.array(noisy.astype(np.float32)))
    os.makedirs(f"{folder}/s3/bench/validation")
    for part in range(4):
        share = rows_gate // 4
        path = f"{folder}/s3/bench/validation/part-{part}.parquet"
        pq.write_table(gate.slice(part * share, share), path, compression="snappy")
    return {}


def auc(folder, rows, rounds):
    import numpy as np
    from sklearn.metrics import roc_auc_score

    scores = np.fromfile(f"{folder}/scores-{rows}.f32", np.float32)
    labels = np.fromfile(f"{folder}/labels-{rows}.u8", np.uint8)
    times = []
    for _ in range(rounds):
        started = time.perf_counter()
        value = roc_auc_score(labels, scores)
        times.append(1e3 * (time.perf_counter() - started))
    return {"value": float(value), "ms": times}


def read(folder, rounds):
    import numpy as np
    import pyarrow.parquet as pq
    import torch

    times = []
    for _ in range(rounds):
        started = time.perf_counter()
        table = pq.read_table(folder, use_threads=False, pre_buffer=False)
        names = [name for name in table.column_names if name != "label"]
        # One chunk a column, then rows one after the other, which is what a model takes.
        columns = [table[name].combine_chunks().to_numpy(zero_copy_only=True) for name in names]
        rows = torch.from_numpy(np.stack(columns, axis=1))
        labels = table["label"].to_numpy()
        times.append(1e3 * (time.perf_counter() - started))
    return {"value": float(rows.double().sum()) + float(labels.sum()), "ms": times}


def gate(warm_up, calls):
    import io

    import numpy as np
    import pyarrow.dataset as ds
    import torch
    from pyarrow.fs import S3FileSystem
    from sklearn.metrics import roc_auc_score

    torch.set_num_threads(1)
    scheme, _, place = os.environ["AWS_ENDPOINT_URL"].partition("://")
    store = S3FileSystem(
        access_key=os.environ["AWS_ACCESS_KEY_ID"],
        secret_key=os.environ["AWS_SECRET_ACCESS_KEY"],
        endpoint_override=place,
        scheme=scheme,
        region="us-east-1",
    )
    with store.open_input_stream("bench/model.pt") as stream:
        model = torch.jit.load(io.BytesIO(stream.read())).eval()
    # By name: the local server answers a HEAD of a folder with an error.
    parts = [f"bench/validation/part-{part}.parquet" for part in range(4)]
    table = ds.dataset(parts, filesystem=store).to_table().combine_chunks()
    labels = table["label"].to_numpy()
    columns = [table[name].to_numpy() for name in table.column_names if name != "label"]
    rows = torch.from_numpy(np.stack(columns, axis=1))
    with torch.inference_mode():
        scores = torch.cat([model(batch) for batch in rows.split(8_192)])
        area = roc_auc_score(labels, scores.numpy())
        singles = [rows[index : index + 1] for index in range(0, len(rows), max(1, len(rows) // 2_000))]
        for call in range(warm_up):
            model(singles[call % len(singles)])
        times = []
        for call in range(calls):
            row = singles[call % len(singles)]
            started = time.perf_counter_ns()
            model(row)
            times.append(time.perf_counter_ns() - started)
    p99 = sorted(times)[-(-99 * len(times) // 100) - 1] / 1e6
    return {"value": float(area), "p99_ms": p99, "passed": bool(area >= 0.85 and p99 <= 200)}


def main():
    command, *rest = sys.argv[1:]
    if command == "make":
        folder, datasets, rows_auc, rows_read, rows_gate = rest
        result = make(folder, datasets, [int(rows) for rows in rows_auc.split(",")], int(rows_read), int(rows_gate))
    elif command == "auc":
        result = auc(rest[0], int(rest[1]), int(rest[2]))
    elif command == "read":
        result = read(rest[0], int(rest[1]))
    else:
        result = gate(int(rest[0]), int(rest[1]))
    print(json.dumps(result))


main()
