"""Hooks of zoo-omcda."""

from zoo_core import AlgorithmEntry, Source, hookimpl

PAPER = "Who Matters Matters: Agent-Specific Conservative Offline MARL (OMCDA)"
FIGURES = "in Figures 4a-b and 5 of OMCDA"


def entry(name: str, attribute: str, summary: str, equations: str, column: str) -> AlgorithmEntry:
    return AlgorithmEntry(
        name=name,
        summary=summary,
        factory=f"zoo_omcda.algorithm:{attribute}",
        source=Source(PAPER, equations=equations),
        settings="zoo_omcda:defaults.yaml",
        actions=("continuous", "discrete"),
        needs=("rows", "state"),
        mixer=("linear",),
        table_column=column,
    )


@hookimpl
def zoo_algorithms():
    return [
        entry(
            "omcda",
            "OMCDA",
            "OMCDA: values of return and of constraint; agents of more influence may leave the data further.",
            "Eqs. 12 to 25 and 51 to 55, Algorithm 1",
            "OMCDA in Tables 6 and 7 of OMCDA",
        ),
        entry(
            "omcda-wo-cda",
            "EqualDegrees",
            "OMCDA without conservative degree allocation: every agent may leave the data equally far.",
            "Section 4 and Appendix F.1",
            f"OMCDA-w/o-CDA {FIGURES}",
        ),
        entry(
            "omcda-wo-dq",
            "Entangled",
            "OMCDA without decomposed Q: return and constraint in one value, as in OMIGA; degrees allocated.",
            "Section 4 and Appendix F.1",
            f"OMCDA-w/o-dq {FIGURES}",
        ),
        entry(
            "omcda-rd",
            "RandomDegrees",
            "OMCDA with random degrees, drawn once for each seed.",
            "Section 4 and Appendix F.1",
            f"OMCDA-rd {FIGURES}",
        ),
    ]
