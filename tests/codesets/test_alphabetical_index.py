"""Small indexes in the CDC's schema, read against the real code set."""

from pathlib import Path

import pytest

from codeserve.codesets import CodeSets
from codeserve.codesets import alphabetical_index as index
from codeserve.errors import SetupError
from codeserve.retrieval.lexicon import Lexicon

DISEASES = """<ICD10CM.index>
  <version>2030</version><title>ICD-10-CM INDEX TO DISEASES and INJURIES</title>
  <letter><title>G</title>
    <mainTerm><title>Gout, gouty<nemod>(acute) (attack) (flare) (s)</nemod> NOS</title><code>M10.9</code>
      <term level="1"><title>drug-induced</title><code>M10.20</code>
        <term level="2"><title>ankle</title><code>M10.27-</code></term>
      </term>
      <term level="1"><title>chronic</title><see>Podagra</see></term>
      <term level="1"><title>by cause</title><seeAlso>Podagra, by site</seeAlso></term>
      <term level="1"><title>saturnine</title><see>Table of Drugs and Chemicals</see></term>
      <term level="1"><title>gone</title><code>M10.99</code></term>
      <term level="1"><title>any</title><code>M-</code><code>M10.-</code></term>
      <term level="1"><title>sites</title><seecat>M10</seecat></term>
      <term level="1"><title>other</title><term level="2"><title>toe</title><code>M10.07-</code></term></term>
    </mainTerm>
    <mainTerm><title>Podagra</title><code>M1A.9</code></mainTerm>
    <mainTerm><title>Podagra</title><term level="1"><title>of rest</title><code>M10.9</code></term></mainTerm>
    <mainTerm><title>Loop</title><see>Loop</see></mainTerm>
    <mainTerm><title>Sprain</title><term level="1"><title>ankle</title><code>S93.40</code></term></mainTerm>
  </letter>
</ICD10CM.index>"""

NEOPLASM = """<ICD10CM.index>
  <version>2030</version>
  <indexHeading><head col="1">Neoplasm</head><head col="2">Malignant Primary</head>
    <head col="3">Malignant Secondary</head><head col="4">Ca in situ</head><head col="5">Benign</head></indexHeading>
  <letter><title>N</title>
    <mainTerm><title>Neoplasm, neoplastic</title>
      <cell col="2">C80.1</cell><cell col="3">C79.9</cell><cell col="4">D09.9</cell><cell col="5">D36.9</cell>
      <term level="1"><title>colon</title><see>Neoplasm, intestine, large</see></term>
      <term level="1"><title>intestine, intestinal</title><term level="2"><title>large</title>
        <cell col="2">C18.9</cell><cell col="3">C78.5</cell><cell col="4">-</cell>
        <cell col="5">D12.6</cell></term></term>
    </mainTerm>
  </letter>
</ICD10CM.index>"""


def report_of(folder: Path, xml: str, codesets: CodeSets) -> index.Report:
    (folder / "some.xml").write_text(xml, encoding="utf-8")
    return index.read(folder / "some.xml", codesets.concepts)


def rows(report: index.Report) -> dict[str, list[str]]:
    return {term: list(codes) for term, codes in report.rows.items()}


def test_titles_are_joined_and_a_nonessential_modifier_changes_nothing(tmp_path: Path, codesets: CodeSets) -> None:
    found = rows(report_of(tmp_path, DISEASES, codesets))
    for term in ("gout", "gouty", "acute gout", "attack gout", "flare gout"):
        assert found[term] == ["M10.9"]
    assert "s gout" not in found
    assert found["gout drug induced ankle"] == ["M10.27-"]
    assert found["gout other toe"] == ["M10.07-"]


def test_a_code_without_its_last_characters_becomes_a_stem(tmp_path: Path, codesets: CodeSets) -> None:
    found = rows(report_of(tmp_path, DISEASES, codesets))
    assert found["sprain ankle"] == ["S93.40-"]
    assert found["podagra"] == ["M1A.9-"]


