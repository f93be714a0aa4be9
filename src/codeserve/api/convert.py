"""From the contract's bodies to the core's values and back. Pure.

The core works on the redacted note; only here are spans mapped to the text that was sent.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from datetime import date

from codeserve.api import checks, schemas, schemas_checks
from codeserve.api.compare import compare
from codeserve.codesets import CodeSets
from codeserve.codesets.reference import TableInfo
from codeserve.notes.document import Document
from codeserve.notes.spans import Span
from codeserve.rules import hcc, results
from codeserve.rules.claim import Claim, Line
from codeserve.rules.encounter import Encounter, RecentProcedure
from codeserve.rules.gaps import Gap
from codeserve.rules.risk import Risk
from codeserve.rules.risk_adjustment import MODELS, Score

CONFIDENCE_DIGITS = 4


def to_encounter(sent: schemas.Encounter) -> tuple[Encounter, tuple[str, ...]]:
    """The visit as the rules see it, and the identifiers that redaction must remove."""
    patient = sent.patient or schemas.Patient()
    encounter = Encounter(
        date_of_service=sent.date_of_service,
        place_of_service=sent.place_of_service,
        patient_status=sent.patient_status,
        setting=sent.setting,
        service=sent.service,
        modality=sent.modality,
        note_type=sent.note_type,
        specialty=sent.specialty,
        payer=sent.payer,
        minutes=sent.minutes,
        age=_age(patient, sent.date_of_service),
        sex=patient.sex,
        prior_diagnoses=tuple(dict.fromkeys(sent.prior_diagnoses)),
        existing_codes=tuple(dict.fromkeys(sent.existing_codes)),
        recent_procedures=tuple(RecentProcedure(r.code, r.date, tuple(r.modifiers)) for r in sent.recent_procedures),
    )
    return encounter, tuple(dict.fromkeys(patient.identifiers))


def _age(patient: schemas.Patient, service: date | None) -> int | None:
    if patient.age is not None or patient.birth_date is None:
        return patient.age
    # Born "tomorrow" in another time zone is an age of 0.
    return max(0, checks.years_between(patient.birth_date, service or date.today()))


def to_claim(request: schemas_checks.ValidateRequest, codesets: CodeSets) -> Claim:
    encounter, _ = to_encounter(request.encounter)
    lines = [
        Line(line.code, tuple(line.modifiers), line.units, tuple(line.diagnosis_pointers))
        for line in request.procedure_codes
    ]
    return Claim.of(encounter, [one.code for one in request.diagnosis_codes], lines, codesets)


def to_lines(
    lines: Sequence[results.Procedure], paid: Sequence[results.Expected | None]
) -> list[schemas_checks.LineExpected]:
    return [
        schemas_checks.LineExpected(line=number, code=line.code, expected_reimbursement=to_expected(one))
        for number, (line, one) in enumerate(zip(lines, paid, strict=True), 1)
    ]


def to_table(table: TableInfo) -> schemas_checks.TableInForce:
    return schemas_checks.TableInForce(
        name=table.name, version=table.version, effective=table.effective, until=table.until, source=table.source
    )


def to_response(
    request: schemas.ExtractRequest,
    document: Document,
    *,
    diagnoses: Sequence[results.Diagnosis],
    procedures: Sequence[results.Procedure],
    em: results.Em | None,
    findings: Sequence[results.Finding],
    route: results.Route,
    models: schemas.Models,
    gaps: Sequence[Gap] | None = None,
    risk: Risk | None = None,
) -> schemas.ExtractResponse:
    """The answer; `document.original` must be the request's text. Raises pydantic's ValidationError, an internal error
    here, for results that break the contract (a confidence above 1)."""
    answer = _Answer(document, request.options)
    billed = [procedure.code for procedure in procedures] + ([em.code] if em else [])
    existing = request.encounter.existing_codes
    return schemas.ExtractResponse(
        encounter_id=request.encounter.encounter_id or request.document_id,
        document_id=request.document_id,
        diagnosis_codes=[answer.diagnosis(one) for one in diagnoses],
        procedure_codes=[answer.procedure(one) for one in procedures],
        em=answer.em(em) if em else None,
        findings=[to_finding(one) for one in findings],
        documentation_gaps=None if gaps is None else to_gaps(document, gaps),
        risk_adjustment=None if risk is None else to_risk(document, risk),
        route=schemas.Route.model_validate(
            {"decision": route.decision, "threshold": route.threshold, "reasons": list(route.reasons)}
        ),
        comparison=compare(existing, [one.code for one in diagnoses], billed) if existing else None,
        model=models,
        note_sha256=hashlib.sha256(request.text.encode()).hexdigest(),
    )


def evidence(document: Document, spans: Sequence[Span]) -> list[schemas.Evidence]:
    """The spans in the original, in order; those of one section that overlap, touch or have only blanks between them
    become one."""
    placed = sorted(
        (document.to_original(span), document.section_at(span.start).kind.value) for span in spans if len(span)
    )
    merged: list[tuple[Span, str]] = []
    for span, section in placed:
        if merged and merged[-1][1] == section and _continues(document.original, merged[-1][0], span):
            merged[-1] = (merged[-1][0].cover(span), section)
        else:
            merged.append((span, section))
    return [
        schemas.Evidence(start=span.start, end=span.end, text=span.of(document.original), section=section)
        for span, section in merged
    ]


def to_gaps(document: Document, gaps: Sequence[Gap]) -> list[schemas.Gap]:
    return [
        schemas.Gap(
            id=gap.id,
            kind=gap.kind,
            evidence=evidence(document, gap.spans),
            question=gap.question,
            changes=gap.changes,
            codes=list(gap.codes),
            source=gap.source,
        )
        for gap in gaps
    ]


def to_risk(document: Document, risk: Risk) -> schemas.RiskAdjustment:
    questions = [
        schemas.RiskQuestion.model_validate(
            {
                "kind": one.kind,
                "question": one.question,
                "codes": list(one.codes),
                "models": [
                    {"model": model, "categories": list(found), "change": one.change[model]}
                    for model, found in one.categories.items()
                ],
                "evidence": evidence(document, [quote.span for quote in one.quotes]),
                "source": one.source,
            }
        )
        for one in risk.questions
    ]
    models = [_risk_model(score) for score in risk.scores]
    return schemas.RiskAdjustment(tables=hcc.TABLES, models=models, questions=questions, remarks=list(risk.remarks))


def _risk_model(score: Score) -> schemas.RiskModel:
    return schemas.RiskModel.model_validate(
        {
            "model": score.model,
            "demographics": score.demographics,
            "prior": score.prior,
            "suggested": score.documented,
            "if_recaptured": score.if_recaptured,
            "codes": [
                {
                    "code": one.code,
                    "origin": "prior" if one.origin == "prior" else "suggested",
                    "categories": [
                        {"category": c, "label": hcc.label(c, MODELS[score.model]), "counts": c in one.kept}
                        for c in one.categories
                    ],
                }
                for one in score.carried
            ],
        }
    )


def _continues(text: str, span: Span, later: Span) -> bool:
    return not text[span.end : later.start].strip(" \t")


class _Answer:
    """Converts results of one note as its options want them."""

    def __init__(self, document: Document, options: schemas.Options) -> None:
        self._document = document
        self._options = options

    def diagnosis(self, result: results.Diagnosis) -> schemas.DiagnosisCode:
        return schemas.DiagnosisCode.model_validate(
            {
                "code": result.code,
                "description": result.description,
                "confidence": _rounded(result.confidence),
                "evidence": evidence(self._document, result.evidence),
                "alternatives": self._alternatives(result.alternatives),
                "assertion": result.assertion.value,
                "decided_by": result.decided_by,
                "role": result.role.value,
                "rationale": self._rationale(result.rationale),
                "sequence": result.sequence,
            }
        )

    def procedure(self, result: results.Procedure) -> schemas.ProcedureCode:
        return schemas.ProcedureCode.model_validate(
            {
                "code": result.code,
                "system": result.system.value,
                "description": result.description,
                "confidence": _rounded(result.confidence),
                "modifiers": list(result.modifiers),
                "modifier_reasons": self._reasons(result.modifier_reasons),
                "units": result.units,
                "evidence": evidence(self._document, result.evidence),
                "diagnosis_pointers": list(result.diagnosis_pointers),
                "alternatives": self._alternatives(result.alternatives),
                "decided_by": result.decided_by,
                "rationale": self._rationale(result.rationale),
                "expected_reimbursement": to_expected(result.expected),
            }
        )

    def em(self, result: results.Em) -> schemas.Em:
        return schemas.Em.model_validate(
            {
                "code": result.code,
                "modifiers": list(result.modifiers),
                "modifier_reasons": self._reasons(result.modifier_reasons),
                "method": result.method,
                "level": result.level,
                "problems": self._element(result.problems),
                "data": self._element(result.data),
                "risk": self._element(result.risk),
                "confidence": _rounded(result.confidence),
                "also": [
                    schemas.EmAddOn(
                        code=one.code,
                        units=one.units,
                        modifiers=list(one.modifiers),
                        why=one.why,
                        evidence=evidence(self._document, one.evidence),
                        expected_reimbursement=to_expected(one.expected),
                    )
                    for one in result.also
                ],
                "level_by_time": result.level_by_time,
                "next_level": result.next_level,
                "rationale": self._rationale(result.rationale),
                "expected_reimbursement": to_expected(result.expected),
            }
        )

    def _element(self, element: results.Element) -> dict[str, object]:
        items = [
            schemas.ElementItem.model_validate(
                {
                    "kind": item.kind,
                    "message": item.message,
                    "evidence": evidence(self._document, item.evidence),
                    "decided_by": item.decided_by,
                }
            )
            for item in element.items
        ]
        return {"level": element.level, "items": items}

    def _reasons(self, reasons: Sequence[results.ModifierReason]) -> list[schemas.ModifierReason]:
        return [
            schemas.ModifierReason(
                modifier=one.modifier,
                reason=one.reason,
                source=one.source,
                evidence=evidence(self._document, one.evidence),
            )
            for one in reasons
        ]

    def _alternatives(self, alternatives: Sequence[results.Alternative]) -> list[schemas.Alternative]:
        return [
            schemas.Alternative(code=one.code, description=one.description, confidence=_rounded(one.confidence))
            for one in alternatives[: self._options.max_alternatives]
        ]

    def _rationale(self, rationale: str) -> str | None:
        return rationale if self._options.include_rationale else None


def to_expected(expected: results.Expected | None) -> schemas.Expected | None:
    if expected is None:
        return None
    return schemas.Expected(amount=expected.amount, basis=expected.basis, adjustments=list(expected.adjustments))


def to_finding(finding: results.Finding) -> schemas.Finding:
    return schemas.Finding(
        id=finding.id,
        severity=finding.severity.value,
        rule=finding.rule,
        source=finding.source,
        message=finding.message,
        codes=list(finding.codes),
        suggestion=finding.suggestion,
    )


def _rounded(confidence: float) -> float:
    return round(float(confidence), CONFIDENCE_DIGITS)