def test_references_lead_to_the_codes_or_are_reported(tmp_path: Path, codesets: CodeSets) -> None:
    report = report_of(tmp_path, DISEASES, codesets)
    assert rows(report)["gout chronic"] == ["M1A.9-"]
    assert "gout by cause" in report.doubtful
    assert report.examples[index.UNRESOLVED] == [
        "Gout, gouty, saturnine, Table of Drugs and Chemicals",
        "Loop, Loop",
    ]


def test_what_is_left_out_is_counted_by_reason(tmp_path: Path, codesets: CodeSets) -> None:
    report = report_of(tmp_path, DISEASES, codesets)
    assert dict(report.counts) == {
        index.UNRESOLVED: 2,
        index.UNKNOWN_CODE: 1,
        index.NO_COLUMN: 1,
        index.TOO_WIDE: 1,
        index.CATEGORY_ONLY: 1,
        index.NO_CODE: 3,
    }
    assert report.examples[index.UNKNOWN_CODE] == ["Gout, gouty, gone, M10.99"]


def test_the_columns_of_the_neoplasm_table_become_phrases(tmp_path: Path, codesets: CodeSets) -> None:
    report = report_of(tmp_path, NEOPLASM, codesets)
    found = rows(report)
    assert report.name == "neoplasm"
    assert found["cancer of intestine large"] == found["cancer of colon"] == ["C18.9"]
    assert found["metastasis to intestinal large"] == ["C78.5"]
    assert found["benign tumor of colon"] == ["D12.6"]
    assert found["malignant neoplasm"] == ["C80.1"]
    assert not any("in situ" in term and "intestine" in term for term in found)
    assert report.counts[index.NO_COLUMN] == 2  # of the entry, and of the one that refers to it


def test_the_lexicon_reads_what_was_written_and_never_trusts_it(tmp_path: Path, codesets: CodeSets) -> None:
    path = index.write(report_of(tmp_path, DISEASES, codesets), tmp_path)
    own = tmp_path / "own"
    own.mkdir()
    (own / "some.tsv").write_text(f"{index.HEADER}\nsprained ankle\tS93.40-\npodagra\tM10.9\t\t\tambiguous\n")
    lexicon = Lexicon.load(own, imported=path.parent)
    assert [(hit.code, hit.certain, hit.imported) for hit in lexicon.lookup("gouty")] == [("M10.9", False, True)]
    assert [(hit.code, hit.imported) for hit in lexicon.lookup("podagra")] == [("M10.9", False), ("M1A.9-", True)]
    assert [hit.imported for hit in lexicon.lookup("sprained ankle")] == [False]
    assert lexicon.scan("gouty toe") == []
    assert Lexicon.load(own, imported=tmp_path / "absent").lookup("gouty") == ()


def test_a_second_import_replaces_the_first_and_a_failed_one_leaves_it(
    tmp_path: Path, codesets: CodeSets, monkeypatch: pytest.MonkeyPatch
) -> None:
    report = report_of(tmp_path, NEOPLASM, codesets)
    path = index.write(report, tmp_path)
    before = path.read_text()

    def broken(_: index.Report) -> list[str]:
        raise OSError("disk full")

    with monkeypatch.context() as patched:
        patched.setattr(index, "_lines", broken)
        with pytest.raises(OSError, match="disk full"):
            index.write(report, tmp_path)
    assert [file.name for file in path.parent.iterdir()] == ["neoplasm.tsv"]
    assert path.read_text() == before
    assert index.write(report, tmp_path) == path


@pytest.mark.parametrize(
    "xml",
    [
        "not XML",
        "<other/>",
        "<ICD10CM.index><title>Index</title></ICD10CM.index>",
        '<!DOCTYPE x [<!ENTITY a "b">]><ICD10CM.index/>',
        '<ICD10CM.index><indexHeading><head col="1">Substance</head></indexHeading></ICD10CM.index>',
    ],
)
def test_another_file_is_refused_by_name(tmp_path: Path, codesets: CodeSets, xml: str) -> None:
    with pytest.raises(SetupError, match=r"some\.xml"):
        report_of(tmp_path, xml, codesets)


def test_a_file_that_is_not_there_is_refused(tmp_path: Path, codesets: CodeSets) -> None:
    with pytest.raises(SetupError, match="cannot be read"):
        index.read(tmp_path / "absent.xml", codesets.concepts)
